-- Starts a refresh family of an active user, if need be in place of the oldest. The set of the user's families is ordered by the
-- end no use can put off, so that using a family does not change it.
-- Idempotent by nature: a repetition finds the family with its first secret.
-- KEYS  user, family, the user's families, families that may be ended for it ...
-- ARGV  member, user's epoch, field of the membership, maximum, time of the login, end unless used, end, first secret,
--       the members of the families that may be ended ..., field, value ...
local member, limit, ends, expires, head = ARGV[1], tonumber(ARGV[4]), ARGV[6], ARGV[7], ARGV[8]

local user = redis.call('HMGET', KEYS[1], 'st', 'ep', ARGV[3])
if user[1] ~= 'active' or user[2] ~= ARGV[2] or user[3] ~= '1' then
  return redis.error_reply('INVALID user')
end
local present = redis.call('HGET', KEYS[2], 'head')
if present == head then
  return 1
elseif present then
  return redis.error_reply('CONFLICT id taken')
end

redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', ARGV[5])
local excess = redis.call('ZCARD', KEYS[3]) + 1 - limit
if excess > 0 then
  local named = {}
  for i = 4, #KEYS do
    named[ARGV[5 + i]] = KEYS[i]
  end
  local oldest = redis.call('ZRANGE', KEYS[3], 0, excess - 1)
  for _, old in ipairs(oldest) do
    if not named[old] then
      -- Some more than needed, for other logins may take the first.
      return redis.call('ZRANGE', KEYS[3], 0, excess + 14)
    end
  end
  for _, old in ipairs(oldest) do
    redis.call('DEL', named[old])
    redis.call('ZREM', KEYS[3], old)
  end
end

redis.call('HSET', KEYS[2], 'head', head, 'ends', ends, 'exp', expires, unpack(ARGV, 9 + #KEYS - 3))
redis.call('PEXPIREAT', KEYS[2], ends)
redis.call('ZADD', KEYS[3], expires, member)
local last = redis.call('ZREVRANGE', KEYS[3], 0, 0, 'WITHSCORES')
redis.call('PEXPIREAT', KEYS[3], string.format('%.0f', tonumber(last[2])))
return 1
