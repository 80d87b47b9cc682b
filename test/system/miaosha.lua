-- For wrk: the request of artemis-disruptor-miaosha's own JMeter plan, and what its answers say.
--   wrk -t2 -c300 -d5s -s miaosha.lua http://127.0.0.1:8080/miaosha/order
-- Every answer must be 200 with an id; the last line of the output is counted by http_test.py.
wrk.method = "POST"
wrk.body = "itemId=1"
wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"
wrk.headers["Connection"] = "keep-alive"

local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

function init(_)
  answered, wrong, example, sample = 0, 0, "", ""
end

function response(status, _, body)
  answered = answered + 1
  local id = body:match('"id":"([%w_-]+)"')
  if status ~= 200 or id == nil or body:match('"itemId":1[,}]') == nil then
    wrong = wrong + 1
    example = status .. " " .. body
  else
    sample = id
  end
end

function done(summary, _, _)
  local total, bad, broken, last = 0, 0, "", ""
  for _, thread in ipairs(threads) do
    total = total + thread:get("answered")
    bad = bad + thread:get("wrong")
    if thread:get("example") ~= "" then broken = thread:get("example") end
    if thread:get("sample") ~= "" then last = thread:get("sample") end
  end
  local faults = summary.errors
  print(string.format("MIAOSHA answered=%d wrong=%d connect=%d read=%d write=%d timeout=%d id=%s %s",
    total, bad, faults.connect, faults.read, faults.write, faults.timeout, last, broken))
end
