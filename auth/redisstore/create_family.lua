-- Starts a refresh family of an active user, if need be in place of the oldest.
-- Idempotent by nature: a repetition finds the family with its first secret.
-- KEYS  user, family, the user's families, families that may be ended for it ...
-- ARGV  member, user's epoch, field of the membership, maximum, time of the login, end unless used, end, first secret,
--       the members of the families that may be ended ..., field, value ...
local head = ARGV[8]

local user = redis.call('HMGET', KEYS[1], 'st', 'ep', ARGV[3])
if user[1] ~= 'active' or user[2] ~= ARGV[2] or user[3] ~= '1' then
  return redis.error_reply('INVALID user')
end
local present = redis.call('HGET', KEYS[2], 'head')
if present == head then
  return 1
elseif present then
  return redis.error_reply('CONFLICT id taken')
end

local named = {}
for i = 4, #KEYS do named[ARGV[5 + i]] = KEYS[i] end
local wanted = make_room(KEYS[3], named, tonumber(ARGV[4]), ARGV[5])
if wanted then
  return wanted
end
start(KEYS[3], KEYS[2], ARGV[1], ARGV[6], ARGV[7], head, arguments(9 + #KEYS - 3))
return 1
