-- Removes documents. Repeating it changes nothing.
--
-- KEYS  the user's application documents, then the hashes to remove
-- ARGV  the members of the application documents to remove

for i = 2, #KEYS do
  redis.call('DEL', KEYS[i])
end
for _, document in ipairs(ARGV) do
  redis.call('SREM', KEYS[1], document)
end
return 'OK'
