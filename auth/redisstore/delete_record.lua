-- Removes a record that no other one needs.
-- Replay-safe by operation id, see records.lua, which this is the rest of.
-- ARGV from 4: id
local id = ARGV[4]
local stored = redis.call('HGET', records, recordOf(id))
if not stored then return redis.error_reply('NOTFOUND no record') end
if redis.call('HEXISTS', records, '<' .. recordOf(id)) == 1 then return redis.error_reply('NEEDED by another') end

redis.call('HDEL', records, recordOf(id))
add('#' .. kind, -1)
local name, needs, at = string.match(stored, '^%S+ %S+ %S+ %S+ (%S+) (%S+) ()')
add('bytes', at - #stored - 1)
release(name, needs)
return remember('0')
