-- What wrk sends: one request over and over; or, given a file of refresh tokens, rotation after rotation; or, given @ and a file, each of
-- its lines as a body in turn. Arguments: method, body, file.

local waiting, first, last = {}, 1, 0
latest = {} -- the last known token of each family; one whose answer the end of the round cut off is still good within the grace
failures = 0
local formatted, turn = {}, 0
local family = '^([^.]*%.[^.]*%.' .. string.rep('.', 16) .. ')'

local function add(token)
  last = last + 1
  waiting[last] = token
  latest[string.match(token, family)] = token
end

function init(args)
  method, body, file = args[1], args[2], args[3]
  if file and file:sub(1, 1) == '@' then
    for line in io.lines(file:sub(2)) do table.insert(formatted, wrk.format(method, nil, nil, line)) end
    file = nil
  elseif file then
    for line in io.lines(file) do add(line) end
  end
  fixed = wrk.format(method, nil, nil, body ~= '' and body or nil)
end

function request()
  if #formatted > 0 then
    turn = turn % #formatted + 1
    return formatted[turn]
  end
  local token = waiting[first]
  if not token then return fixed end -- no file; with one, every token is in flight, and this fails and is counted
  waiting[first] = nil
  first = first + 1
  return wrk.format(method, nil, nil, 'grant_type=refresh_token&client_id=login&refresh_token=' .. token)
end

function response(status, headers, answer)
  if status ~= 200 then
    failures = failures + 1
    if failures == 1 then io.stderr:write('first failure: ', status, ' ', answer, '\n') end
  elseif file then
    add(string.match(answer, '"refresh_token":"([^"]+)"'))
  end
end

local threads = {}
function setup(thread) table.insert(threads, thread) end

function done(summary, latency)
  local failed = 0
  for _, thread in ipairs(threads) do
    failed = failed + thread:get('failures')
    if thread:get('file') then
      local out = io.open(thread:get('file'), 'w')
      for _, token in pairs(thread:get('latest')) do out:write(token, '\n') end
      out:close()
    end
  end
  local e = summary.errors
  failed = failed + e.connect + e.read + e.write + e.timeout
  io.write(string.format('RESULT {"Requests":%d,"Failed":%d,"Micros":%d,"P50":%d,"P99":%d}\n',
    summary.requests, failed, summary.duration, latency:percentile(50), latency:percentile(99)))
end
