-- For wrk with one thread: exactly MIAOSHA_ORDERS orders in the form of artemis-disruptor-miaosha's
-- own JMeter plan, then the end. While the last answers are on their way, idle connections ask for
-- /healthz, since wrk cannot leave one alone. Times and counts go to MIAOSHA_FILE.
--   MIAOSHA_ORDERS=300000 MIAOSHA_FILE=/tmp/out wrk -t1 -c300 -d240s -s miaosha.lua URL
local ffi = require("ffi")
ffi.cdef [[
  typedef struct { long seconds; long micros; } bench_time;
  int gettimeofday(bench_time *now, void *zone);
  int getpid(void);
  int kill(int pid, int signal);
]]

local function now_us()
  local now = ffi.new("bench_time")
  ffi.C.gettimeofday(now, nil)
  return tonumber(now.seconds) * 1000000 + tonumber(now.micros)
end

local wanted = tonumber(os.getenv("MIAOSHA_ORDERS"))
local sent, answered, refused, started = -1, 0, 0, 0  -- wrk's first call only looks at the answer
local order, filler

function init(_)
  local form = { ["Content-Type"] = "application/x-www-form-urlencoded" }
  order = wrk.format("POST", "/miaosha/order", form, "itemId=1")
  filler = wrk.format("GET", "/healthz")
end

function request()
  if sent == wanted then return filler end
  if sent == 0 then started = now_us() end
  sent = sent + 1
  return order
end

local function finish()
  local file = io.open(os.getenv("MIAOSHA_FILE"), "w")
  file:write(string.format("%.0f %.0f %d %d\n", started, now_us(), answered, refused))
  file:close()
  wrk.thread:stop()
  ffi.C.kill(ffi.C.getpid(), 2)  -- wrk's main thread sleeps until its duration is over
end

function response(status, _, body)
  if body:find('"itemId"', 1, true) then
    answered = answered + 1
  elseif status ~= 200 then
    refused = refused + 1
  else
    return
  end
  if answered + refused == wanted then finish() end
end
