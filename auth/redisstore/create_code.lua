-- Keeps what an active user has approved until a client redeems it, and a while longer, so that its second use is noticed.
-- Idempotent by nature: a repetition finds the code with its secret.
-- KEYS  user, code, session
-- ARGV  user's epoch, field of the membership, user, id of the session ('': none), SHA-256 of the secret, when to forget the code,
--       field, value ...
local user = redis.call('HMGET', KEYS[1], 'st', 'ep', ARGV[2])
if user[1] ~= 'active' or user[2] ~= ARGV[1] or user[3] ~= '1' then
  return redis.error_reply('INVALID user')
end
local session = redis.call('HMGET', KEYS[3], 'user', 'id', 'ep')
if ARGV[4] ~= '' and (session[1] ~= ARGV[3] or session[2] ~= ARGV[4] or session[3] ~= ARGV[1]) then
  return redis.error_reply('INVALID session')
end
local present = redis.call('HGET', KEYS[2], 'sec')
if present == ARGV[5] then
  return 1
elseif present then
  return redis.error_reply('CONFLICT id taken')
end
redis.call('HSET', KEYS[2], 'sec', ARGV[5], unpack(ARGV, 7))
redis.call('PEXPIREAT', KEYS[2], ARGV[6])
return 1
