-- Replaces one consent of an active user, if it is still the one it was; answers the one that is there otherwise.
-- Idempotent by nature: a repetition finds what it wrote.
-- KEYS  user, consents
-- ARGV  field, consent it was ('': none), consent
if redis.call('HGET', KEYS[1], 'st') ~= 'active' then
  return redis.error_reply('INVALID user')
end
local present = redis.call('HGET', KEYS[2], ARGV[1]) or ''
if present == ARGV[2] then
  redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
  return ARGV[3]
end
return present
