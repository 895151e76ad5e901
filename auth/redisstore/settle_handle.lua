-- Gives a handle to the user in whose operation's name it is held. Answers whether it is his then.
-- Idempotent by nature.
-- KEYS  handle
-- ARGV  holder, user
local holder = redis.call('GET', KEYS[1])
if holder ~= ARGV[1] and holder ~= ARGV[2] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[2])
return 1
