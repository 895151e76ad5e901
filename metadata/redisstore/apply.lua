-- Changes one document: its entries, the copy of its claims, its revision, what is remembered of its changes, and what its user is found
-- by, all or nothing. Everything that may refuse the change is checked before the first write. Values are moved as bytes and never
-- decoded. codec.go has the formats. This file reads and checks, apply_limits.lua checks what is counted, apply_write.lua writes; the
-- script is the three in this order.
--
-- KEYS  the owner's record, entries, claims, history, rules; then of a user-wide document terms and index, of an application's the set of
--       its user's. The rules are what the partition was told of the organisation's scheme, or, of a shared document, the scheme itself.
-- ARGV   1 kind of document: user, application or shared
--        2 of a user's, the field of the record that is '1' for a member; of a group's, its field in the scheme; or ''
--        3 field of the record that must equal the next argument; both '' if the user was named by id
--        5 user   6 member of the set of application documents: each '' where there is none
--        7 operation id   8 now   9 writer  10 dialect  11 revision of the scheme that the change was checked against
--       12 '1' for a dry run  13 '1' for a brief reply  14 '1' to replace  15 '1' if the user makes the change himself
--       16 '' or '=' and the ids of the groups he is in from now on
--       17 most applications  18 most entries  19 most bytes of keys and values  20 most bytes of claims
--       21 most changes remembered  22 most bytes and  23 milliseconds of these
--       24 key the precondition is about, '' for the document  25 If-Match  26 If-None-Match: '' or '*' or ' 7 12 '
--       27 '1' to pass over entries that are equal  28 '1' to refuse to delete what is not there
--       29 how many claims are the user's own  30 how many keys are reserved  31 how many keys are to be deleted  32 of how many entries
--       there is another value that is equal; then the keys, for each of these entries its key and that value behind its kind, and for
--       every entry to set: key, flags, value, term. Flags have a third character where an entry that exists keeps its mark.
-- Reply: the fields and values of the entries hash, in brief only the document's own and those of the keys to set; or an error:
--       NOTFOUND <what>, SCHEME <revision>, PRECONDITION <revision>, CLAIM <key>, RESERVED <key>, ABSENT <key>,
--       LIMIT <what> <would be> <limit>, CONFLICT <key> <key>, BYTES <key>.

local record, entries, claims, history, rules = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local kind, belongs, handleField, handle, user, document, operation, now, writer, dialect, scheme = unpack(ARGV, 1, 11)
local dryRun, brief, replace, himself = ARGV[12] == '1', ARGV[13] == '1', ARGV[14] == '1', ARGV[15] == '1'
local groups, subject, ifMatch, ifNoneMatch = ARGV[16], ARGV[24], ARGV[25], ARGV[26]
local keepEqual, mustExist = ARGV[27] == '1', ARGV[28] == '1'
local firstOwn = 33
local firstReserved = firstOwn + tonumber(ARGV[29])
local firstGone = firstReserved + tonumber(ARGV[30])
local firstAlike = firstGone + tonumber(ARGV[31])
local firstSet = firstAlike + 2 * tonumber(ARGV[32])

-- The fields of an entries hash that are no keys: of the document, of the groups of its user, and of what is remembered. The name of the
-- groups among the claims.
local HEADER, GROUPS, HISTORY, CLAIMED_GROUPS = '', '\1', '\2', '@'
local function isKey(field) return field ~= HEADER and field ~= GROUPS and field ~= HISTORY end

local function integer(n) return string.format('%.0f', n) end
local function fieldsOf(hash, fields)
  local found = {}
  for from = 1, #fields, 1000 do
    local to = math.min(from + 999, #fields)
    local values = redis.call('HMGET', hash, unpack(fields, from, to))
    for i = from, to do found[fields[i]] = values[i - from + 1] end
  end
  return found
end

-- The owner.
if kind == 'shared' then
  if redis.call('HEXISTS', record, 'rec') == 0 then return redis.error_reply('NOTFOUND organisation') end
else
  local facts = redis.call('HMGET', record, 'st', belongs, handleField)
  if (facts[1] ~= 'active' and facts[1] ~= 'disabled') or facts[2] ~= '1' or (facts[3] or '') ~= handle then
    return redis.error_reply('NOTFOUND user')
  end
end
-- What is laid down: the revision, and of a user's document which keys to index, of a group's whether it exists.
local asked = {HEADER}
if kind == 'user' then
  for i = firstSet, #ARGV, 4 do asked[#asked + 1] = ARGV[i] end
elseif kind == 'shared' and belongs ~= '' then
  asked[2] = belongs
end
local laidDown = fieldsOf(rules, asked)
local empties = replace and firstSet > #ARGV -- which is all that can be done to the document of a group that is gone
if kind == 'shared' and belongs ~= '' and not laidDown[belongs] and not empties then return redis.error_reply('NOTFOUND group') end

-- What is stored of all that the change is about, by field, false where there is nothing.
local about = {HEADER, GROUPS, HISTORY, subject}
for i = firstGone, firstAlike - 1 do about[#about + 1] = ARGV[i] end
for i = firstSet, #ARGV, 4 do about[#about + 1] = ARGV[i] end
local stored = fieldsOf(entries, about)

local function unchanged()
  if not brief then return redis.call('HGETALL', entries) end
  local reply = {}
  local function add(field)
    if stored[field] then
      reply[#reply + 1] = field
      reply[#reply + 1] = stored[field]
    end
  end
  add(HEADER)
  add(GROUPS)
  for i = firstSet, #ARGV, 4 do add(ARGV[i]) end
  return reply
end

local revision, bytes, author, created, operations = '0', '0', writer, now, ''
local header = stored[HEADER]
if header then
  revision, bytes, author, created, operations = string.match(header, '^(%d+) (%d+) (%S+) (%S*) (.*)$')
  if string.find(',' .. operations, ',' .. operation .. '@', 1, true) then
    return unchanged()
  end
end

if tonumber(laidDown[HEADER] or 0) > tonumber(scheme) then
  return redis.error_reply('SCHEME ' .. laidDown[HEADER])
end

local function revisionOf(entry) return string.match(entry, '^%S+ (%d+)') end
local function createdOf(entry) return string.match(entry, '^%S+ %S+ (%S+)') end
local function markOf(entry) return string.sub(entry, 1, 1) end
local function isClaim(entry) return markOf(entry) == '+' end
local function valueAt(entry) return string.match(entry, '^%S+ %S+ %S+ %S+ %S* ()') end
local function size(key, entry) return #key + #entry - valueAt(entry) + 1 end
-- An entry's kind with its value behind it.
local function contentOf(entry) return string.sub(entry, 2, 2) .. string.sub(entry, valueAt(entry)) end

-- The precondition. current is '' when there is no revision; that is in no list, since ARGV has single spaces.
local current, exists = revision, header ~= false
if subject ~= '' then
  local entry = stored[subject]
  current, exists = entry and revisionOf(entry) or '', entry ~= false
end
local function matches(condition)
  if condition == '*' then
    return exists
  end
  return string.find(condition, ' ' .. current .. ' ', 1, true)
end
if (ifMatch ~= '' and not matches(ifMatch)) or (ifNoneMatch ~= '' and matches(ifNoneMatch)) then
  return redis.error_reply('PRECONDITION ' .. (current ~= '' and current or 'none'))
end

-- What is to be done: set lists keys in the order given, flags, values and newTerms are theirs, removed are stored entries. Those passed
-- over are named like those to set, and nothing is done to them.
local set, flags, values, newTerms, removed, named = {}, {}, {}, {}, {}, {}
local alike = {}
for i = firstAlike, firstSet - 1, 2 do alike[ARGV[i]] = ARGV[i + 1] end
local own, reserved = {}, {}
for i = firstOwn, firstReserved - 1 do own[ARGV[i]] = true end
for i = firstReserved, firstGone - 1 do reserved[string.lower(ARGV[i])] = true end
-- Why the caller may not touch the entry of a key, nil if he may.
local function refusedTo(key, entry)
  if not himself then return nil end
  if reserved[string.lower(key)] then return 'RESERVED ' .. key end
  if entry and isClaim(entry) and not own[key] then return 'CLAIM ' .. key end
end
local absent
for i = firstGone, firstAlike - 1 do
  local key = ARGV[i]
  local refusal = refusedTo(key, stored[key])
  if refusal then return redis.error_reply(refusal) end
  removed[key] = stored[key] or nil
  if not stored[key] then absent = absent or key end
end
for i = firstSet, #ARGV, 4 do
  local key, flag, value = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local entry = stored[key]
  local refusal = refusedTo(key, entry)
  if refusal then return redis.error_reply(refusal) end
  named[key] = true
  local content = keepEqual and entry and contentOf(entry)
  if not content or content ~= string.sub(flag, 2, 2) .. value and content ~= alike[key] then
    if #flag == 3 then flag = markOf(entry or flag) .. string.sub(flag, 2, 2) end
    set[#set + 1], flags[key], values[key], newTerms[key] = key, flag, value, ARGV[i + 3]
  end
end
if mustExist and absent then return redis.error_reply('ABSENT ' .. absent) end
if replace then
  local all = redis.call('HGETALL', entries)
  for i = 1, #all, 2 do
    local key, entry = all[i], all[i + 1]
    if isKey(key) and not named[key] and not refusedTo(key, entry) then
      removed[key] = entry
    end
  end
end
local groupsBefore = stored[GROUPS] or ''
local groupsAfter = groups ~= '' and string.sub(groups, 2) or groupsBefore
local regrouped = groupsAfter ~= groupsBefore
if #set == 0 and next(removed) == nil and not regrouped then
  return unchanged()
end
