-- Removes a record and its index entry. Version and operations stay: a new record of the id continues the count, so an old ETag
-- never fits it, and a late repetition of the write that created the old one is recognised.
-- Idempotent by nature.
-- KEYS  record, index
-- ARGV  member
redis.call('HDEL', KEYS[1], 'rec')
redis.call('ZREM', KEYS[2], ARGV[1])
return 1
