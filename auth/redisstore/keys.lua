-- Replaces the signing keys if nobody else did since they were read.
-- KEYS[1]  hash: v version, s the records, op the operations that wrote the last versions, newest first
-- ARGV     expected version, next version, operation, records
local key = KEYS[1]
local stored = redis.call('HMGET', key, 'v', 'op')
local version, ops = stored[1] or '0', stored[2] or ''

if string.find(' ' .. ops .. ' ', ' ' .. ARGV[3] .. ' ', 1, true) then
  -- Written again, since WAIT tells of writes of its own connection alone.
  redis.call('HSET', key, 'op', ops)
  return 1
end
if version ~= ARGV[1] then
  return redis.error_reply('CONFLICT version ' .. version)
end
if version == '0' and redis.call('EXISTS', key) == 1 then
  return redis.error_reply('CONFLICT no version')
end

local recent, count = ARGV[3], 1
for op in string.gmatch(ops, '%S+') do
  if count == 8 then break end
  recent, count = recent .. ' ' .. op, count + 1
end
redis.call('HSET', key, 'v', ARGV[2], 's', ARGV[4], 'op', recent)
return 1
