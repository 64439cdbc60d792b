"""Redis is down, hangs, is slow, resets, takes no change, forgets all, has no connection left, has moved: at start and
in the middle of load. Nobody notices: caches and limits are this node's own meanwhile, limits still refuse, what was
ended stays ended, and it passes without a restart."""
import os
import random
import socket
import time
import unittest
from unittest import mock

from support import Api, Case, Redis, Sentinel, Server, login, on_every_worker, register
from support.dependencies import RECOVERY, Crowd, Services, Stand

FAULT = 1.5             # seconds
ALL = ('read', 'me', 'list', 'write', 'pry', 'login', 'refresh', 'ready')

services = None


def setUpModule():
    global services
    services = Services().start()


def tearDownModule():
    services.finish()


class Full:
    """No more clients for a Redis than this one."""

    def __init__(self, redis):
        self.peer = socket.create_connection(('127.0.0.1', redis.port), 5)

    def say(self, limit):
        self.peer.sendall(b'CONFIG SET maxclients %d\r\n' % limit)
        answer = self.peer.recv(100)
        assert answer == b'+OK\r\n', answer

    def take(self):
        self.say(1)

    def leave(self):
        self.say(10000)
        self.peer.close()


def used_again(redis, seconds=RECOVERY + 2):
    """Empties a Redis; seconds until something is kept there again."""
    begun = time.monotonic()
    redis.ask('FLUSHALL')
    while redis.ask('DBSIZE') == 0:
        if time.monotonic() > begun + seconds:
            raise AssertionError(f'nothing is kept there after {seconds} s')
        time.sleep(0.01)
    return time.monotonic() - begun


def in_step(replica):
    """Until it has all that its primary has."""
    limit = time.monotonic() + 15               # the primary waits some seconds for more replicas
    while replica.ask('ROLE')[3] != 'connected':
        assert time.monotonic() < limit, replica.text()[-1000:]
        time.sleep(0.02)


class Fault(Case):
    """One server for all: what a fault leaves behind would meet the next one."""

    @classmethod
    def setUpClass(cls):
        cls.stand = Stand(services.postgres, services.redis).start()

    @classmethod
    def tearDownClass(cls):
        cls.stand.finish()

    def setUp(self):
        self.addCleanup(self.stand.heal)

    def suffer(self, harm, mend, seconds=FAULT):
        """Nothing of what anybody does fails, and Redis is in use again soon afterwards."""
        took = []

        def mend_and_look():
            mend()
            took.append(used_again(services.redis))
        with Crowd(self.stand.server) as crowd:
            crowd.suffer(harm, seconds, mend_and_look)
        print(f'\n{self.id().rpartition(".")[2]}: Redis in use {took[0] * 1000:.0f} ms after its return, '
              f'{len(crowd.events)} answers', flush=True)
        crowd.assert_sane(self)
        crowd.assert_served(self, *ALL)
        self.assertLess(took[0], RECOVERY)

    def test_down(self):
        self.suffer(self.stand.cache.cut, self.stand.heal)

    def test_paused(self):
        self.suffer(self.stand.cache.pause, self.stand.heal)

    def test_deaf(self):
        self.suffer(lambda: self.stand.cache.pause('to_server'), self.stand.heal)

    def test_mute(self):
        self.suffer(lambda: self.stand.cache.pause('to_client'), self.stand.heal)

    def test_slow(self):
        self.suffer(lambda: self.stand.cache.slow(2), self.stand.heal)

    def test_reset(self):
        self.suffer(self.stand.cache.reset_once, lambda: None, seconds=0.5)

    def test_it_takes_no_change(self):
        """As a replica does, here of nobody."""
        redis = services.redis
        self.addCleanup(redis.ask, 'REPLICAOF', 'NO', 'ONE')
        self.suffer(lambda: redis.ask('REPLICAOF', '127.0.0.1', '1'), lambda: redis.ask('REPLICAOF', 'NO', 'ONE'))

    def test_it_forgets_all(self):
        def harm():
            for _ in range(5):
                services.redis.ask('FLUSHALL')
                services.redis.ask('SCRIPT', 'FLUSH')
                time.sleep(0.2)
        self.suffer(harm, lambda: None, seconds=0)

    def test_no_connection_is_left(self):
        full = Full(services.redis)

        def harm():
            full.take()
            self.stand.cache.reset_once()
        self.suffer(harm, full.leave)

    def test_health_names_it(self):
        with Api(self.stand.server) as api:
            self.until(lambda: api.get('/health').json['status'] == 'ok')
            self.stand.cache.cut()
            time.sleep(0.3)
            for path in ('/health/live', '/health/ready'):
                self.assert_status(api.get(path), 200)
            whole = self.assert_status(api.get('/health'), 200).json
            self.assertEqual(whole['store']['status'], 'ok')
            self.assertEqual(whole['status'], 'degraded')
            self.assertNotEqual(whole['cache']['status'], 'ok')
            self.stand.heal()
            self.until(lambda: api.get('/health').json['status'] == 'ok')

    def until(self, holds, seconds=RECOVERY + 0.5):
        limit = time.monotonic() + seconds
        while not holds():
            self.assertLess(time.monotonic(), limit, f'not within {seconds} s')
            time.sleep(0.02)


class Ended(Case):
    """What Redis remembers of a session that was ended behind its back is not believed."""

    def test_while_it_was_away(self):
        with Stand(services.postgres, services.redis) as stand:
            with self.second(stand) as other:
                me = register(stand.server)
                for server in (stand.server, other):
                    self.assertEqual(set(on_every_worker(server, me.token, times=12)), {200})
                stand.cache.cut()
                self.assert_status(me.post('auth/logout'), 200, 204)
                self.assertEqual(set(on_every_worker(stand.server, me.token, times=8)), {401})
                time.sleep(1.2)     # the other node hears it from PostgreSQL
                self.assertEqual(set(on_every_worker(other, me.token, times=8)), {401})
                stand.heal()
                until = time.monotonic() + 2
                while time.monotonic() < until:
                    for server in (stand.server, other):
                        self.assertEqual(set(on_every_worker(server, me.token, times=4)), {401})
                me.close()

    def second(self, stand):
        """Another node, which reaches Redis all along."""
        settings = {name: stand.server.settings[name] for name in
                    ('DATABASE_URL', 'JWT_SECRET', 'DATABASE_TIMEOUT', 'REDIS_PREFIX')}
        return Server(beside=stand.server, **settings, REDIS_URL=services.redis.url())

    def test_when_a_replica_takes_over_that_missed_it(self):
        primary = Redis(services.path('first')).start()
        replica = Redis(services.path('second'), replica_of=primary).start()
        try:
            in_step(replica)
            with Stand(services.postgres, primary) as stand:
                gone, here = register(stand.server), register(stand.server)
                for person in (gone, here):
                    self.assertEqual(set(on_every_worker(stand.server, person.token, times=12)), {200})
                time.sleep(0.5)
                replica.ask('REPLICAOF', 'NO', 'ONE')
                self.assertGreater(replica.ask('DBSIZE'), 0)
                self.assert_status(gone.post('auth/logout'), 200, 204)
                stand.cache.retarget(replica.port)
                stand.cache.reset_once()
                until = time.monotonic() + 2
                while time.monotonic() < until:
                    self.assertEqual(set(on_every_worker(stand.server, gone.token, times=4)), {401})
                    self.assertEqual(set(on_every_worker(stand.server, here.token, times=2)), {200})
                for person in (gone, here):
                    person.close()
        finally:
            replica.destroy()
            primary.destroy()


def is_master(redis):
    """Sentinel ends every connection of whom it promotes, ours too."""
    try:
        return redis.ask('ROLE')[0] == 'master'
    except (ConnectionError, EOFError):
        return False


class Failover(Case):
    def test_sentinel_promotes_a_replica(self):
        primary = Redis(services.path('first')).start()
        replica = Redis(services.path('second'), replica_of=primary).start()
        sentinel = Sentinel(services.path('sentinel'), primary).start()
        try:
            in_step(replica)
            until = time.monotonic() + 15       # it asks the primary for its replicas every 10 s
            while not sentinel.ask('SENTINEL', 'replicas', sentinel.name):
                self.assertLess(time.monotonic(), until)
                time.sleep(0.05)
            with Stand(services.postgres, services.redis,
                       REDIS_URL=f'redis+sentinel://127.0.0.1:{sentinel.port}/{sentinel.name}/0') as stand:
                took = []

                def harm():
                    primary.kill()
                    limit = time.monotonic() + 20
                    while not is_master(replica):
                        self.assertLess(time.monotonic(), limit, sentinel.text()[-2000:])
                        time.sleep(0.01)
                    took.append(used_again(replica, 5))
                with Crowd(stand.server) as crowd:
                    crowd.suffer(harm, 0, lambda: None)
                print(f'\nSentinel: the promoted one is in use {took[0] * 1000:.0f} ms after its promotion', flush=True)
                crowd.assert_sane(self)
                crowd.assert_served(self, *ALL)
                self.assertLess(took[0], RECOVERY)
        finally:
            for service in (sentinel, replica, primary):
                service.destroy()


class Limits(Case):
    LIMIT = 60

    def test_they_stay_bounded_and_still_refuse(self):
        with Stand(services.postgres, services.redis, RATE_LIMIT_PROFILE='standard', RATE_LIMIT_REQUESTS=self.LIMIT,
                   RATE_LIMIT_WINDOW=60) as stand:
            me = register(stand.server)
            admitted = self.ask(me, 20)
            self.assertEqual(admitted, 20)
            stand.cache.cut()
            while_lost = self.ask(me, 2 * self.LIMIT)
            # Those before are Redis' knowledge; one node's share is the whole limit.
            self.assertLessEqual(while_lost, self.LIMIT)
            self.assertGreater(while_lost, 0)
            stand.heal()
            time.sleep(RECOVERY)
            again = self.ask(me, 2 * self.LIMIT)
            self.assertLessEqual(admitted + again, self.LIMIT, 'what Redis knows of has been forgotten')
            print(f'\nlimit {self.LIMIT}: {admitted} before, {while_lost} while Redis was lost, {again} after')
            me.close()

    def ask(self, me, times):
        """How many are admitted."""
        admitted = 0
        for _ in range(times):
            reply = self.assert_status(me.get('auth/me'), 200, 429)
            admitted += reply.status == 200
            if reply.status == 429:
                self.assertGreaterEqual(int(reply.get('Retry-After')), 1)
        return admitted

    def test_failed_sign_ins_stay_bounded(self):
        with Stand(services.postgres, services.redis) as stand:
            me = register(stand.server)
            me.close()
            stand.cache.cut()
            with Api(stand.server) as api:
                found = [login(api, me.email, 'not the right one').status for _ in range(12)]
            self.assertLessEqual(found.count(401), 5)
            self.assertEqual(set(found), {401, 429})


class AtStart(Case):
    def start(self, harm, mend):
        stand = Stand(services.postgres, services.redis)
        self.addCleanup(stand.close)
        harm(stand)
        begun = time.monotonic()
        stand.server.start()
        took = time.monotonic() - begun
        me = register(stand.server)
        row = me.made('startups', {'name': 'n'})
        for path in ('auth/me', f'startups/{row["id"]}', 'startups'):
            self.assertEqual(set(on_every_worker(stand.server, me.token, path, 8)), {200})
        mend(stand)
        services.redis.ask('FLUSHALL')
        begun = time.monotonic()
        while services.redis.ask('DBSIZE') == 0:
            self.assertLess(time.monotonic() - begun, RECOVERY + 1, 'Redis is not used')
            self.assertEqual(set(on_every_worker(stand.server, me.token, f'startups/{row["id"]}', 4)), {200})
            self.assert_status(me.patch(f'startups/{row["id"]}', {'metadata': {'n': 1}}), 200)
        print(f'\nat start {self.id().rpartition(".")[2]}: ready after {took:.2f} s, Redis in use '
              f'{time.monotonic() - begun:.2f} s after its return', flush=True)
        me.close()
        stand.finish()

    def test_down(self):
        self.start(lambda stand: stand.cache.cut(), Stand.heal)

    def test_paused(self):
        self.start(lambda stand: stand.cache.pause(), Stand.heal)

    def test_slow(self):
        self.start(lambda stand: stand.cache.slow(2), Stand.heal)

    def test_it_takes_no_change(self):
        redis = services.redis
        self.addCleanup(redis.ask, 'REPLICAOF', 'NO', 'ONE')
        self.start(lambda _: redis.ask('REPLICAOF', '127.0.0.1', '1'), lambda _: redis.ask('REPLICAOF', 'NO', 'ONE'))

    def test_no_connection_is_left(self):
        full = Full(services.redis)
        self.start(lambda _: full.take(), lambda _: full.leave())


class Storm(Case):
    """Ten seconds of faults of both, drawn from a known seed."""

    def test_of_both(self):
        drawn = random.Random(20)
        # What is freed shall be seen as free: a sanitizer keeps it for a while.
        options = os.environ.get('ASAN_OPTIONS', '') + ':quarantine_size_mb=8'
        with mock.patch.dict(os.environ, ASAN_OPTIONS=options), Stand(services.postgres, services.redis) as stand:
            with Crowd(stand.server) as crowd:
                time.sleep(1)
                before = memory(stand.server)
                begun = time.monotonic()
                while time.monotonic() < begun + 10:
                    proxy = drawn.choice([stand.database, stand.cache])
                    drawn.choice([proxy.cut, proxy.pause, proxy.reset_once, proxy.refuse_new, proxy.heal, proxy.heal,
                                  lambda: proxy.slow(0.3), lambda: proxy.pause('to_server'),
                                  lambda: proxy.pause('to_client')])()
                    time.sleep(drawn.uniform(0.05, 0.5))
                crowd.suffer(lambda: None, 0, stand.heal, before=0)
                after = memory(stand.server)
            print(f'\nstorm: {len(crowd.events)} answers, {len(crowd.made)} changes, memory {before >> 20} -> '
                  f'{after >> 20} MiB', flush=True)
            crowd.assert_recovered(self)
            crowd.assert_sane(self)
            self.assertLess(after, 2 * before + (32 << 20))     # queues and connections come and go
            self.assertEqual([line for line in stand.server.lines() if line.get('event') == 'worker.ended'], [])


def memory(server):
    """Resident bytes of the workers."""
    total = 0
    for pid in server.workers():
        with open(f'/proc/{pid}/statm') as file:
            total += int(file.read().split()[1]) * os.sysconf('SC_PAGESIZE')
    return total


if __name__ == '__main__':
    unittest.main()
