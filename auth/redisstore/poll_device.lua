-- Reads the request of a device for the device, and slows it down if it asks too often while nothing is decided (RFC 8628 §3.5).
-- Replay-safe by the time of the poll, which is kept with its verdict: the same again is answered as it was.
-- KEYS  request
-- ARGV  client, secret, now, fields to answer ...
local request = redis.call('HMGET', KEYS[1], 'client', 'secret', 'exp', 'st', 'int', 'last', 'fast')
local client, secret, interval, last, fast = request[1], request[2], request[5], request[6], request[7]
if not client or tonumber(ARGV[3]) >= tonumber(request[3]) then
  return redis.error_reply('NOTFOUND no request')
end
if client ~= ARGV[1] or secret ~= ARGV[2] then
  return redis.error_reply('INVALID device code')
end

if request[4] == 'pending' then
  if last ~= ARGV[3] then
    fast = '0'
    if last and tonumber(ARGV[3]) - tonumber(last) < tonumber(interval) then
      fast, interval = '1', string.format('%.0f', interval + 5000)
    end
    redis.call('HSET', KEYS[1], 'last', ARGV[3], 'fast', fast, 'int', interval)
  end
  if fast == '1' then
    return 'slow down'
  end
end
return redis.call('HMGET', KEYS[1], unpack(ARGV, 4))
