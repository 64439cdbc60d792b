-- wrk script: claims tasks and completes them, in batches, as a worker would. When all are completed, or at the first
-- failure, it prints one line of JSON and ends wrk, which would sleep on.
-- wrk ... -s claim.lua <url> -- <token> <tasks> <batch>
local ffi = require "ffi"
ffi.cdef [[
struct clock { long seconds, nanoseconds; };
int clock_gettime(int clock, struct clock *now);
]]

local claimed, first, last = {}, 1, 0      -- a queue of batches to be completed
local completed, wanted, begun = 0, 0, nil
local headers, claim

local function clock()
    local now = ffi.new("struct clock")
    ffi.C.clock_gettime(1, now)     -- monotonic
    return tonumber(now.seconds) + tonumber(now.nanoseconds) / 1e9
end

local function finish(failure)
    io.write(string.format('{"seconds": %f, "failure": %q}\n', clock() - begun, failure))
    io.flush()
    os.exit(0)
end

function init(args)
    headers = { Authorization = "Bearer " .. args[1], ["Content-Type"] = "application/json" }
    wanted = tonumber(args[2])
    claim = wrk.format("POST", "/api/v1/tasks/claim", headers, '{"limit":' .. args[3] .. "}")
end

function request()
    begun = begun or clock()
    if first > last then
        return claim
    end
    local batch = claimed[first]
    claimed[first] = nil
    first = first + 1
    return wrk.format("POST", "/api/v1/tasks/complete", headers, batch)
end

function response(status, _, body)
    if status ~= 200 then
        finish(status .. " " .. body:gsub('[%c"\\]', " "))
    elseif body:sub(1, 9) == '{"items":' then
        local ids, lease = {}, nil
        for id, its in body:gmatch('{"id":"([^"]+)".-"lease":"([^"]+)"') do
            ids[#ids + 1] = '{"id":"' .. id .. '"}'
            lease = its
        end
        if lease then
            last = last + 1
            claimed[last] = '{"lease":"' .. lease .. '","items":[' .. table.concat(ids, ",") .. "]}"
        end
    else
        local done, lost = body:match('"completed":%[(.-)%],"lost":%[(.-)%]')
        if lost ~= "" then
            finish("lost: " .. lost:gsub('"', ""))
        end
        completed = completed + select(2, done:gsub(",", "")) + 1
        if completed == wanted then
            finish("")
        end
    end
end
