-- Adds entries to the end of a chain of audit events, if that is where it is expected.
-- Replay-safe by the hash of the last entry, which names all before it: entries that are there already are answered as written.
-- KEYS  entries, head, the organisation if it is one's chain
-- ARGV  expected number and hash of the last entry, number and hash of the new last one, then for each entry its number and eleven values
local entries, head = KEYS[1], KEYS[2]
local stored = redis.call('HMGET', head, 'n', 'h')
local seq, hash = stored[1] or '0', stored[2] or ''
local last = ARGV[3]

if seq ~= ARGV[1] or hash ~= ARGV[2] then
  local found = redis.call('XRANGE', entries, last .. '-0', last .. '-0')[1]
  local fields = found and found[2] or {}
  for i = 1, #fields, 2 do
    if fields[i] == 'h' and fields[i + 1] == ARGV[4] then
      -- Written again, since WAIT tells of writes of its own connection alone.
      redis.call('HSET', head, 'n', seq)
      return 1
    end
  end
  return redis.error_reply('CONFLICT the chain ends with ' .. seq)
end
if KEYS[3] and redis.call('HEXISTS', KEYS[3], 'rec') == 0 then
  return redis.error_reply('NOTFOUND no organisation')
end

for i = 5, #ARGV, 12 do
  redis.call('XADD', entries, ARGV[i] .. '-0', 't', ARGV[i + 1], 'do', ARGV[i + 2], 'by', ARGV[i + 3], 'in', ARGV[i + 4],
    'to', ARGV[i + 5], 'out', ARGV[i + 6], 'why', ARGV[i + 7], 'id', ARGV[i + 8], 'ip', ARGV[i + 9], 'via', ARGV[i + 10],
    'h', ARGV[i + 11])
end
redis.call('HSET', head, 'n', last, 'h', ARGV[4])
return 1
