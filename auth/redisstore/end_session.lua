-- Ends a login session with the families opened from it, but for those that outlive it, and notes whom to tell. Where more was opened
-- than its caller knew, nothing changes and the answer is 0.
-- Idempotent by nature: a repetition finds neither the session nor its logins.
-- KEYS  session, its logins, the user's sessions, the user's families, logouts, the families known ...
-- ARGV  id, now, how long a logout is kept after it was due last, the members of the families known ..., the logouts ...
-- What was opened from a session that has ended by time is remembered until the session would have ended in any case.
if redis.call('EXISTS', KEYS[1], KEYS[2]) == 0 then
  return 1
end
local known, ending = {}, {}
for i = 6, #KEYS do known[ARGV[i - 2]] = KEYS[i] end
local logins = redis.call('HGETALL', KEYS[2])
for i = 1, #logins, 2 do
  if not known[logins[i]] then
    return 0
  end
  if string.sub(logins[i + 1], 1, 1) == '-' then
    ending[#ending + 1] = logins[i]
  end
end

for _, member in ipairs(ending) do
  redis.call('DEL', known[member])
  redis.call('ZREM', KEYS[4], member)
end
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('ZREM', KEYS[3], ARGV[1])
local first = 4 + #KEYS - 5
for i = first, #ARGV do
  redis.call('ZADD', KEYS[5], ARGV[2], ARGV[i])
end
if first <= #ARGV then
  local last = redis.call('ZREVRANGE', KEYS[5], 0, 0, 'WITHSCORES')
  redis.call('PEXPIREAT', KEYS[5], string.format('%.0f', tonumber(last[2]) + tonumber(ARGV[3])))
end
return 1
