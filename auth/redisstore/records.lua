-- What the scripts that change records begin with: whose they are, and what was done before.
-- Replay-safe by operation id: the field ops lists the last 128 operations, newest first, as "<operation>@<answer>", and one found
-- there is answered as it was then.
-- KEYS  the owner, the hash of his records (records.go has its fields)
-- ARGV  operation, the field of the owner that is '1' for a member or '' if the owner is an organisation, kind, then each script's own
local owner, records = KEYS[1], KEYS[2]
local operation, membership, kind = ARGV[1], ARGV[2], ARGV[3]

local facts = redis.call('HMGET', owner, 'st', membership, 'rec')
local member = (facts[1] == 'active' or facts[1] == 'disabled') and facts[2] == '1'
if (membership ~= '' and not member) or (membership == '' and not facts[3]) then
  return redis.error_reply('OWNER unknown')
end

local ops = redis.call('HGET', records, 'ops') or ''
local _, found = string.find(' ' .. ops, ' ' .. operation .. '@', 1, true)
if found then
  return string.match(ops, '^%d+', found)
end

local function remember(answer)
  local recent = {operation .. '@' .. answer}
  for earlier in string.gmatch(ops, '%S+') do
    if #recent == 128 then break end
    recent[#recent + 1] = earlier
  end
  redis.call('HSET', records, 'ops', table.concat(recent, ' '))
  return answer
end

local function recordOf(id) return kind .. ':' .. id end
local function nameOf(name) return '=' .. kind .. ':' .. name end
local function refusalOf(name, needs, id)
  local holder = name ~= '-' and redis.call('HGET', records, nameOf(name))
  if holder and holder ~= id then return 'NAME taken' end
  if needs ~= '-' and redis.call('HEXISTS', records, needs) == 0 then return 'NEEDS missing' end
end

local function add(field, n)
  local sum = (redis.call('HGET', records, field) or 0) + n
  if sum == 0 then
    redis.call('HDEL', records, field)
  else
    redis.call('HSET', records, field, string.format('%d', sum))
  end
end

local function hold(id, name, needs)
  if name ~= '-' then redis.call('HSET', records, nameOf(name), id) end
  if needs ~= '-' then add('<' .. needs, 1) end
end

-- Whether the bodies of all records would be too many bytes, and more of them than before.
local function overfull(more, most)
  return more > 0 and (redis.call('HGET', records, 'bytes') or 0) + more > most
end

local function release(name, needs)
  if name ~= '-' then redis.call('HDEL', records, nameOf(name)) end
  if needs ~= '-' then add('<' .. needs, -1) end
end
