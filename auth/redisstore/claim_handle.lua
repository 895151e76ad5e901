-- Makes a user, or one of his operations, hold a handle that is free, held by him already, or held by exactly whom it may be taken
-- from. Answers who holds it then.
-- Idempotent by nature.
-- KEYS  handle
-- ARGV  holder, holder it may be taken from ('': nobody). A holder is '<user>' or '<user> <operation>'.
local function user(holder) return string.match(holder, '^%S*') end

local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[2] and user(holder) ~= user(ARGV[1]) then
  return holder
end
redis.call('SET', KEYS[1], ARGV[1])
return ARGV[1]
