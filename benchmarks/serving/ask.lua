-- POSTs the questions of a file to a service, in order, for wrk 4: wrk … URL -- BODIES SKIP
-- BODIES holds one JSON body a line; SKIP is how many of the first were asked before. Prints one line of JSON at the end.
-- Use one thread (-t1): each thread reads the file for itself.

function init(arguments)
  bodies, asked = {}, tonumber(arguments[2])
  for line in io.lines(arguments[1]) do bodies[#bodies + 1] = line end
  wrk.headers["Content-Type"] = "application/json"
end

function request()
  asked = asked + 1
  return wrk.format("POST", nil, nil, bodies[(asked - 1) % #bodies + 1])
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '{"answers": %d, "seconds": %f, "p50_ms": %f, "p95_ms": %f, "p99_ms": %f, "other": %d}\n',
    summary.requests, summary.duration / 1e6,
    latency:percentile(50) / 1e3, latency:percentile(95) / 1e3, latency:percentile(99) / 1e3,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
