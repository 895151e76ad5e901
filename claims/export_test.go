package claims

// ParseKeySet lets tests give the parser hostile sets without a server.
var ParseKeySet = parseKeySet

// The bounds of the cache, for tests that step over them.
const (
	MaxFresh = maxFresh
	MaxStale = maxStale
)
