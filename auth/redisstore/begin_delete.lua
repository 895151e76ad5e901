-- Marks a user as being deleted: no password, no second factors, no handles, no organisations. The record stays, so that the deletion can
-- be resumed.
-- Idempotent by nature: nothing but this script and finish_delete.lua writes to a user who is being deleted.
-- KEYS  user, the indexes of the user's organisations ..., those of handles ...
-- ARGV  member, version, how many indexes
local stored = redis.call('HMGET', KEYS[1], 'st', 'v', 'un', 'em')
if not stored[1] or stored[1] == 'gone' then
  return redis.error_reply('NOTFOUND no user')
end
-- The organisations, and with them KEYS, are those of this version.
if stored[1] ~= 'deleting' and stored[2] ~= ARGV[2] then
  return redis.error_reply('STALE version ' .. stored[2])
end

for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
  if string.sub(field, 1, 2) == 'o:' then
    redis.call('HDEL', KEYS[1], field)
  end
end
redis.call('HDEL', KEYS[1], 'un', 'em', 'pw', 'fac')
redis.call('HSET', KEYS[1], 'st', 'deleting')
local indexes = 1 + tonumber(ARGV[3])
for i = 2, indexes do
  redis.call('ZREM', KEYS[i], ARGV[1])
end
for i = indexes + 1, #KEYS do
  for _, handle in ipairs({stored[3] or '', stored[4] or ''}) do
    redis.call('ZREM', KEYS[i], handle .. '\0' .. ARGV[1])
  end
end
return 1
