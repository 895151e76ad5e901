-- Leaves of a user only that the id was used. His number leads to nobody and is nobody else's.
-- Idempotent by nature.
-- KEYS  user, the user's families, his consents, numbers of the partition
local status = redis.call('HGET', KEYS[1], 'st')
if not status then
  return redis.error_reply('NOTFOUND no user')
end
if status ~= 'deleting' and status ~= 'gone' then
  return redis.error_reply('STALE deletion not begun')
end
local number = redis.call('HGET', KEYS[1], 'no')
if number then
  redis.call('HDEL', KEYS[4], 'n:' .. number)
end
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
redis.call('HSET', KEYS[1], 'st', 'gone')
return 1
