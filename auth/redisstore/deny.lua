-- Marks an access token as revoked until it has expired anyway.
-- Idempotent by nature.
-- KEYS  mark
-- ARGV  end
redis.call('SET', KEYS[1], '1', 'PXAT', ARGV[1])
return 1
