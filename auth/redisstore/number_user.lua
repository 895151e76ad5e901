-- Gives a user a number of his partition if he has none. Answers the number he has.
-- Idempotent by nature: a user keeps his number.
-- KEYS  user, numbers of the partition
-- ARGV  id, partition, how many partitions
local user = redis.call('HMGET', KEYS[1], 'no', 'st')
if user[1] then
  return user[1]
end
if user[2] ~= 'active' and user[2] ~= 'disabled' then
  return redis.error_reply('NOTFOUND no user')
end
local count = (redis.call('HGET', KEYS[2], 'last') or 0) + 1
local number = string.format('%d', count * ARGV[3] + ARGV[2])
redis.call('HSET', KEYS[2], 'last', string.format('%d', count), 'n:' .. number, ARGV[1])
redis.call('HSET', KEYS[1], 'no', number)
return number
