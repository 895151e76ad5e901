-- Indexes one entry of a user, if its key is searchable.
-- Idempotent by nature.
-- KEYS  entries, terms, index, what the partition has been told
-- ARGV  key, revision the entry must have, its term ('': none), user
-- Reply: 0 if the entry has another revision, else 1.
local key, revision, term, user = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
if redis.call('HGET', KEYS[4], key) ~= '1' then
  return 1
end
local entry = redis.call('HGET', KEYS[1], key)
if not entry or string.match(entry, '^%S+ (%d+)') ~= revision then
  return 0
end

local function member(of) return table.concat({'k', key, of, user}, '\0') end
local before = redis.call('HGET', KEYS[2], key)
if before and before ~= term then
  redis.call('ZREM', KEYS[3], member(before))
  redis.call('HDEL', KEYS[2], key)
end
if term ~= '' then
  redis.call('HSET', KEYS[2], key, term)
  redis.call('ZADD', KEYS[3], 0, member(term))
end
return 1
