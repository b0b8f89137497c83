-- Gives each request a token and an ETag of its own, from a file: TOKEN[TAB ETAG] on each line.
-- Arguments: the file, and the number of the line to begin with.
local requests, at = {}, 0

function init(args)
  local head = "GET " .. wrk.path .. " HTTP/1.1\r\nHost: " .. wrk.host .. "\r\nAuthorization: Bearer "
  for line in io.lines(args[1]) do
    local token, tag = line:match("^(%S+)%s*(.*)$")
    if tag ~= "" then token = token .. "\r\nIf-None-Match: " .. tag end
    requests[#requests + 1] = head .. token .. "\r\n\r\n"
  end
  at = tonumber(args[2]) % #requests
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"requests": %d, "microseconds": %d, "refused": %d, "broken": %d, "late": %d, "p50": %d, "p99": %d}\n',
    summary.requests, summary.duration, errors.status, errors.connect + errors.read + errors.write,
    errors.timeout, latency:percentile(50), latency:percentile(99)))
end
