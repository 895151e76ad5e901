-- Takes a pushed authorization request. It stays until its end, but for nobody else.
-- Replay-safe by operation id, that of who took it.
-- KEYS  request
-- ARGV  operation
local request = redis.call('HMGET', KEYS[1], 'req', 'op')
if not request[1] or request[2] and request[2] ~= ARGV[1] then
  return redis.error_reply('NOTFOUND no request')
end
redis.call('HSET', KEYS[1], 'op', ARGV[1])
return request[1]
