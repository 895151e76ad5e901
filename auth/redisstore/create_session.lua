-- Starts a login session of an active user, if need be in place of those that expire first. It takes over what was opened from the
-- session it replaces.
-- Idempotent by nature: a repetition finds the session with its secret.
-- KEYS  user, session, its logins, the user's sessions, replaced session, its logins,
--       then the session and the logins of those that may be ended for it ...
-- ARGV  id, user's epoch, maximum, now, end unless used, end, SHA-256 of the secret, id of the replaced session ('': none),
--       the ids of those that may be ended ..., field, value ...
local session, logins, sessions = KEYS[2], KEYS[3], KEYS[4]
local id, limit, ends, expires, secret, replaced = ARGV[1], tonumber(ARGV[3]), ARGV[5], ARGV[6], ARGV[7], ARGV[8]

local user = redis.call('HMGET', KEYS[1], 'st', 'ep')
if user[1] ~= 'active' or user[2] ~= ARGV[2] then
  return redis.error_reply('INVALID user')
end
local present = redis.call('HGET', session, 'sec')
if present == secret then
  return 1
elseif present then
  return redis.error_reply('CONFLICT id taken')
end

-- The set has the sessions by the end no use can put off, so some may have ended for want of use.
redis.call('ZREMRANGEBYSCORE', sessions, '-inf', ARGV[4])
local named, may_end = {}, (#KEYS - 6) / 2
for i = 1, may_end do
  named[ARGV[8 + i]] = {KEYS[5 + 2 * i], KEYS[6 + 2 * i]}
end
local function remove(old, keys)
  redis.call('DEL', keys[1], keys[2])
  redis.call('ZREM', sessions, old)
end
for old, keys in pairs(named) do
  if redis.call('EXISTS', keys[1]) == 0 then
    remove(old, keys)
  end
end
local staying = redis.call('ZCARD', sessions)
if replaced ~= '' and redis.call('ZSCORE', sessions, replaced) then
  staying = staying - 1
end
local oldest, excess = {}, staying + 1 - limit
if excess > 0 then
  for _, old in ipairs(redis.call('ZRANGE', sessions, 0, excess)) do
    if old ~= replaced and #oldest < excess then
      oldest[#oldest + 1] = old
    end
  end
  for _, old in ipairs(oldest) do
    if not named[old] then
      return redis.call('ZRANGE', sessions, 0, -1)
    end
  end
  for _, old in ipairs(oldest) do remove(old, named[old]) end
end

if replaced ~= '' then
  if redis.call('EXISTS', KEYS[6]) == 1 then
    redis.call('RENAME', KEYS[6], logins)
    redis.call('PEXPIREAT', logins, expires)
  end
  remove(replaced, {KEYS[5], KEYS[6]})
end
redis.call('HSET', session, 'id', id, 'ep', ARGV[2], 'ends', ends, 'exp', expires, 'sec', secret, unpack(ARGV, 9 + may_end))
redis.call('PEXPIREAT', session, ends)
redis.call('ZADD', sessions, expires, id)
local last = redis.call('ZREVRANGE', sessions, 0, 0, 'WITHSCORES')
redis.call('PEXPIREAT', sessions, string.format('%.0f', tonumber(last[2])))
return 1
