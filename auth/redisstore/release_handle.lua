-- Frees a handle if exactly this holder has it.
-- Idempotent by nature.
-- KEYS  handle
-- ARGV  holder
if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('DEL', KEYS[1])
end
return 1
