-- Gives a client's id the next number if it has none. Answers the number it has.
-- Idempotent by nature: an id keeps its number.
-- KEYS  numbers
-- ARGV  id
local number = redis.call('HGET', KEYS[1], 'id:' .. ARGV[1])
if number then
  return number
end
number = string.format('%d', (redis.call('HGET', KEYS[1], 'last') or 0) + 1)
redis.call('HSET', KEYS[1], 'last', number, 'id:' .. ARGV[1], number, 'n:' .. number, ARGV[1])
return number
