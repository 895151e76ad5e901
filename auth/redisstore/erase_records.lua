-- Removes the records of a user in organisations he is not a member of; those of organisations he is a member of, again or still, stay.
-- Idempotent by nature.
-- KEYS  user, then per organisation the hash of its records
-- ARGV  per organisation its field in the user's record
local status = redis.call('HGET', KEYS[1], 'st')
local exists = status == 'active' or status == 'disabled'
for i, membership in ipairs(ARGV) do
  if not exists or redis.call('HGET', KEYS[1], membership) ~= '1' then
    redis.call('DEL', KEYS[i + 1])
  end
end
return 1
