package redisstore

// ParseKeys is parseKeys for fuzzing.
var ParseKeys = parseKeys
