package redisstore

var Patched = patched
