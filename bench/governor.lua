-- Arguments after `--`: connections, bursts, requests in each. Says when all are answered, for whoever started
-- wrk to end it with SIGINT; then prints what was measured as one line of JSON.

local ffi = require('ffi')
ffi.cdef('struct timespec { long s; long ns; }; int clock_gettime(int clock, struct timespec *time);')
local CLOCK_MONOTONIC = 1

-- Between bursts. At the start it is also what lets all connections be open before the first request: libuv
-- accepts one in each turn of its loop, so that under load the last would wait for seconds in the kernel's
-- queue, and be all of the p99.
local PAUSE_MS = 400

local time = ffi.new('struct timespec')
local function now()
  ffi.C.clock_gettime(CLOCK_MONOTONIC, time)
  return tonumber(time.s) * 1000 + tonumber(time.ns) / 1e6
end

local connections, burst, total
local calls = 0
local started

function setup(thread)
  thread:set('idle', 0)
  main = thread
end

function init(args)
  connections, burst = tonumber(args[1]), tonumber(args[3])
  total = tonumber(args[2]) * burst
end

-- wrk calls this before each request: when the connection has nothing else under way. The first request of
-- each connection in each burst waits, so that the burst before is over.
function delay()
  local place = calls % burst
  calls = calls + 1
  if place == 0 then started = now() end
  if place == connections - 1 then idle = idle + math.max(0, PAUSE_MS - (now() - started)) end
  if calls == total + connections then
    idle = idle - math.max(0, PAUSE_MS - (now() - started))
    io.write('enough\n')
    io.flush()
  end
  return place < connections and PAUSE_MS or 0
end

function done(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format(
    '{"requests":%d,"seconds":%f,"errors":%d,"p50Ms":%f,"p99Ms":%f}\n',
    summary.requests, (summary.duration / 1000 - main:get('idle')) / 1000, failed,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000
  ))
end
