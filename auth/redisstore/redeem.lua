-- Turns an approval into a refresh family, once, and puts it among what was opened from the approval's session. Redeeming it a second
-- time ends the family the first one made (RFC 6749 §4.1.2).
-- Replay-safe by the family and its first secret, which the code keeps.
-- KEYS  user, code, family, the user's families, session, its logins, families that may be ended ...
-- ARGV  member, user's epoch, field of the membership, maximum, now, end unless used, end, first secret, user, organisation, client,
--       id of the session ('': none), login, the members of the families that may be ended ..., field, value ...
local member, epoch, now, head, login = ARGV[1], ARGV[2], ARGV[5], ARGV[8], ARGV[13]

local code = redis.call('HMGET', KEYS[2], 'user', 'org', 'client', 'sess', 'ep', 'exp', 'by', 'head')
if code[1] ~= ARGV[9] or code[2] ~= ARGV[10] or code[3] ~= ARGV[11] or code[4] ~= ARGV[12] or code[5] ~= epoch then
  return redis.error_reply('INVALID code')
end
local named = {}
for i = 7, #KEYS do named[ARGV[7 + i]] = KEYS[i] end

local first = code[7]
if first then
  if first == member and code[8] == head then
    return 1
  end
  if not named[first] then
    return {first}
  end
  redis.call('DEL', named[first])
  redis.call('ZREM', KEYS[4], first)
  return 0
end

local user = redis.call('HMGET', KEYS[1], 'st', 'ep', ARGV[3])
if user[1] ~= 'active' or user[2] ~= epoch or user[3] ~= '1' then
  return redis.error_reply('INVALID user')
end
if tonumber(now) >= tonumber(code[6]) then
  return redis.error_reply('INVALID expired')
end
local session = redis.call('HMGET', KEYS[5], 'user', 'id', 'ep', 'ends', 'exp')
if ARGV[12] ~= '' and (session[1] ~= ARGV[9] or session[2] ~= ARGV[12] or session[3] ~= epoch
    or tonumber(now) >= tonumber(session[4])) then
  return redis.error_reply('INVALID session')
end
if redis.call('HEXISTS', KEYS[3], 'head') == 1 then
  return redis.error_reply('CONFLICT id taken')
end

local limit = tonumber(ARGV[4])
local wanted = make_room(KEYS[4], named, limit, now)
if wanted then
  return wanted
end
start(KEYS[4], KEYS[3], member, ARGV[6], ARGV[7], head, arguments(14 + #KEYS - 6))
redis.call('HSET', KEYS[2], 'by', member, 'head', head)
if ARGV[12] == '' then
  return 1
end

-- A session of many logins forgets those that have ended: first the client's own, whose place the new one takes.
local function forget(whose)
  local logins = redis.call('HGETALL', KEYS[6])
  if #logins / 2 < 2 * limit then
    return
  end
  for i = 1, #logins, 2 do
    if (not whose or string.sub(logins[i + 1], 2) == whose) and not redis.call('ZSCORE', KEYS[4], logins[i]) then
      redis.call('HDEL', KEYS[6], logins[i])
    end
  end
end
forget(ARGV[11])
forget(nil)
redis.call('HSET', KEYS[6], member, login)
redis.call('PEXPIREAT', KEYS[6], session[5])
return 1
