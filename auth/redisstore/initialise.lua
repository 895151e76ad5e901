-- Fixes the facts of an installation, the first time only. Answers those that are fixed.
-- Idempotent by nature.
-- KEYS  facts
-- ARGV  partitions, schema
if redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('HSET', KEYS[1], 'partitions', ARGV[1], 'schema', ARGV[2])
end
return redis.call('HMGET', KEYS[1], 'partitions', 'schema')
