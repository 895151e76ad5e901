package operate

// What the tests know of the inside.
var (
	MessageFiles = messageFiles
	Pages        = pages
)

// TextsInCode are those that no template names.
var TextsInCode = []string{
	"client.algs", "client.audience", "client.auth_method", "client.backchannel", "client.delete.mismatch", "client.grants", "client.number",
	"client.type", "definition.conflict", "editor.fault", "editor.fault.boolean", "editor.fault.json", "editor.fault.number", "editor.twice",
	"group.delete.mismatch", "group.member.unknown", "preview.budget.application", "preview.budget.document", "preview.budget.inherited",
	"preview.budget.own", "user.country", "user.erase.mismatch", "user.locality", "user.own", "user.postal_code", "user.preferred_username",
	"user.region", "user.street_address",
}
