-- Adds a record and answers its id.
-- Replay-safe by operation id, see records.lua, which this is the rest of.
-- ARGV from 4: what the record is of, up to its id; created, updated, name, needs, limit, most bytes of all, body
local of, created, updated, name, needs, limit, most, body = unpack(ARGV, 4, 11)
local refusal = refusalOf(name, needs)
if refusal then return redis.error_reply(refusal) end
if tonumber(redis.call('HGET', records, '#' .. kind) or 0) >= tonumber(limit) then return redis.error_reply('LIMIT reached') end
if overfull(#body, tonumber(most)) then return redis.error_reply('SIZE reached') end

local id = string.format('%d', (redis.call('HGET', records, 'last') or 0) + 1)
local header = table.concat({of .. id, '1', created, updated, name, needs}, ' ')
redis.call('HSET', records, 'last', id, recordOf(id), header .. ' ' .. body)
add('#' .. kind, 1)
add('bytes', #body)
hold(id, name, needs)
return remember(id)
