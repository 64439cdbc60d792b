-- W1a and W1b inside nginx: new() gives the function that answers a request.
local cjson = require "cjson.safe"
local ffi = require "ffi"
local redis = require "nginx.redis"

-- OpenSSL, which nginx has loaded: HMAC with the key set once, so that a token costs its own blocks only.
ffi.cdef [[
typedef struct evp_md_st EVP_MD;
typedef struct hmac_ctx_st HMAC_CTX;
const EVP_MD *EVP_sha256(void);
HMAC_CTX *HMAC_CTX_new(void);
int HMAC_Init_ex(HMAC_CTX *ctx, const void *key, int n, const EVP_MD *md, void *engine);
int HMAC_Update(HMAC_CTX *ctx, const char *data, size_t n);
int HMAC_Final(HMAC_CTX *ctx, unsigned char *mac, unsigned int *n);
]]
local C = ffi.C
local mac = ffi.new("unsigned char[32]")
local from_base64 = require("ngx.base64").decode_base64url

local function hmac_with(secret)
    local ctx = C.HMAC_CTX_new()
    C.HMAC_Init_ex(ctx, secret, #secret, C.EVP_sha256(), nil)
    return function(text)
        C.HMAC_Init_ex(ctx, nil, 0, nil, nil)
        C.HMAC_Update(ctx, text, #text)
        C.HMAC_Final(ctx, mac, nil)
        return ffi.string(mac, 32)
    end
end

local function verifier(data)
    local hmac = hmac_with(data.secret)
    return function(token)
        local head, body, sign = token:match("^([%w_-]+)%.([%w_-]+)%.([%w_-]+)$")
        if not head or from_base64(sign) ~= hmac(head .. "." .. body) then
            return nil
        end
        local header, claims = cjson.decode(from_base64(head)), cjson.decode(from_base64(body))
        if not header or header.alg ~= "HS256" or not claims or claims.iss ~= data.issuer
            or claims.aud ~= data.audience or claims.exp <= ngx.time() then
            return nil
        end
        return claims
    end
end

local function is_live(session, claims)
    return session and not session.revoked and session.status == "active" and session.user_id == claims.sub
        and session.token_version == claims.ver and session.expires_at > ngx.now() * 1e6
end

local function has(permissions, wanted)
    for i = 1, #permissions do
        if permissions[i] == wanted then
            return true
        end
    end
    return false
end

-- A window of a minute that slides by weight: of the minute before counts what still reaches into the last 60 s.
local windows = {}
local function admitted(user, limit)
    local now = ngx.now() / 60
    local slot = math.floor(now)
    local w = windows[user]
    if not w then
        w = { slot = slot, count = 0, before = 0 }
        windows[user] = w
    end
    if w.slot ~= slot then
        w.before = w.slot == slot - 1 and w.count or 0
        w.slot, w.count = slot, 0
    end
    w.count = w.count + 1
    return w.before * (1 - now + slot) + w.count <= limit
end

-- Each gives the refusal's status, or nil and the row's text.
local function from_memory(data, limit)
    return function(claims, id)
        local session = data.sessions[claims.sid]
        if not is_live(session, claims) then
            return 401
        elseif not has(session.permissions, "startup:read") then
            return 403
        elseif not admitted(claims.sub, limit) then
            return 429
        end
        local row = data.startups[id]
        if not row or row.owner_id ~= claims.sub then
            return 404
        end
        return nil, row.json
    end
end

local function from_redis(script, limit, port)
    local sha
    return function(claims, id)
        local red = redis:new()
        if not red:connect("127.0.0.1", port) then
            return 503
        end
        sha = sha or red:script("load", script)
        local got = red:evalsha(sha, 3, "window:" .. claims.sub, "session:" .. claims.sid, "startup:" .. id, limit)
        if not got then
            return 503
        end
        red:set_keepalive(60000, 64)
        if got[1] ~= 1 then
            return 429
        end
        local session = got[2] ~= ngx.null and cjson.decode(got[2])
        if not is_live(session, claims) then
            return 401
        elseif not has(session.permissions, "startup:read") then
            return 403
        end
        if got[3] == ngx.null or cjson.decode(got[3]).owner_id ~= claims.sub then
            return 404
        end
        return nil, got[3]
    end
end

local function read(path)
    local file = assert(io.open(path))
    local text = file:read("*a")
    file:close()
    return text
end

local function new(work, peers, path, limit, redis_port)
    local data = assert(cjson.decode(read(path)))
    local verify = verifier(data)
    local find = work == "W1a" and from_memory(data, limit)
        or from_redis(read(peers .. "/ask.lua"), limit, redis_port)

    return function()
        local token = ngx.var.http_authorization
        local claims = token and token:sub(1, 7) == "Bearer " and verify(token:sub(8))
        if not claims then
            return ngx.exit(401)
        end
        local refusal, text = find(claims, ngx.var.uri:match("[^/]+$"))
        if refusal then
            return ngx.exit(refusal)
        end
        ngx.header["Content-Length"] = #text
        ngx.print(text)
    end
end

return { new = new }
