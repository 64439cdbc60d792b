"""FastAPI on uvicorn (uvloop, httptools), one process: the works W1a, W1b, W2 and W3.

bench/load/servers.py says how it is started.
"""
import gc
import json
import os
import time
import uuid
from typing import Literal, Optional

import asyncpg
import jwt
import redis.asyncio
from fastapi import FastAPI, HTTPException, Request, Response
from pydantic import BaseModel, Field

WORK, PEERS = os.environ['WORK'], os.environ['PEERS']
LIMIT = int(os.environ['LIMIT'])
with open(os.environ['DATA']) as file:
    data = json.load(file)
sessions, startups = data['sessions'], data['startups']
app = FastAPI(openapi_url=None)
shared = {}


def text(name):
    with open(os.path.join(PEERS, name)) as file:
        return file.read()


# ---- who asks ----

def claims_of(request):
    header = request.headers.get('authorization', '')
    if not header.startswith('Bearer '):
        raise HTTPException(401)
    try:
        return jwt.decode(header[7:], data['secret'], algorithms=['HS256'], audience=data['audience'],
                          issuer=data['issuer'])
    except jwt.InvalidTokenError:
        raise HTTPException(401) from None


def must_live(session, claims):
    if not (session and not session['revoked'] and session['status'] == 'active'
            and str(session['user_id']) == claims['sub'] and session['token_version'] == claims['ver']
            and session['expires_at'] > time.time() * 1e6):
        raise HTTPException(401)


def must_have(permissions, permission):
    if permission not in permissions:
        raise HTTPException(403)


windows = {}        # user -> [slot, count, the slot before's count]


def must_admit(user):
    """A window of a minute that slides by weight: of the minute before counts what still reaches into the last 60 s."""
    now = time.time() / 60
    slot = int(now)
    window = windows.setdefault(user, [slot, 0, 0])
    if window[0] != slot:
        window[:] = slot, 0, window[1] if window[0] == slot - 1 else 0
    window[1] += 1
    if window[2] * (1 - now + slot) + window[1] > LIMIT:
        raise HTTPException(429)


def reply(content, status=200):
    return Response(content, status, media_type='application/json')


# ---- reading ----

async def read_memory(request: Request, id: str):
    claims = claims_of(request)
    session = sessions.get(claims['sid'])
    must_live(session, claims)
    must_have(session['permissions'], 'startup:read')
    must_admit(claims['sub'])
    row = startups.get(id)
    if not row or row['owner_id'] != claims['sub']:
        raise HTTPException(404)
    return reply(row['json'])


async def read_redis(request: Request, id: str):
    claims = claims_of(request)
    admitted, session, row = await shared['ask'](
        keys=('window:' + claims['sub'], 'session:' + claims['sid'], 'startup:' + id), args=(LIMIT,))
    if not admitted:
        raise HTTPException(429)
    session = session and json.loads(session)
    must_live(session, claims)
    must_have(session['permissions'], 'startup:read')
    if not row or json.loads(row)['owner_id'] != claims['sub']:
        raise HTTPException(404)
    return reply(row)


async def read_database(request: Request, id: str):
    claims = claims_of(request)
    row = await shared['pool'].fetchrow(READ, claims['sid'], id)
    must_live(row, claims)
    must_have(json.loads(row['permissions']), 'startup:read')
    must_admit(claims['sub'])
    if str(row['owner_id']) != claims['sub']:
        raise HTTPException(404)
    return reply(json.dumps({
        'id': str(row['id']), 'owner_id': claims['sub'], 'name': row['name'], 'industry': row['industry'],
        'stage': row['stage'], 'status': row['startup_status'], 'metadata': json.loads(row['metadata']),
        'version': row['version'], 'created_at': row['created_at'], 'updated_at': row['updated_at']}))


# ---- the change ----

class Startup(BaseModel):
    name: str = Field(min_length=1, max_length=200)
    industry: Optional[str] = Field(None, max_length=100)
    stage: Optional[str] = Field(None, max_length=100)
    status: Literal['active', 'paused', 'closed'] = 'active'

    class Config:
        extra = 'forbid'


def id_now(ms):
    """Ordered by time, as UUIDv7 is."""
    return str(uuid.UUID(int=ms << 80 | 7 << 76 | 2 << 62 | int.from_bytes(os.urandom(9), 'big') >> 10))


async def create(request: Request, startup: Startup):
    claims = claims_of(request)
    session = sessions.get(claims['sid'])
    must_live(session, claims)
    must_have(session['permissions'], 'startup:create')
    must_admit(claims['sub'])
    ms = int(time.time() * 1000)
    id, owner, now = id_now(ms), claims['sub'], ms * 1000
    async with shared['pool'].acquire() as conn, conn.transaction():
        await conn.execute(ADD_STARTUP, id, owner, startup.name, startup.industry, startup.stage, startup.status, now)
        await conn.execute(ADD_AUDIT, id_now(ms), now, owner, claims['sid'], id, id_now(ms), request.client.host,
                           '{"fields":["name","industry","stage"]}')
    return reply(json.dumps({
        'id': id, 'owner_id': owner, 'name': startup.name, 'industry': startup.industry, 'stage': startup.stage,
        'status': startup.status, 'metadata': {}, 'version': 1, 'created_at': now, 'updated_at': now}), 201)


# ---- start ----

async def health():
    return reply('{"status":"up"}')


READ = text('read.sql')
ADD_STARTUP, ADD_AUDIT, _ = text('write.sql').split(';')


@app.on_event('startup')
async def open_all():
    if WORK == 'W1b':
        shared['ask'] = redis.asyncio.from_url(os.environ['REDIS_URL']).register_script(text('ask.lua'))
    if WORK in ('W2', 'W3'):
        shared['pool'] = await asyncpg.create_pool(os.environ['DATABASE_URL'], min_size=16, max_size=16)
    gc.collect()
    gc.freeze()


app.add_api_route('/health', health)
if WORK == 'W3':
    app.add_api_route('/api/v1/startups', create, methods=['POST'])
else:
    app.add_api_route('/api/v1/startups/{id}', {
        'W1a': read_memory, 'W1b': read_redis, 'W2': read_database}[WORK])
