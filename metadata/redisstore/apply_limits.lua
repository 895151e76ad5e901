-- The second part of apply.lua: the limits, and what must not be together.

-- What a claim takes in a token beside its key and value: "metadata_":,
local CLAIM_OVERHEAD = 13

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
local refusal = exceeds('bytes', tonumber(bytes), newBytes, ARGV[19])
if not refusal and added > 0 then
  local count = header and redis.call('HLEN', entries) or 0
  for _, field in ipairs({HEADER, GROUPS, HISTORY}) do
    if stored[field] then count = count - 1 end
  end
  refusal = exceeds('entries', count, count + added, ARGV[18])
end
if not refusal and kind == 'application' and not header then
  local applications = redis.call('SCARD', KEYS[6])
  refusal = exceeds('applications', applications, applications + 1, ARGV[17])
end
if refusal then return refusal end

-- Claims of the same keys that take no more room than before fit as they did.
if claimsGrow then
  local visible, was, would, sameName = {}, 0, 0, {}
  local all = redis.call('HGETALL', claims)
  for i = 1, #all, 2 do
    local key, value = all[i], all[i + 1]
    if key ~= HEADER and key ~= CLAIMED_GROUPS then
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
  refusal = exceeds('claims', was, would, ARGV[20])
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
for _, key in ipairs(set) do
  if flags[key] == '+b' then return redis.error_reply('BYTES ' .. key) end
end
