// Addresses are relative, so that the pages also work below a path.
const own = "../openapi.json"
const chosen = new URLSearchParams(location.search).get("document") ?? ""
SwaggerUIBundle({
	url: /^[a-z]+$/.test(chosen) ? `../openapi/${chosen}.json` : own,
	dom_id: "#api",
	deepLinking: true,
	displayRequestDuration: true,
	defaultModelsExpandDepth: 0,
	validatorUrl: "none", // the default sends the document to a validator on the Internet
})

// The own document names the others that are served.
fetch(own).then((answer) => answer.json()).then((document) => {
	const list = window.document.getElementById("documents")
	const others = document["x-documents"].map(({ name }) => [name, `?document=${name}`])
	for (const [name, address] of others.length > 0 ? [["claimsmith", "./"], ...others] : []) {
		const link = window.document.createElement("a")
		link.href = address
		link.textContent = name
		list.append(link, " ")
	}
})
