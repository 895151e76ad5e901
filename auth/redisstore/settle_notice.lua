-- Sets when a logout is due again, or forgets it. One that was forgotten stays so.
-- Idempotent by nature.
-- KEYS  logouts
-- ARGV  logout, when it is due ('': never), how long a logout is kept after it was due last
if ARGV[2] == '' then
  redis.call('ZREM', KEYS[1], ARGV[1])
elseif redis.call('ZSCORE', KEYS[1], ARGV[1]) then
  redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
  local last = redis.call('ZREVRANGE', KEYS[1], 0, 0, 'WITHSCORES')
  redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', tonumber(last[2]) + tonumber(ARGV[3])))
end
return 1
