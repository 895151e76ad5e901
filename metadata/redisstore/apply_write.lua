-- The third part of apply.lua: nothing is refused any more.

-- How long operations are remembered, newest first, once no other follows, and in how many bytes: room for 32 of the service's.
local REMEMBERED_MS, REMEMBERED_BYTES = 10000, 736

local latest = string.match(operations, '^[^@]*@([^,]+)')
if created == '' then created = latest end
if latest and tonumber(latest, 36) > tonumber(now, 36) - REMEMBERED_MS then
  operations = string.sub(operation .. '@' .. now .. ',' .. operations, 1, REMEMBERED_BYTES)
else
  operations = operation .. '@' .. now
end
revision = integer(tonumber(revision) + 1)
local byline = writer ~= author and writer or ''

-- The entries and the claims.
local put, gone, putClaims, goneClaims = {}, {}, {HEADER, revision}, {}
local function add(pairsOf, field, value)
  pairsOf[#pairsOf + 1] = field
  pairsOf[#pairsOf + 1] = value
end
for key, entry in pairs(removed) do
  gone[#gone + 1] = key
  if isClaim(entry) then goneClaims[#goneClaims + 1] = key end
end
for _, key in ipairs(set) do
  local entry, flag, value = stored[key], flags[key], values[key]
  if isClaim(flag) then
    add(putClaims, key, value)
  elseif entry and isClaim(entry) then
    goneClaims[#goneClaims + 1] = key
  end
  add(put, key, table.concat({flag, revision, entry and createdOf(entry) or now, now, byline, value}, ' '))
end
if regrouped and groupsAfter ~= '' then
  add(put, GROUPS, groupsAfter)
  add(putClaims, CLAIMED_GROUPS, groupsAfter)
elseif regrouped then
  gone[#gone + 1], goneClaims[#goneClaims + 1] = GROUPS, CLAIMED_GROUPS
end
add(put, HEADER, table.concat({revision, integer(newBytes), author, created ~= now and created or '', operations}, ' '))
-- A reply has what was passed over, too.
local function reply()
  for key in pairs(named) do
    if not flags[key] then add(put, key, stored[key]) end
  end
  if not regrouped and groupsBefore ~= '' then add(put, GROUPS, groupsBefore) end
  return put
end

if dryRun then
  local all = brief and {} or redis.call('HGETALL', entries)
  for i = 1, #all, 2 do
    local key = all[i]
    if isKey(key) and not named[key] and not removed[key] then add(put, key, all[i + 1]) end
  end
  return reply()
end

local function batched(command, key, fields)
  for from = 1, #fields, 1000 do
    redis.call(command, key, unpack(fields, from, math.min(from + 999, #fields)))
  end
end
-- joined is table.concat for any number of texts.
local function joined(texts)
  if #texts <= 1000 then return table.concat(texts) end
  local parts = {}
  for from = 1, #texts, 1000 do
    parts[#parts + 1] = table.concat(texts, '', from, math.min(from + 999, #texts))
  end
  return table.concat(parts)
end

-- What the user is found by. A partition that was never told of a scheme has no terms.
local terms, index = KEYS[6], KEYS[7]
local places, left, putTerms, goneTerms
if kind == 'user' and (laidDown[HEADER] or regrouped) then
  places, left, putTerms, goneTerms = {}, {}, {}, {}
  local touched = {}
  if laidDown[HEADER] then
    for key in pairs(removed) do touched[#touched + 1] = key end
    for _, key in ipairs(set) do touched[#touched + 1] = key end
  end
  local termsBefore = fieldsOf(terms, touched)
  for _, key in ipairs(touched) do
    local before, after = termsBefore[key] or '', laidDown[key] == '1' and newTerms[key] or ''
    if before ~= '' and before ~= after then
      left[#left + 1], goneTerms[#goneTerms + 1] = 'k\0' .. key .. '\0' .. before .. '\0' .. user, key
    end
    if after ~= '' and before ~= after then
      add(places, 0, 'k\0' .. key .. '\0' .. after .. '\0' .. user)
      add(putTerms, key, after)
    end
  end
  local was, is = {}, {}
  for id in string.gmatch(groupsBefore, '[^,]+') do was[id] = true end
  for id in string.gmatch(groupsAfter, '[^,]+') do is[id] = true end
  for id in pairs(was) do
    if not is[id] then left[#left + 1] = 'g\0' .. id .. '\0' .. user end
  end
  for id in pairs(is) do
    if not was[id] then add(places, 0, 'g\0' .. id .. '\0' .. user) end
  end
end

-- The writes. Claims and entries come after the keys that were not read: should one of these turn out to be unusable, they are as they
-- were, and in agreement.
if kind == 'application' then redis.call('SADD', KEYS[6], document) end
-- A shared document is part of the scheme.
local schemeAfter = kind == 'shared' and integer(tonumber(laidDown[HEADER] or 0) + 1) or ''

-- What is remembered: nothing; of most documents that they were created; or a list of changes. The entries hash knows which: how the
-- document was created after '=', the bytes of the list after '/', or '~' if the list expires.
local kept = stored[HISTORY]
local mostChanges, mostHistory, longest = tonumber(ARGV[21]), tonumber(ARGV[22]), tonumber(ARGV[23])
if mostChanges == 0 or mostHistory == 0 then
  if kept then
    redis.call('DEL', history)
    gone[#gone + 1] = HISTORY
  end
elseif not header then
  add(put, HISTORY, '=' .. table.concat({now, schemeAfter, dialect}, ','))
else
  -- A change names the entries that it replaced or removed: all others of its revision it created.
  local before = {}
  for key, entry in pairs(removed) do before[#before + 1] = #key .. ':' .. #entry .. ':' .. key .. entry end
  for _, key in ipairs(set) do
    local entry = stored[key]
    if entry then before[#before + 1] = #key .. ':' .. #entry .. ':' .. key .. entry end
  end
  local former = regrouped and '=' .. groupsBefore or ''
  local change = revision .. ' ' .. now .. ' ' .. byline .. ' ' .. dialect .. ' ' .. schemeAfter .. ' ' .. former .. ' ' .. joined(before)

  local length, total
  if kept and string.sub(kept, 1, 1) == '=' then
    local at, schemeThen, through = string.match(kept, '^=([^,]*),([^,]*),(.*)$')
    local creation = '1 ' .. at .. '  ' .. through .. ' ' .. schemeThen .. ' ' .. (groupsBefore ~= '' and '=' or '') .. ' '
    length, total = redis.call('LPUSH', history, creation, change), #creation + #change
  else
    length = redis.call('LPUSH', history, change)
    total = #change + (length > 1 and kept and tonumber(string.sub(kept, 2)) or 0) -- what expired is gone
  end
  local since = longest > 0 and tonumber(now, 36) - longest
  while length > 0 and (length > mostChanges or total > mostHistory
    or since and tonumber(string.match(redis.call('LINDEX', history, -1), '^%S+ (%S+)'), 36) < since) do
    total, length = total - #redis.call('RPOP', history), length - 1
  end
  if longest > 0 then
    redis.call('PEXPIRE', history, integer(longest))
  elseif kept and string.sub(kept, 1, 1) == '~' then
    redis.call('PERSIST', history)
  end
  add(put, HISTORY, (longest > 0 and '~' or '/') .. integer(total))
end

if places then
  batched('ZREM', index, left)
  batched('ZADD', index, places)
  batched('HDEL', terms, goneTerms)
  batched('HSET', terms, putTerms)
end
batched('HSET', claims, putClaims)
batched('HDEL', claims, goneClaims)
if kind == 'shared' then redis.call('HSET', rules, HEADER, schemeAfter) end
batched('HDEL', entries, gone)
batched('HSET', entries, put)
return brief and reply() or redis.call('HGETALL', entries)
