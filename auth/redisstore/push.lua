-- Keeps a pushed authorization request.
-- Idempotent by nature: a request that is there, taken or not, stays as it is.
-- KEYS  request
-- ARGV  request, end
local present = redis.call('HGET', KEYS[1], 'req')
if present and present ~= ARGV[1] then
  return redis.error_reply('CONFLICT id taken')
elseif not present then
  redis.call('HSET', KEYS[1], 'req', ARGV[1])
  redis.call('PEXPIREAT', KEYS[1], ARGV[2])
end
return 1
