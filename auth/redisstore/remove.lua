-- Removes one version of a record and its index entry. Version and operations stay: a new record of the id continues the count, so an
-- old ETag never fits it, and a late repetition of the write that created the old one is recognised.
-- Replay-safe by operation id, which is noted like that of a write (put.lua): sent again it does not remove a new record of the id. What
-- is gone already is removed.
-- KEYS  record, index
-- ARGV  operation, version, member
local record, op = KEYS[1], ARGV[1]
local stored = redis.call('HMGET', record, 'v', 'op', 'rec')
local version, ops = stored[1], stored[2] or ''
if not stored[3] or string.find(' ' .. ops, ' ' .. op .. '@', 1, true) then
  return 1
end
if version ~= ARGV[2] then
  return redis.error_reply('STALE version ' .. version)
end

local recent, count = op .. '@' .. version, 1
for earlier in string.gmatch(ops, '%S+') do
  if count == 8 then break end
  recent, count = recent .. ' ' .. earlier, count + 1
end
redis.call('HDEL', record, 'rec')
redis.call('HSET', record, 'op', recent)
redis.call('ZREM', KEYS[2], ARGV[3])
return 1
