-- Called with the number of connections after `--`. Prints what wrk measured as one line of JSON.

local SETTLE_MS = 400
local waiting = 0

function init(args)
  waiting = tonumber(args[1])
end

-- libuv accepts one connection in each turn of its loop: under load the last would wait for seconds in the
-- kernel's queue, and be all of the p99. So each connection's first request waits until all are open.
function delay()
  if waiting == 0 then return 0 end
  waiting = waiting - 1
  return SETTLE_MS
end

function done(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format(
    '{"requests":%d,"seconds":%f,"errors":%d,"p50Ms":%f,"p99Ms":%f}\n',
    summary.requests, (summary.duration / 1000 - SETTLE_MS) / 1000, failed,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000
  ))
end
