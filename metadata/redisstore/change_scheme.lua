-- Changes one definition or one group of a scheme, and remembers what it was.
-- Replay-safe by operation id: op lists the latest changes, newest first, as "<operation>@<revision>", and one found there is answered
-- as it was then.
-- KEYS  scheme, its history
-- ARGV  1 operation  2 now  3 by  4 via  5 field of the object: d:<key> or g:<id>
--       6 version it must have, '0': it must not exist  7 its JSON, '' to remove it
--       8 what no other group's JSON may contain, '' for anything
-- Reply: the new revision; or an error: CONFLICT <why>, NOTFOUND, PRECONDITION <version>
local REMEMBERED, OPERATIONS = 1000, 8
local scheme, history = KEYS[1], KEYS[2]
local operation, field, expected, json, unique = ARGV[1], ARGV[5], ARGV[6], ARGV[7], ARGV[8]

local stored = redis.call('HMGET', scheme, '', 'op', field)
local revision, ops, object = stored[1] or '0', stored[2] or '', stored[3]
local _, at = string.find(' ' .. ops, ' ' .. operation .. '@', 1, true)
if at then
  return string.match(ops, '^%d+', at)
end

if not object and (expected ~= '0' or json == '') then
  return redis.error_reply('NOTFOUND no such object')
end
if object and expected == '0' then
  return redis.error_reply('CONFLICT exists')
end
local version = object and string.match(object, '^%d+')
if object and version ~= expected then
  return redis.error_reply('PRECONDITION ' .. version)
end
local kind, name = string.sub(field, 1, 2), string.lower(field)
if json ~= '' and (unique ~= '' or not object) then
  local all = redis.call('HGETALL', scheme)
  for i = 1, #all, 2 do
    local other = all[i]
    if other ~= field and string.sub(other, 1, 2) == kind then
      if unique ~= '' and string.find(all[i + 1], unique, 1, true) then
        return redis.error_reply('CONFLICT slug')
      end
      if kind == 'd:' and string.lower(other) == name then
        return redis.error_reply('CONFLICT case ' .. string.sub(other, 3))
      end
    end
  end
end

revision = string.format('%.0f', tonumber(revision) + 1)
local recent, count = operation .. '@' .. revision, 1
for earlier in string.gmatch(ops, '%S+') do
  if count == OPERATIONS then break end
  recent, count = recent .. ' ' .. earlier, count + 1
end
redis.call('LPUSH', history, table.concat({revision, ARGV[2], ARGV[3], ARGV[4], #field, field .. (object or '')}, ' '))
redis.call('LTRIM', history, 0, REMEMBERED - 1)
if json == '' then
  redis.call('HDEL', scheme, field)
  redis.call('HSET', scheme, '', revision, 'op', recent)
else
  redis.call('HSET', scheme, '', revision, 'op', recent, field, revision .. ' ' .. json)
end
return revision
