-- Removes the documents of organisations a user is not a member of; of those he is a member of, again or still, it leaves everything.
-- Repeating it changes nothing.
-- KEYS  user, his application documents, then per organisation the hashes to remove
-- ARGV  per organisation its field in the user's record, how many hashes are its, how many members of the application documents, and these
local status = redis.call('HGET', KEYS[1], 'st')
local exists = status == 'active' or status == 'disabled'
local key, at = 3, 1
while at <= #ARGV do
  local field, hashes, documents = ARGV[at], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  at = at + 3
  if not exists or redis.call('HGET', KEYS[1], field) ~= '1' then
    for i = key, key + hashes - 1 do
      redis.call('DEL', KEYS[i])
    end
    for i = at, at + documents - 1 do
      redis.call('SREM', KEYS[2], ARGV[i])
    end
  end
  key, at = key + hashes, at + documents
end
return 'OK'
