-- Frees a handle if this holder has it; a user has it in the name of any of his operations, too.
-- Idempotent by nature.
-- KEYS  handle
-- ARGV  holder
local holder = redis.call('GET', KEYS[1])
if holder and (holder == ARGV[1] or string.match(holder, '^%S*') == ARGV[1]) then
  redis.call('DEL', KEYS[1])
end
return 1
