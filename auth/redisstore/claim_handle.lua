-- Makes a handle lead to a user if it is free or leads to the owner it may be taken from. Answers whom it leads to then.
-- Idempotent by nature.
-- KEYS  handle
-- ARGV  user, owner it may be taken from ('': nobody)
local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[2] then
  return owner
end
redis.call('SET', KEYS[1], ARGV[1])
return ARGV[1]
