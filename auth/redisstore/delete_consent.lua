-- Removes one consent.
-- Idempotent by nature.
-- KEYS  consents
-- ARGV  field
redis.call('HDEL', KEYS[1], ARGV[1])
return 1
