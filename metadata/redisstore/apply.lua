-- Changes one document: its entries, the copy of its claims and its revision, all or nothing. Everything that may refuse
-- the change is checked before the first write. Values are moved as bytes and never decoded. codec.go has the formats.
--
-- KEYS  user record, entries, claims, the user's application documents
-- ARGV   1 field of the record that is '1' for a member of the organisation
--        2 field of the record that must equal the next argument; both '' if the user was named by id
--        4 operation id   5 now   6 writer
--        7 '1' to replace   8 '1' to keep claim entries
--        9 member of the application documents, '' for a user-wide document
--       10 most applications  11 most entries  12 most bytes of keys and values  13 most bytes of claims
--       14 key the precondition is about, '' for the document  15 If-Match  16 If-None-Match: '' or '*' or ' 7 12 '
--       17 '1' for a brief reply
--       18 number of keys to delete, the keys, then for every entry to set: key, flags, value
-- Reply: the fields and values of the entries hash, in brief only those of the header and of the keys to set; or an error: NOTFOUND, PRECONDITION, CLAIM <key>,
--        LIMIT <what> <would be> <limit>, CONFLICT <key> <key>.

local user, entries, claims, documents = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local operation, now, writer = ARGV[4], ARGV[5], ARGV[6]
local replace, keepClaims, document, brief = ARGV[7] == '1', ARGV[8] == '1', ARGV[9], ARGV[17] == '1'
local firstSet = 19 + tonumber(ARGV[18])

-- How long operations are remembered, newest first, once no other follows, and in how many bytes: room for 32 of the service's.
local REMEMBERED_MS, REMEMBERED_BYTES = 10000, 736
-- What a claim takes in a token beside its key and value: "metadata_":,
local CLAIM_OVERHEAD = 13

local function integer(n) return string.format('%.0f', n) end

local record = redis.call('HMGET', user, 'st', ARGV[1], ARGV[2])
if (record[1] ~= 'active' and record[1] ~= 'disabled') or record[2] ~= '1' or (record[3] or '') ~= ARGV[3] then
  return redis.error_reply('NOTFOUND no such user')
end

-- What is stored of all that the change is about, by field, false where there is nothing.
local stored, about = {}, {'', ARGV[14]}
for i = 19, firstSet - 1 do about[#about + 1] = ARGV[i] end
for i = firstSet, #ARGV, 3 do about[#about + 1] = ARGV[i] end
for from = 1, #about, 1000 do
  local to = math.min(from + 999, #about)
  local found = redis.call('HMGET', entries, unpack(about, from, to))
  for i = from, to do stored[about[i]] = found[i - from + 1] end
end

local function unchanged()
  if not brief then return redis.call('HGETALL', entries) end
  local reply = {'', stored[''] or nil}
  for i = firstSet, #ARGV, 3 do
    if stored[ARGV[i]] then
      reply[#reply + 1] = ARGV[i]
      reply[#reply + 1] = stored[ARGV[i]]
    end
  end
  return stored[''] and reply or {}
end

local revision, bytes, author, operations = '0', '0', writer, ''
local header = stored['']
if header then
  revision, bytes, author, operations = string.match(header, '^(%d+) (%d+) (%S+) (.*)$')
  if string.find(',' .. operations, ',' .. operation .. '@', 1, true) then
    return unchanged()
  end
end

local function revisionOf(entry) return string.match(entry, '^%S+ (%d+)') end
local function createdOf(entry) return string.match(entry, '^%S+ %S+ (%S+)') end
local function isClaim(entry) return string.sub(entry, 1, 1) == '+' end
local function size(key, entry)
  return #key + #entry - string.match(entry, '^%S+ %S+ %S+ %S+ %S* ()') + 1
end

-- The precondition. current is '' when there is no revision; that is in no list, since ARGV has single spaces.
local current, exists = revision, header ~= false
if ARGV[14] ~= '' then
  local entry = stored[ARGV[14]]
  current, exists = entry and revisionOf(entry) or '', entry ~= false
end
local function matches(condition)
  if condition == '*' then
    return exists
  end
  return string.find(condition, ' ' .. current .. ' ', 1, true)
end
if (ARGV[15] ~= '' and not matches(ARGV[15])) or (ARGV[16] ~= '' and matches(ARGV[16])) then
  return redis.error_reply('PRECONDITION ' .. (current ~= '' and current or 'none'))
end

-- What is to be done: set lists keys in the order given, flags and values are theirs, removed are stored entries.
local set, flags, values, removed = {}, {}, {}, {}
for i = firstSet, #ARGV, 3 do
  local key = ARGV[i]
  set[#set + 1], flags[key], values[key] = key, ARGV[i + 1], ARGV[i + 2]
end
if replace then
  local all = redis.call('HGETALL', entries)
  for i = 1, #all, 2 do
    local key, entry = all[i], all[i + 1]
    if key ~= '' and not flags[key] and not (keepClaims and isClaim(entry)) then
      removed[key] = entry
    end
  end
end
local function mayNotTouch(key)
  return keepClaims and stored[key] and isClaim(stored[key])
end
for i = 19, firstSet - 1 do
  local key = ARGV[i]
  if mayNotTouch(key) then return redis.error_reply('CLAIM ' .. key) end
  removed[key] = stored[key] or nil
end
for _, key in ipairs(set) do
  if mayNotTouch(key) then return redis.error_reply('CLAIM ' .. key) end
end
if #set == 0 and next(removed) == nil then
  return unchanged()
end

-- The limits.
local function exceeds(what, was, would, limit)
  if would > was and would > tonumber(limit) then
    return redis.error_reply('LIMIT ' .. what .. ' ' .. integer(would) .. ' ' .. limit)
  end
end
local added, newBytes, claimsGrow = 0, tonumber(bytes), false
for key, entry in pairs(removed) do
  added, newBytes = added - 1, newBytes - size(key, entry)
end
for _, key in ipairs(set) do
  local entry, bytesOf = stored[key], #key + #values[key]
  if isClaim(flags[key]) and not (entry and isClaim(entry) and bytesOf <= size(key, entry)) then
    claimsGrow = true
  end
  if entry then
    newBytes = newBytes - size(key, entry)
  else
    added = added + 1
  end
  newBytes = newBytes + bytesOf
end
local refusal = exceeds('bytes', tonumber(bytes), newBytes, ARGV[12])
if not refusal and added > 0 then
  local count = header and redis.call('HLEN', entries) - 1 or 0
  refusal = exceeds('entries', count, count + added, ARGV[11])
end
if refusal then return refusal end
if document ~= '' and not header then
  local applications = redis.call('SCARD', documents)
  refusal = exceeds('applications', applications, applications + 1, ARGV[10])
  if refusal then return refusal end
end
-- Claims of the same keys that take no more room than before fit as they did.
if claimsGrow then
  local visible, was, would, sameName = {}, 0, 0, {}
  local all = redis.call('HGETALL', claims)
  for i = 1, #all, 2 do
    local key, value = all[i], all[i + 1]
    if key ~= '' then
      was = was + #key + #value + CLAIM_OVERHEAD
      if not removed[key] and not flags[key] then
        visible[key] = value
      end
    end
  end
  for _, key in ipairs(set) do
    if isClaim(flags[key]) then visible[key] = values[key] end
  end
  for key, value in pairs(visible) do
    would = would + #key + #value + CLAIM_OVERHEAD
  end
  refusal = exceeds('claims', was, would, ARGV[13])
  if refusal then return refusal end
  for key in pairs(visible) do
    if not flags[key] then sameName[string.lower(key)] = key end
  end
  for _, key in ipairs(set) do
    if isClaim(flags[key]) then
      local name = string.lower(key)
      if sameName[name] then
        return redis.error_reply('CONFLICT ' .. key .. ' ' .. sameName[name])
      end
      sameName[name] = key
    end
  end
end

-- The change. The entries hash comes last: it alone was read, so only the others could turn out to be unusable.
local latest = string.match(operations, '^[^@]*@([^,]+)')
if latest and tonumber(latest, 36) > tonumber(now, 36) - REMEMBERED_MS then
  operations = string.sub(operation .. '@' .. now .. ',' .. operations, 1, REMEMBERED_BYTES)
else
  operations = operation .. '@' .. now
end

revision = integer(tonumber(revision) + 1)
local put, gone, putClaims, goneClaims = {}, {}, {'', revision}, {}
for key, entry in pairs(removed) do
  gone[#gone + 1] = key
  if isClaim(entry) then goneClaims[#goneClaims + 1] = key end
end
for _, key in ipairs(set) do
  local entry, flag, value = stored[key], flags[key], values[key]
  if isClaim(flag) then
    putClaims[#putClaims + 1] = key
    putClaims[#putClaims + 1] = value
  elseif entry and isClaim(entry) then
    goneClaims[#goneClaims + 1] = key
  end
  local created = entry and createdOf(entry) or now
  local by = writer ~= author and writer or ''
  put[#put + 1] = key
  put[#put + 1] = table.concat({flag, revision, created, now, by, value}, ' ')
end
put[#put + 1] = ''
put[#put + 1] = table.concat({revision, integer(newBytes), author, operations}, ' ')

local function batched(command, key, list)
  for from = 1, #list, 1000 do
    redis.call(command, key, unpack(list, from, math.min(from + 999, #list)))
  end
end
if document ~= '' then redis.call('SADD', documents, document) end
batched('HSET', claims, putClaims)
batched('HDEL', claims, goneClaims)
batched('HDEL', entries, gone)
batched('HSET', entries, put)
return brief and put or redis.call('HGETALL', entries)
