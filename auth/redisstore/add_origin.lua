-- Notes that a client's pages may come from a web origin.
-- Idempotent by nature.
-- KEYS  origin
-- ARGV  client
redis.call('SADD', KEYS[1], ARGV[1])
return 1
