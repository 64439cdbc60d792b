// Fastify, one process: the works W1a, W1b, W2 and W3. bench/load/servers.py says how it is started.
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createVerifier } from 'fast-jwt'
import Fastify from 'fastify'
import Redis from 'ioredis'
import pg from 'pg'

const { WORK, PORT, PEERS, DATA, LIMIT, TOKEN_CACHE, DATABASE_URL, REDIS_URL } = process.env
const text = name => readFileSync(`${PEERS}/${name}`, 'utf8')
const { secret, issuer, audience, sessions, startups } = JSON.parse(readFileSync(DATA))
const known = new Map(Object.entries(sessions).map(([id, s]) => [id, { ...s, may: new Set(s.permissions) }]))
const kept = new Map(Object.entries(startups))
const limit = Number(LIMIT)

const verify = createVerifier({
    key: secret, algorithms: ['HS256'], allowedIss: issuer, allowedAud: audience, cache: TOKEN_CACHE === '1' && 4096,
})

// ---- who asks ----

const refuse = (reply, status) => { reply.code(status).send({ error: status }) }

function claimsOf(request) {
    const header = request.headers.authorization
    if (!header?.startsWith('Bearer ')) return null
    try {
        return verify(header.slice(7))
    } catch {
        return null
    }
}

const isLive = (session, claims) => session && !session.revoked && session.status === 'active' &&
    session.user_id === claims.sub && session.token_version === claims.ver && session.expires_at > Date.now() * 1000

// A window of a minute that slides by weight: of the minute before counts what still reaches into the last 60 s.
const windows = new Map()
function admitted(user) {
    const now = Date.now() / 60000, slot = Math.floor(now)
    let w = windows.get(user)
    if (!w) windows.set(user, w = { slot, count: 0, before: 0 })
    if (w.slot !== slot) {
        w.before = w.slot === slot - 1 ? w.count : 0
        w.slot = slot
        w.count = 0
    }
    return w.before * (1 - now + slot) + ++w.count <= limit
}

// ---- where the facts and the row are ----

function fromMemory(claims, id, reply) {
    const session = known.get(claims.sid)
    if (!isLive(session, claims)) return refuse(reply, 401)
    if (!session.may.has('startup:read')) return refuse(reply, 403)
    if (!admitted(claims.sub)) return refuse(reply, 429)
    const startup = kept.get(id)
    if (!startup || startup.owner_id !== claims.sub) return refuse(reply, 404)
    reply.send(startup.json)
}

const redis = WORK === 'W1b' && new Redis(REDIS_URL, { enableAutoPipelining: true })
if (redis) redis.defineCommand('ask', { numberOfKeys: 3, lua: text('ask.lua') })

async function fromRedis(claims, id, reply) {
    const [ok, facts, row] = await redis.ask(`window:${claims.sub}`, `session:${claims.sid}`, `startup:${id}`, limit)
    if (!ok) return refuse(reply, 429)
    const session = facts && JSON.parse(facts)
    if (!isLive(session, claims)) return refuse(reply, 401)
    if (!session.permissions.includes('startup:read')) return refuse(reply, 403)
    if (!row || JSON.parse(row).owner_id !== claims.sub) return refuse(reply, 404)
    reply.send(row)
}

// Each connection is pipelined: the next request's statement does not wait for the answer to the last one's. So few
// are enough for reads, which makes larger writes; changes run beside each other only on connections of their own.
pg.types.setTypeParser(20, Number)
const clients = []
if (DATABASE_URL) {
    for (let i = 0; i < (WORK === 'W3' ? 16 : 2); i++) clients.push(new pg.Client({ connectionString: DATABASE_URL, pipeline: true }))
    await Promise.all(clients.map(client => client.connect()))
}
let turn = 0
const next = () => clients[turn = (turn + 1) % clients.length]
const readSql = text('read.sql'), [addStartup, addAudit] = text('write.sql').split(';')

async function fromDatabase(claims, id, reply) {
    const row = (await next().query({ name: 'read', text: readSql, values: [claims.sid, id] })).rows[0]
    if (!isLive(row, claims)) return refuse(reply, 401)
    if (!JSON.parse(row.permissions).includes('startup:read')) return refuse(reply, 403)
    if (!admitted(claims.sub)) return refuse(reply, 429)
    if (row.owner_id !== claims.sub) return refuse(reply, 404)
    return { ...row, status: row.startup_status, metadata: JSON.parse(row.metadata) }
}

// ---- routes ----

const app = Fastify({ logger: false, ajv: { customOptions: { removeAdditional: false, coerceTypes: false } } })
const nullable = { type: ['string', 'null'] }
const startup = {
    type: 'object',
    properties: {
        id: { type: 'string' }, owner_id: { type: 'string' }, name: { type: 'string' }, industry: nullable,
        stage: nullable, status: { type: 'string' }, metadata: { type: 'object', additionalProperties: true },
        version: { type: 'integer' }, created_at: { type: 'integer' }, updated_at: { type: 'integer' },
    },
}
const from = { W1a: fromMemory, W1b: fromRedis, W2: fromDatabase }[WORK]

app.get('/health', async () => ({ status: 'up' }))

if (from) app.get('/api/v1/startups/:id', {
    schema: {
        params: { type: 'object', properties: { id: { type: 'string', pattern: '^[0-9a-f-]{36}$' } } },
        ...(WORK === 'W2' && { response: { 200: startup } }),
    },
}, (request, reply) => {
    const claims = claimsOf(request)
    if (!claims) return refuse(reply, 401)
    reply.type('application/json')
    return from(claims, request.params.id, reply)
})

// Ordered by time, as UUIDv7 is.
function idNow(now) {
    const time = now.toString(16).padStart(12, '0')
    return `${time.slice(0, 8)}-${time.slice(8)}-7${randomUUID().slice(15)}`
}

if (WORK === 'W3') app.post('/api/v1/startups', {
    schema: {
        body: {
            type: 'object', required: ['name'], additionalProperties: false,
            properties: {
                name: { type: 'string', minLength: 1, maxLength: 200 },
                industry: { type: ['string', 'null'], maxLength: 100 },
                stage: { type: ['string', 'null'], maxLength: 100 },
                status: { enum: ['active', 'paused', 'closed'] },
            },
        },
        response: { 201: startup },
    },
    preParsing: async (request, reply, payload) => {
        request.claims = claimsOf(request)      // before the body is read
        if (!request.claims) return refuse(reply, 401), reply
        return payload
    },
}, async (request, reply) => {
    const { claims, body } = request, session = known.get(claims.sid)
    if (!isLive(session, claims)) return refuse(reply, 401), reply
    if (!session.may.has('startup:create')) return refuse(reply, 403), reply
    if (!admitted(claims.sub)) return refuse(reply, 429), reply

    const ms = Date.now(), now = ms * 1000
    const row = {
        id: idNow(ms), owner_id: claims.sub, name: body.name, industry: body.industry ?? null, stage: body.stage ?? null,
        status: body.status ?? 'active', metadata: {}, version: 1, created_at: now, updated_at: now,
    }
    const client = next()       // one after the other on one connection, none waits for the one before
    await Promise.all([
        client.query({ name: 'begin', text: 'begin' }),
        client.query({ name: 'startup', text: addStartup, values: [
            row.id, row.owner_id, row.name, row.industry, row.stage, row.status, now] }),
        client.query({ name: 'audit', text: addAudit, values: [
            idNow(ms), now, claims.sub, claims.sid, row.id, request.id, request.ip,
            JSON.stringify({ fields: Object.keys(body) })] }),
        client.query({ name: 'commit', text: 'commit' }),
    ])
    reply.code(201)
    return row
})

await app.listen({ host: '127.0.0.1', port: Number(PORT), backlog: 4096 })
