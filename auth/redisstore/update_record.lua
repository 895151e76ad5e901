-- Replaces what a record says, if it is still of the version it was read in, and answers the next version.
-- Replay-safe by operation id, see records.lua, which this is the rest of.
-- ARGV from 4: id, version, updated, name, needs, most bytes of all, body
local id, expected, updated, name, needs, most, body = unpack(ARGV, 4, 10)
local stored = redis.call('HGET', records, recordOf(id))
if not stored then return redis.error_reply('NOTFOUND no record') end
local object, version, created, nameBefore, needsBefore, at =
  string.match(stored, '^(%S+) (%d+) (%S+) %S+ (%S+) (%S+) ()')
if version ~= expected then return redis.error_reply('STALE version ' .. version) end
local refusal = refusalOf(name, needs, id)
if refusal then return redis.error_reply(refusal) end
local more = #body - (#stored - at + 1)
if overfull(more, tonumber(most)) then return redis.error_reply('SIZE reached') end

local next_version = string.format('%d', version + 1)
local header = table.concat({object, next_version, created, updated, name, needs}, ' ')
release(nameBefore, needsBefore)
redis.call('HSET', records, recordOf(id), header .. ' ' .. body)
hold(id, name, needs)
add('bytes', more)
return remember(next_version)
