-- Tells one partition of a scheme, unless it knows of a later one.
-- Idempotent by nature.
-- KEYS  what the partition has been told
-- ARGV  revision, searchable keys ...
local told = redis.call('HGET', KEYS[1], '')
if told and tonumber(told) >= tonumber(ARGV[1]) then
  return told
end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], '', ARGV[1])
for i = 2, #ARGV do
  redis.call('HSET', KEYS[1], ARGV[i], '1')
end
return ARGV[1]
