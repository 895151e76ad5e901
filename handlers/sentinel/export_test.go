package sentinel

// What the tests of this package reach besides its API.
var (
	Entries   = entries
	ProfileID = profileID
)
