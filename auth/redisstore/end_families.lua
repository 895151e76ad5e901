-- Ends the named families of a user.
-- Idempotent by nature.
-- KEYS  the user's families, the families to end ...
-- ARGV  their members ...
redis.call('DEL', unpack(KEYS, 2))
redis.call('ZREM', KEYS[1], unpack(ARGV))
return 1
