-- Writes one version of a record, with its other fields and its index entries, and of a user those of his handles.
-- Replay-safe by operation id: op lists the writes of the last eight versions, newest first, as "<operation>@<version>", and one
-- found there is answered as it was then.
-- KEYS  record, the indexes to stand in ..., the indexes to leave ..., the indexes of handles to stand in ..., those to leave ...
-- ARGV  operation, expected version (0: must not exist), member, how many indexes to stand in, to leave, how many of handles to stand in,
--       how many fields to remove, the fields to remove ..., field, value ...
local record, op, expected, member = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local standing, leaving, found, dropped = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])

local stored = redis.call('HMGET', record, 'v', 'op', 'st')
local version, ops, status = stored[1] or '0', stored[2] or '', stored[3]

local _, at = string.find(' ' .. ops, ' ' .. op .. '@', 1, true)
if at then
  return string.match(ops, '^%d+', at)
end

local ending = status == 'deleting' or status == 'gone'
local exists = ending or redis.call('HEXISTS', record, 'rec') == 1
if expected == '0' then
  if exists then
    return redis.error_reply('CONFLICT id taken')
  end
elseif ending or not exists then
  return redis.error_reply('NOTFOUND no record')
elseif version ~= expected then
  return redis.error_reply('STALE version ' .. version)
end

-- A removed record keeps its version, so the count goes on when the id comes back.
local next_version = string.format('%d', version + 1)
local recent, count = op .. '@' .. next_version, 1
for earlier in string.gmatch(ops, '%S+') do
  if count == 8 then break end
  recent, count = recent .. ' ' .. earlier, count + 1
end

local handles = 1 + standing + leaving
local before = redis.call('HMGET', record, 'un', 'em')
for i = 8, 7 + dropped do
  redis.call('HDEL', record, ARGV[i])
end
redis.call('HSET', record, 'v', next_version, 'op', recent, unpack(ARGV, 8 + dropped))
for i = 2, 1 + standing do
  redis.call('ZADD', KEYS[i], 0, member)
end
for i = 2 + standing, handles do
  redis.call('ZREM', KEYS[i], member)
end
-- A handle's entry in an index is the handle, NUL and the user.
local after = redis.call('HMGET', record, 'un', 'em')
for i = handles + 1, #KEYS do
  for _, handle in ipairs({before[1] or '', before[2] or ''}) do
    redis.call('ZREM', KEYS[i], handle .. '\0' .. member)
  end
  for _, handle in ipairs({after[1] or '', after[2] or ''}) do
    if handle ~= '' and i <= handles + found then
      redis.call('ZADD', KEYS[i], 0, handle .. '\0' .. member)
    end
  end
end
return next_version
