-- Marks something as used, until then, by the operation that uses it first. Answers which one that was.
-- Replay-safe by operation id, which is the mark.
-- KEYS  mark
-- ARGV  operation, end
local first = redis.call('GET', KEYS[1])
if not first then
  redis.call('SET', KEYS[1], ARGV[1], 'PXAT', ARGV[2])
  return ARGV[1]
end
return first
