-- Replaces the second factors of a user, if they are still of the version they were read in.
-- Replay-safe by operation id: fop lists the writes of the last eight versions, newest first, as "<operation>@<version>", and one
-- found there is answered as it was then.
-- KEYS  user
-- ARGV  operation, expected version (0: none yet), record
local stored = redis.call('HMGET', KEYS[1], 'st', 'fv', 'fop')
local status, version, ops = stored[1], stored[2] or '0', stored[3] or ''
if status ~= 'active' and status ~= 'disabled' then
  return redis.error_reply('NOTFOUND no user')
end

local _, at = string.find(' ' .. ops, ' ' .. ARGV[1] .. '@', 1, true)
if at then
  return string.match(ops, '^%d+', at)
end
if version ~= ARGV[2] then
  return redis.error_reply('STALE version ' .. version)
end

local next_version = string.format('%d', version + 1)
local recent, count = ARGV[1] .. '@' .. next_version, 1
for earlier in string.gmatch(ops, '%S+') do
  if count == 8 then break end
  recent, count = recent .. ' ' .. earlier, count + 1
end
redis.call('HSET', KEYS[1], 'fv', next_version, 'fop', recent, 'fac', ARGV[3])
return next_version
