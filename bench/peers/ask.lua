-- W1b, in Redis: counts a request in its user's window of a minute, and hands out the facts and the row.
-- The window slides by weight: of the minute before counts what still reaches into the last 60 s.
-- KEYS: window, session, startup. ARGV: the limit. Returns {1 if admitted, session, startup}.
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1e6
local slot = math.floor(now / 60)
local before = tonumber(redis.call('GET', KEYS[1] .. ':' .. slot - 1) or 0)
local name = KEYS[1] .. ':' .. slot
local count = redis.call('INCR', name)
if count == 1 then
    redis.call('EXPIRE', name, 120)
end
if before * (1 - now / 60 + slot) + count > tonumber(ARGV[1]) then
    return {0, false, false}
end
local found = redis.call('MGET', KEYS[2], KEYS[3])
return {1, found[1], found[2]}
