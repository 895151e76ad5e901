-- Removes members of a key from the index and its terms of their users, unless the key is searchable, again or still.
-- Idempotent by nature.
-- KEYS  what the partition has been told, index, the terms of each member's user
-- ARGV  key, the members
-- Reply: 0 if the key is searchable, else 1.
if redis.call('HGET', KEYS[1], ARGV[1]) == '1' then
  return 0
end
for i = 2, #ARGV do
  redis.call('ZREM', KEYS[2], ARGV[i])
  redis.call('HDEL', KEYS[i + 1], ARGV[1])
end
return 1
