"""A server whose PostgreSQL and Redis are reached by way of proxies that can be told to fail, and a crowd of clients
that check every answer meanwhile.

    with Stand(postgres, redis) as stand, Crowd(stand.server) as crowd:
        crowd.suffer(stand.database.cut, 3, stand.database.heal)
    crowd.verify(case)
"""
import collections
import os
import shutil
import socket
import struct
import tempfile
import threading
import time
import uuid

from .client import Api, register
from .load import AGAIN, Writers
from .proxy import Proxy
from .server import Server
from .services import Postgres, Redis
from .store import Database
from .wire import Framing, Gone

TIMEOUT = 1.5           # DATABASE_TIMEOUT of a stand, seconds: a dependency that is 2 s slow is too slow
ANSWER = 6              # seconds within which every answer comes, whatever it is
RECOVERY = 1.5          # seconds: 1, as promised, and half a one for a machine that others keep busy
ALIVE = 2               # seconds for /health/live; it takes less than a millisecond on a machine of one's own
HELD_UP = 0.2           # of the reads during a fault: a machine that holds a worker up for a second makes its facts old
ASKED = ('read', 'me', 'list', 'write', 'pry', 'login', 'refresh', 'ready')
REFUSALS = ('unavailable', 'overloaded', 'commit_unknown', 'emergency')

Event = collections.namedtuple('Event', 'kind begun ended status code')


class OwnDatabase(Database):
    """A database of a PostgreSQL that the tests of one module have to themselves."""

    settings = {}

    def __init__(self, postgres):
        super().__init__()
        self.postgres = postgres

    @property
    def url(self):
        return self.postgres.url(self.name)

    def make(self):
        if not self.made:
            self.postgres.psql(f'create database {self.name} template template0')
            self.made = True

    def destroy(self):
        if self.made and self.postgres.process:
            self.postgres.psql(f'drop database if exists {self.name} with (force)')
        self.made = False


class Stand:
    """.server of two workers, .database and .cache: the proxies to its PostgreSQL and its Redis. Use as a context."""

    def __init__(self, postgres, redis=None, hosts=None, **settings):
        """hosts: those of DATABASE_URL in their order, when it is not the one alone. settings: of the server."""
        self.postgres, self.redis = postgres, redis
        self.store = OwnDatabase(postgres)
        self.store.make()
        self.hosts = [Proxy(host.port) for host in hosts or [postgres]]
        self.database = self.hosts[(hosts or [postgres]).index(postgres)]
        self.cache = Proxy(redis.port) if redis else None
        own = {'DATABASE_URL': self.url(), 'JWT_SECRET': self.store.secret, 'DATABASE_TIMEOUT': int(TIMEOUT * 1000)}
        if redis:
            own.update(REDIS_URL=self.cache.url(redis.url()), REDIS_PREFIX=f'{self.store.name}:')
        self.server = Server(engine='sqlite', **{**own, **settings})
        self.server.store = self.store

    def url(self):
        there = ','.join(f'127.0.0.1:{proxy.port}' for proxy in self.hosts)
        return self.store.url.replace(f'127.0.0.1:{self.postgres.port}', there)

    def start(self):
        try:
            self.server.start()
        except BaseException:
            self.close()
            raise
        return self

    def finish(self):
        """A clean stop."""
        try:
            self.server.finish()
        finally:
            self.close()

    __enter__ = start

    def __exit__(self, kind, *_):
        self.close() if kind else self.finish()

    def heal(self):
        for proxy in [*self.hosts, self.cache]:
            if proxy:
                proxy.heal()

    def close(self):
        self.server.destroy()
        for proxy in [*self.hosts, self.cache]:
            if proxy:
                proxy.close()

    def metric(self, name):
        """The sum over a family's cells, or the value of one cell when it is named with its labels."""
        with Api(self.server) as api:
            page = api.get('/metrics').body.decode()
        return sum(float(line.rpartition(' ')[2]) for line in page.splitlines()
                   if line.rpartition(' ')[0] == name or line.startswith(name + '{'))


class Services:
    """A PostgreSQL and a Redis for the tests of one module."""

    def __init__(self, **settings):
        self.folder = tempfile.mkdtemp(prefix='faults-')
        self.postgres = Postgres(os.path.join(self.folder, 'postgres'), **settings)
        self.redis = Redis(os.path.join(self.folder, 'redis'))

    def start(self):
        self.postgres.start()
        self.redis.start()
        return self

    def path(self, name):
        return os.path.join(self.folder, name)

    def finish(self):
        for service in (self.redis, self.postgres):
            service.stop()
            service.destroy()
        shutil.rmtree(self.folder, ignore_errors=True)


def read_only(postgres, is_so):
    """Whether new transactions may change anything, as after a demotion."""
    if is_so:
        postgres.psql('alter system set default_transaction_read_only = on')
    else:
        postgres.psql('alter system reset default_transaction_read_only')
    postgres.psql('select pg_reload_conf()')
    until = time.monotonic() + 5
    while postgres.psql('show default_transaction_read_only')[0][0] != ('on' if is_so else 'off'):
        assert time.monotonic() < until, 'the setting is not in force'
        time.sleep(0.02)


class Hogs:
    """Every connection that a PostgreSQL has, in the hands of those who have said their name and no password yet."""

    def __init__(self, postgres):
        self.postgres, self.socks = postgres, []

    def take(self):
        hello = b'user\0gatehouse\0database\0postgres\0\0'
        hello = struct.pack('>ii', 8 + len(hello), 3 << 16) + hello
        refused, until = 0, time.monotonic() + 5
        while refused < 20 and time.monotonic() < until:
            sock = socket.create_connection(('127.0.0.1', self.postgres.port), 5)
            sock.sendall(hello)
            if sock.recv(1) == b'R':            # is asked for the password
                self.socks.append(sock)
                refused = 0
            else:                               # too many clients; one may still be about to leave
                sock.close()
                refused += 1
                time.sleep(0.01)

    def leave(self):
        for sock in self.socks:
            sock.close()
        self.socks.clear()


class Crowd(Writers):
    """Twenty keep-alive clients. Each answer is right, or a 503 that says when to come again; it is there in ANSWER
    seconds. What is not, stands in .wrong. .marks: when it was well, ill, and well again."""

    def __init__(self, server, writers=6):
        self.me, self.mover, self.stranger = register(server), register(server), register(server)
        self.row = self.me.made('startups', {'name': f'well known {uuid.uuid4()}'})
        super().__init__(server, self.stranger.token, writers)
        self.events, self.marks, self.own = [], None, threading.local()
        jobs = [self.read] * 5 + [self.look] + [self.list] * 3 + [self.pry, self.sign_in, self.refresh, self.live,
                                                                 self.ready]
        self.threads += [threading.Thread(target=self.repeat, args=(job,)) for job in jobs]
        for person in (self.me, self.mover, self.stranger):
            person.close()

    # ---- one question ----

    def api(self):
        if not hasattr(self.own, 'api'):
            self.own.api = Api(self.server, timeout=ANSWER)
        return self.own.api

    def ask(self, kind, method, path, body=None, headers=(), good=(200,), token=None):
        """The reply, None when there was none."""
        api = self.api()
        api.token = token
        begun = time.monotonic()
        try:
            reply = api.call(method, path, body, headers)
        except (OSError, Gone, Framing) as why:
            self.note(Event(kind, begun, time.monotonic(), 0, repr(why)), False)
            return None
        again = reply.get('Retry-After') or ''
        refused = reply.status == 503 and (path.startswith('/health') or (
            reply.code in REFUSALS and again.isdigit() and int(again) > 0))
        event = Event(kind, begun, time.monotonic(), reply.status, reply.code)
        self.note(event, (refused or reply.status in good) and event.ended - begun <= ANSWER)
        return reply

    def note(self, event, right):
        self.events.append(event)
        if not right:
            self.wrong.append(event)

    def expect(self, what, reply, right):
        """The content of a reply that is no refusal."""
        if reply is not None and reply.status < 400 and not right(reply.json):
            self.wrong.append((what, reply))

    # ---- who asks ----

    def repeat(self, job):
        while not self.stop.is_set():
            job()
            time.sleep(0.02)

    def read(self):
        reply = self.ask('read', 'GET', f'startups/{self.row["id"]}', token=self.me.token)
        self.expect('read', reply, lambda row: row == self.row)

    def look(self):
        self.expect('me', self.ask('me', 'GET', 'auth/me', token=self.me.token), lambda row: row['id'] == self.me.id)

    def list(self):
        reply = self.ask('list', 'GET', 'startups?limit=3', token=self.me.token)
        self.expect('list', reply, lambda page: [row['id'] for row in page['items']] == [self.row['id']])

    def pry(self):
        """Hidden is absent: never anything else."""
        self.ask('pry', 'GET', f'startups/{self.row["id"]}', token=self.stranger.token, good=(404,))

    def sign_in(self):
        reply = self.ask('login', 'POST', 'auth/login', {'email': self.mover.email, 'password': self.mover.password},
                         good=(200, 429))
        self.expect('login', reply, lambda tokens: tokens['access_token'] and tokens['refresh_token'])
        time.sleep(0.25)        # each costs a password hash

    def refresh(self):
        """A family of refresh tokens that goes on for ever, however often a trade has to be repeated."""
        reply = self.ask('refresh', 'POST', 'auth/refresh', {'refresh_token': self.mover.refresh_token})
        if reply is not None and reply.status == 200:
            self.mover.refresh_token = reply.json['refresh_token']

    def live(self):
        self.ask('live', 'GET', '/health/live')

    def ready(self):
        self.ask('ready', 'GET', '/health/ready', good=(200, 503))

    def insist(self, method, path, body, headers=()):
        headers = {**dict(headers), 'Idempotency-Key': str(uuid.uuid4())}
        limit = time.monotonic() + self.patience
        while time.monotonic() < limit:
            reply = self.ask('write', method, path, body, headers, good=(200, 201, 409), token=self.token)
            if reply is not None and (reply.status not in AGAIN or reply.code == 'conflict'):
                time.sleep(0.02)
                return reply
            self.retries += 1
            time.sleep(0.05)
        return None

    # ---- a fault ----

    def suffer(self, harm, seconds, mend, before=0.6, after=1.8):
        """Well for a while, then the fault for so many seconds, then well again, until each kind has been answered."""
        time.sleep(before)
        begun = time.monotonic()
        harm()
        ill = time.monotonic()
        time.sleep(seconds)
        mending = time.monotonic()
        mend()
        self.marks = begun, ill, mending, time.monotonic()
        time.sleep(after)
        while not all(map(self.well, ASKED)) and time.monotonic() < self.marks[3] + ANSWER:
            time.sleep(0.05)

    def during(self, *kinds, late=0.0):
        """What was asked and answered while the fault lasted; late: leave so many seconds of its beginning out."""
        begun, _, mending, _ = self.marks
        return [e for e in self.events if e.kind in kinds and e.begun >= begun + late and e.ended <= mending]

    def well(self, kind):
        """Whether one that was asked after the return of the dependency was answered."""
        return any(e.kind == kind and e.begun > self.marks[3] and e.status != 503 for e in self.events)

    def recovery(self, *kinds):
        """Seconds from the return of the dependency until nothing that is asked fails any more."""
        back = self.marks[3]
        after = [e for e in self.events if e.kind in kinds and e.begun > back]
        return max([e.ended - back for e in after if e.status == 503], default=0.0)

    # ---- what has to hold ----

    def assert_served(self, case, *kinds, share=0.0):
        """These did not fail while the fault lasted, but for so large a share of them."""
        found = self.during(*kinds)
        case.assertGreater(len(found), 10, kinds)
        failed = [(e.kind, e.status, e.code, round(e.begun - self.marks[0], 2)) for e in found if e.status == 503]
        case.assertLessEqual(len(failed), share * len(found), f'could have been answered: {failed[:5]}...')

    def assert_refused(self, case, *kinds, late):
        """All of these failed while the fault lasted, but for its first so many seconds."""
        found = self.during(*kinds, late=late)
        case.assertGreater(len(found), 1, kinds)
        served = [(e.kind, e.status, round(e.begun - self.marks[0], 2)) for e in found if e.status != 503]
        case.assertEqual(served[:5], [], f'{len(served)} of {len(found)} could not be known')

    def assert_alive(self, case):
        found = [e for e in self.events if e.kind == 'live']
        case.assertEqual({e.status for e in found}, {200})
        case.assertLess(max(e.ended - e.begun for e in found), ALIVE)

    def assert_recovered(self, case, within=RECOVERY):
        """Prints how long it took."""
        took = {kind: self.recovery(kind) for kind in ASKED}
        worst = max(self.events, key=lambda e: e.ended - e.begun)
        ill = collections.Counter((e.kind, e.status) for e in self.during(*ASKED))
        print(f'\n{case.id().rpartition(".")[2]}: recovered after '
              f'{max(took.values()) * 1000:.0f} ms, slowest answer {worst.ended - worst.begun:.2f} s ({worst.kind}), '
              f'meanwhile {dict(sorted((f"{kind} {status}", n) for (kind, status), n in ill.items()))}', flush=True)
        slow = {kind: round(seconds, 2) for kind, seconds in took.items() if seconds > within}
        case.assertEqual(slow, {}, 'seconds until nothing failed any more')
        case.assertEqual([kind for kind in ASKED if not self.well(kind)], [], 'none of these after the fault')

    def assert_sane(self, case):
        """What holds whatever the fault is."""
        case.assertEqual(self.wrong[:5], [], f'{len(self.wrong)} of {len(self.events)} answers')
        self.assert_alive(case)
        self.verify(case)

