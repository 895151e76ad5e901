-- Takes logouts that are due and puts them off, so that nobody else takes them too.
-- Replay-safe by what it took: that is kept under its operation for as long as it is put off.
-- KEYS  logouts, what this operation took
-- ARGV  now, when they are due again, how many at most, how long a logout is kept after it was due last
local taken = redis.call('LRANGE', KEYS[2], 0, -1)
if #taken > 0 then
  return taken
end
taken = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[3])
for _, notice in ipairs(taken) do
  redis.call('ZADD', KEYS[1], ARGV[2], notice)
  redis.call('RPUSH', KEYS[2], notice)
end
if #taken > 0 then
  redis.call('PEXPIREAT', KEYS[2], ARGV[2])
  local last = redis.call('ZREVRANGE', KEYS[1], 0, 0, 'WITHSCORES')
  redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', tonumber(last[2]) + tonumber(ARGV[4])))
end
return taken
