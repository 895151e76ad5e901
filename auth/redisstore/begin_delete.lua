-- Marks a user as being deleted: no password, no second factors, no handles, no organisations. The record stays, so that the deletion can be resumed.
-- Idempotent by nature: nothing but this script and finish_delete.lua writes to a user who is being deleted.
-- KEYS  user, the indexes of the user's organisations ...
-- ARGV  member, version
local stored = redis.call('HMGET', KEYS[1], 'st', 'v')
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
for i = 2, #KEYS do
  redis.call('ZREM', KEYS[i], ARGV[1])
end
return 1
