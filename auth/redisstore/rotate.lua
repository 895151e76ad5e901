-- Exchanges the head of a refresh family for its successor, or keeps it and only puts off the idle end, or tells the successor again
-- to the predecessor within its grace.
-- Replay-safe by its successor, a fresh secret that no other call brings: where it is the head already, this is a repetition.
-- KEYS  user, family, the user's families
-- ARGV  member, user, organisation, client, now, presented secret, its number, the number after, successor, wrapped successor,
--       end unless used again, grace, scope wanted, thumbprint of the key that was proved, '1' to keep the presented head
local now, presented, number = tonumber(ARGV[5]), ARGV[6], ARGV[7]

local f = redis.call('HMGET', KEYS[2], 'user', 'org', 'client', 'scope', 'at', 'amr', 'ep', 'exp', 'ends', 'gen', 'head', 'prev',
  'wrap', 'rot', 'jkt', 'req', 'ct')
local client, scope, epoch, expires, ends, generation = f[3], f[4], f[7], f[8], f[9], f[10]
local head, previous, wrapped, rotated = f[11], f[12], f[13], f[14]
if f[1] ~= ARGV[2] or f[2] ~= ARGV[3] or client ~= ARGV[4] then
  return redis.error_reply('INVALID family')
end
-- Who has a token but not the key it is bound to can do nothing with it, not even harm (RFC 9449 §5).
if f[15] and f[15] ~= ARGV[14] then
  return redis.error_reply('INVALID key')
end

local function finish(verdict)
  redis.call('DEL', KEYS[2])
  redis.call('ZREM', KEYS[3], ARGV[1])
  return {verdict}
end

local function answer(verdict, number, wrapped)
  return {verdict, number, wrapped, scope, f[5], f[6], epoch, expires, f[15] or '', f[16] or '', f[17] or f[5]}
end

local user = redis.call('HMGET', KEYS[1], 'st', 'ep', 'o:' .. ARGV[3])
if user[1] ~= 'active' or user[2] ~= epoch or user[3] ~= '1' or now >= tonumber(ends) then
  return finish('ended')
end

local is_head = presented == head and number == generation
local is_previous = presented == previous and ARGV[8] == generation
  and (head == ARGV[9] or now < tonumber(rotated) + tonumber(ARGV[12]))
if not is_head and not is_previous then
  return finish('replayed')
end
for wanted in string.gmatch(ARGV[13], '%S+') do
  if not string.find(' ' .. scope .. ' ', ' ' .. wanted .. ' ', 1, true) then
    return redis.error_reply('SCOPE too wide')
  end
end
if is_previous then
  return answer('repeated', generation, wrapped)
end

ends = ARGV[11]
if tonumber(expires) < tonumber(ends) then
  ends = expires
end
if ARGV[15] == '1' then
  redis.call('HSET', KEYS[2], 'ends', ends)
  redis.call('PEXPIREAT', KEYS[2], ends)
  return answer('kept', number, '')
end
redis.call('HSET', KEYS[2], 'gen', ARGV[8], 'head', ARGV[9], 'prev', presented, 'wrap', ARGV[10], 'rot', ARGV[5], 'ends', ends)
redis.call('PEXPIREAT', KEYS[2], ends)
return answer('rotated', ARGV[8], ARGV[10])
