-- Begins the scripts that start a refresh family. The set of a user's families is ordered by the end no use can put off, so that
-- using a family does not change it.
-- Idempotent by nature: those scripts find a family they started by its first secret.

-- Ends the user's families beyond the limit, one more counted. named has the keys of those that may end, by member. Where another
-- one must, nothing changes and the answer is what to name; else it is nil.
local function make_room(families, named, limit, now)
  redis.call('ZREMRANGEBYSCORE', families, '-inf', now)
  local excess = redis.call('ZCARD', families) + 1 - limit
  if excess <= 0 then
    return nil
  end
  local oldest = redis.call('ZRANGE', families, 0, excess - 1)
  for _, old in ipairs(oldest) do
    if not named[old] then
      -- Some more than needed, for other logins may take the first.
      return redis.call('ZRANGE', families, 0, excess + 14)
    end
  end
  for _, old in ipairs(oldest) do
    redis.call('DEL', named[old])
    redis.call('ZREM', families, old)
  end
  return nil
end

local function last_until_end(set)
  local last = redis.call('ZREVRANGE', set, 0, 0, 'WITHSCORES')
  redis.call('PEXPIREAT', set, string.format('%.0f', tonumber(last[2])))
end

local function start(families, family, member, ends, expires, head, fields)
  redis.call('HSET', family, 'head', head, 'ends', ends, 'exp', expires, unpack(fields))
  redis.call('PEXPIREAT', family, ends)
  redis.call('ZADD', families, expires, member)
  last_until_end(families)
end

-- The arguments from the first on.
local function arguments(first)
  local list = {}
  for i = first, #ARGV do list[#list + 1] = ARGV[i] end
  return list
end

