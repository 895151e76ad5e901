-- Notes that all partitions know of a scheme.
-- Idempotent by nature.
-- KEYS  scheme
-- ARGV  revision
local noted = redis.call('HGET', KEYS[1], '!')
if not noted or tonumber(noted) < tonumber(ARGV[1]) then
  redis.call('HSET', KEYS[1], '!', ARGV[1])
end
return ARGV[1]
