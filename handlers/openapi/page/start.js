// Addresses are relative, so that the pages also work below a path.
SwaggerUIBundle({
	url: "../openapi.json",
	dom_id: "#api",
	deepLinking: true,
	displayRequestDuration: true,
	defaultModelsExpandDepth: 0,
	validatorUrl: "none", // the default sends the document to a validator on the Internet
})
