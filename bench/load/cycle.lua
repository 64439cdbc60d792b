-- wrk script: cycles through prepared requests, and prints one line of JSON at the end.
-- wrk ... -s cycle.lua <url> -- <file of "path token" lines, or none for one plain request>
local requests, at = {}, 0

function init(args)
    if args[1] then
        for line in io.lines(args[1]) do
            local path, token = line:match("^(%S+) (%S+)$")
            requests[#requests + 1] = wrk.format("GET", path, { Authorization = "Bearer " .. token })
        end
    else
        requests[1] = wrk.format("GET", "/")
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
