package claims

// The bounds of the cache, for tests that step over them.
const (
	MaxFresh = maxFresh
	MaxStale = maxStale
)
