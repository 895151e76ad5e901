-- Removes the entries at the beginning of a chain of audit events, up to a new base.
-- Idempotent by nature: a base that stands already is answered as moved.
-- KEYS  entries, head
-- ARGV  expected number of the base, its new number, hash and proof, the first number that stays
local entries, head = KEYS[1], KEYS[2]
local base = redis.call('HGET', head, 'b') or '0'
if base ~= ARGV[1] and base ~= ARGV[2] then
  return redis.error_reply('CONFLICT the chain begins behind ' .. base)
end
redis.call('HSET', head, 'b', ARGV[2], 'bh', ARGV[3], 'bp', ARGV[4])
redis.call('XTRIM', entries, 'MINID', ARGV[5] .. '-0')
return 1
