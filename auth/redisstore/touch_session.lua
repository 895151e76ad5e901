-- Notes that a login session was used, and puts off the end it has unless it is used again. One that has ended stays so.
-- Idempotent by nature: an earlier use changes nothing after a later one.
-- KEYS  session
-- ARGV  now, end unless used again, address
local stored = redis.call('HMGET', KEYS[1], 'seen', 'ends', 'exp')
local now = tonumber(ARGV[1])
if not stored[1] or now < tonumber(stored[1]) or now >= tonumber(stored[2]) then
  return 1
end
local ends = ARGV[2]
if tonumber(stored[3]) < tonumber(ends) then
  ends = stored[3]
end
redis.call('HSET', KEYS[1], 'seen', ARGV[1], 'ends', ends, 'addr', ARGV[3])
redis.call('PEXPIREAT', KEYS[1], ends)
return 1
