-- Removes the named login sessions of a user who is being deleted.
-- Idempotent by nature.
-- KEYS  user, the user's sessions, the sessions and their logins ...
-- ARGV  their ids ...
local status = redis.call('HGET', KEYS[1], 'st')
if status ~= 'deleting' and status ~= 'gone' then
  return redis.error_reply('STALE deletion not begun')
end
redis.call('DEL', unpack(KEYS, 3))
redis.call('ZREM', KEYS[2], unpack(ARGV))
return 1
