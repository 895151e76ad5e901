-- Ends a refresh family if it is the client's ('': anybody's).
-- Idempotent by nature.
-- KEYS  family, the user's families
-- ARGV  member, client
local client = redis.call('HGET', KEYS[1], 'client')
if client and (ARGV[2] == '' or client == ARGV[2]) then
  redis.call('DEL', KEYS[1])
  redis.call('ZREM', KEYS[2], ARGV[1])
end
return 1
