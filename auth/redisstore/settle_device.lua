-- Approves or denies the pending request of a device.
-- Idempotent by nature: what it was settled to is no conflict.
-- KEYS  request
-- ARGV  now, state, approval
local request = redis.call('HMGET', KEYS[1], 'st', 'code', 'exp')
if not request[1] or tonumber(ARGV[1]) >= tonumber(request[3]) then
  return redis.error_reply('NOTFOUND no request')
end
if request[1] == 'pending' then
  redis.call('HSET', KEYS[1], 'st', ARGV[2], 'code', ARGV[3])
elseif request[1] ~= ARGV[2] or request[2] ~= ARGV[3] then
  return redis.error_reply('CONFLICT settled otherwise')
end
return 1
