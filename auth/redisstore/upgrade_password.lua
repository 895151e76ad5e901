-- Replaces a password hash if it is still the one it was.
-- Idempotent by nature: a repetition finds the new hash and does nothing.
-- KEYS  user
-- ARGV  from, to
if redis.call('HGET', KEYS[1], 'pw') == ARGV[1] then
  redis.call('HSET', KEYS[1], 'pw', ARGV[2])
end
return 1
