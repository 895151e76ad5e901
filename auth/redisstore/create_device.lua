-- Keeps the request of a device.
-- Idempotent by nature: a repetition finds the request with its secret.
-- KEYS  request
-- ARGV  secret, end, field, value ...
local present = redis.call('HGET', KEYS[1], 'secret')
if present == ARGV[1] then
  return 1
elseif present then
  return redis.error_reply('CONFLICT code taken')
end
redis.call('HSET', KEYS[1], 'secret', ARGV[1], 'exp', ARGV[2], unpack(ARGV, 3))
redis.call('PEXPIREAT', KEYS[1], ARGV[2])
return 1
