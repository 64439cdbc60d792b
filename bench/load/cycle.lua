-- wrk script: cycles through prepared requests, and prints one line of JSON at the end.
-- wrk ... -s cycle.lua <url> -- <file of "path token address body" lines>
-- Those with a body are POSTs; an address that is not - is where a proxy would say that the client is.
local requests, at = {}, 0

function init(args)
    for line in io.lines(args[1]) do
        local path, token, address, body = line:match("^(%S+) (%S+) (%S+) ?(.*)$")
        local headers = { Authorization = "Bearer " .. token }
        if address ~= "-" then
            headers["X-Forwarded-For"] = address
        end
        if body == "" then
            requests[#requests + 1] = wrk.format("GET", path, headers)
        else
            headers["Content-Type"] = "application/json"
            requests[#requests + 1] = wrk.format("POST", path, headers, body)
        end
    end
end

function request()
    at = at % #requests + 1
    return requests[at]
end

function done(summary, latency)
    local e = summary.errors
    io.write(string.format(
        '{"requests": %d, "seconds": %f, "bytes": %d, "p50": %f, "p99": %f, "errors": %d}\n',
        summary.requests, summary.duration / 1e6, summary.bytes, latency:percentile(50),
        latency:percentile(99), e.connect + e.read + e.write + e.status + e.timeout))
end
