-- Removes what there is about a user in organisations he is not a member of; of those he is a member of, again or still, it leaves
-- everything. Repeating it changes nothing.
-- KEYS  user, his application documents, then per organisation the index, his terms, and of the user-wide and of each application's
--       document the entries, the claims and the history
-- ARGV  user, then per organisation its field in his record, how many application documents, their members of the set
local user = ARGV[1]
local status = redis.call('HGET', KEYS[1], 'st')
local exists = status == 'active' or status == 'disabled'

local function erase(index, terms, entries)
  local all = redis.call('HGETALL', terms)
  for i = 1, #all, 2 do
    redis.call('ZREM', index, 'k\0' .. all[i] .. '\0' .. all[i + 1] .. '\0' .. user)
  end
  for id in string.gmatch(redis.call('HGET', entries, '\1') or '', '[^,]+') do
    redis.call('ZREM', index, 'g\0' .. id .. '\0' .. user)
  end
end

local key, at = 3, 2
while at <= #ARGV do
  local field, documents = ARGV[at], tonumber(ARGV[at + 1])
  local nextKey, nextAt = key + 2 + 3 * (1 + documents), at + 2 + documents
  if not exists or redis.call('HGET', KEYS[1], field) ~= '1' then
    erase(KEYS[key], KEYS[key + 1], KEYS[key + 2])
    for i = key + 1, nextKey - 1 do
      redis.call('DEL', KEYS[i])
    end
    for i = at + 2, nextAt - 1 do
      redis.call('SREM', KEYS[2], ARGV[i])
    end
  end
  key, at = nextKey, nextAt
end
return 'OK'
