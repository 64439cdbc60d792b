"""What the peers know: the same number of users and startups as a populated Gatehouse has, in the same tables."""
import base64
import functools
import hashlib
import hmac
import json
import time

from people import EACH, USERS, as_requests

SECRET = 'of peers that run on loopback only'
ISSUER, AUDIENCE = 'gatehouse', 'gatehouse'
PERMISSIONS = [f'{noun}:{verb}' for noun in ('startup', 'agent', 'task')
               for verb in ('create', 'read', 'update', 'delete')]
LONG = 3600         # seconds that a token lives


def uuid(kind, number):
    """Countable, so that pgbench can ask for any of them; the prefix is of UUIDv7."""
    return f'019a9f3c-000{kind}-7000-8000-{number:012d}'


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b'=')


def sign(claims):
    """RFC 7519, HS256."""
    text = b'.'.join(encode(json.dumps(part, separators=(',', ':')).encode()) for part in (
        {'alg': 'HS256', 'typ': 'JWT', 'kid': uuid(0, 0)}, claims))
    return (text + b'.' + encode(hmac.digest(SECRET.encode(), text, hashlib.sha256))).decode()


class Crowd:
    def __init__(self):
        now = int(time.time())
        self.now, self.until = now * 1_000_000, (now + LONG) * 1_000_000
        self.sessions, self.startups, self.owned = {}, {}, []
        for user in range(1, USERS + 1):
            self.add(user, now)

    def add(self, user, now):
        owner, session = uuid(1, user), uuid(2, user)
        self.sessions[session] = {
            'user_id': owner, 'status': 'active', 'role': 'user', 'permissions': PERMISSIONS, 'token_version': 1,
            'expires_at': self.until, 'revoked': False}
        token = sign({'iss': ISSUER, 'aud': AUDIENCE, 'sub': owner, 'sid': session, 'jti': uuid(4, user), 'iat': now,
                      'exp': now + LONG, 'role': 'user', 'ver': 1})
        ids = [uuid(3, (user - 1) * EACH + i) for i in range(1, EACH + 1)]
        for number, id in enumerate(ids):
            self.startups[id] = {
                'id': id, 'owner_id': owner, 'name': f'Startup {user}-{number}', 'industry': 'computing',
                'stage': 'seed', 'status': 'active', 'metadata': {}, 'version': 1, 'created_at': self.now,
                'updated_at': self.now}
        self.owned.append([(f'/api/v1/startups/{id}', token) for id in ids])

    def requests(self, work):
        return as_requests(work, self.owned)

    @functools.cached_property
    def texts(self):
        """{id: the row as it is replied}."""
        return {id: json.dumps(row, separators=(',', ':')) for id, row in self.startups.items()}

    def write_file(self, path):
        """For peers that have all of it in memory."""
        with open(path, 'w') as file:
            json.dump({'secret': SECRET, 'issuer': ISSUER, 'audience': AUDIENCE, 'sessions': self.sessions,
                       'startups': {id: {'owner_id': self.startups[id]['owner_id'], 'json': text}
                                    for id, text in self.texts.items()}}, file)

    def fill_redis(self, redis):
        words = [word for id, facts in self.sessions.items() for word in ('session:' + id, json.dumps(facts))]
        words += [word for id, text in self.texts.items() for word in ('startup:' + id, text)]
        redis.ask('MSET', *words)

    def statements(self):
        """SQL for an empty database of Gatehouse's schema, in pieces."""
        yield ('insert into users (id, email, password_hash, role, status, token_version, metadata, version, '
               'created_at, updated_at) values ' + ', '.join(
                   f"('{facts['user_id']}', '{facts['user_id']}@example.com', '', 'user', 'active', 1, '{{}}', 1, "
                   f"{self.now}, {self.now})" for facts in self.sessions.values()))
        yield ('insert into sessions (id, owner_id, address, user_agent, expires_at, version, created_at, updated_at) '
               'values ' + ', '.join(
                   f"('{id}', '{facts['user_id']}', '127.0.0.1', 'bench', {self.until}, 1, {self.now}, {self.now})"
                   for id, facts in self.sessions.items()))
        rows = list(self.startups.values())
        for begin in range(0, len(rows), 200):
            yield ('insert into startups (id, owner_id, name, industry, stage, status, metadata, version, created_at, '
                   'updated_at) values ' + ', '.join(
                       f"('{row['id']}', '{row['owner_id']}', '{row['name']}', 'computing', 'seed', 'active', '{{}}', "
                       f"1, {self.now}, {self.now})" for row in rows[begin:begin + 200]))
        yield 'analyze'
