-- Frees a handle if it leads to a user.
-- Idempotent by nature.
-- KEYS  handle
-- ARGV  user
if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('DEL', KEYS[1])
end
return 1
