"""Every change leaves an event that other services read from a stream in Redis: each at least once, in order, whoever
dies meanwhile; and of all nodes one does it."""
import json
import time
import unittest
import uuid

from support import Case, Server, register
from support.dependencies import OwnDatabase, Services

services = None
LIFE = 10               # seconds that a duty outlives its node


def setUpModule():
    global services
    services = Services().start()


def tearDownModule():
    services.finish()


class Outbox(Case):
    def setUp(self):
        self.store = OwnDatabase(services.postgres)
        self.store.make()
        self.servers = []

    def tearDown(self):
        for server in self.servers:
            server.destroy()
        self.store.destroy()

    def server(self):
        server = Server(engine='sqlite', DATABASE_URL=self.store.url, JWT_SECRET=self.store.secret,
                        REDIS_URL=services.redis.url(), REDIS_PREFIX=f'{self.store.name}:')
        server.store, server.beside = self.store, True
        self.servers.append(server)
        return server.start()

    def stream(self):
        """The events that were handed on, each a dict."""
        found = services.redis.ask('XRANGE', f'{self.store.name}:events', '-', '+')
        return [dict(zip(fields[::2], fields[1::2])) for _, fields in found]

    def waiting(self):
        return int(services.postgres.psql('select count(*) as n from outbox', self.store.name)[0]['n'])

    def until_empty(self, seconds=5):
        until = time.monotonic() + seconds
        while self.waiting():
            self.assertLess(time.monotonic(), until, 'events are left')
            time.sleep(0.05)

    def create(self, me, n):
        return [me.made('startups', {'name': 'n'})['id'] for _ in range(n)]

    def targets(self, event='startup.create'):
        return [told['target'] for told in self.stream() if told['event'] == event]

    def test_each_change_is_told_once_and_in_order(self):
        server = self.server()
        me = register(server)
        ids = self.create(me, 150)
        self.assert_status(me.patch(f'startups/{ids[0]}', {'name': 'new'}), 200)
        self.assert_status(me.delete(f'startups/{ids[1]}'), 204)
        self.until_empty()
        self.assertEqual(self.targets(), ids)
        self.assertEqual((self.targets('startup.update'), self.targets('startup.delete')), ([ids[0]], [ids[1]]))
        told = [event for event in self.stream() if event['target'] == ids[0]]
        for event in told:
            self.assertEqual(set(event), {'id', 'event', 'target', 'principal', 'at', 'payload'})
            self.assertEqual(event['principal'], me.id)
            self.assertEqual(list(json.loads(event['payload'])), ['fields'])
            self.assertRegex(event['at'], r'^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$')
            uuid.UUID(event['id'])
        server.finish()

    def test_what_failed_is_not_told(self):
        server = self.server()
        me = register(server)
        self.create(me, 1)
        self.assert_status(me.post('startups', {'name': ''}), 422)
        self.assert_status(me.delete('startups/' + me.id), 404)
        self.until_empty()
        self.assertEqual(len(self.targets()), 1)
        server.finish()

    def test_events_wait_for_redis(self):
        server = self.server()
        me = register(server)
        self.until_empty()
        services.redis.kill()
        try:
            ids = self.create(me, 40)
            time.sleep(1)
            self.assertEqual(self.waiting(), 40)
        finally:
            services.redis.start()
        self.until_empty(10)
        self.assertEqual(self.targets(), ids)
        server.finish()

    def test_two_nodes_tell_each_event_once(self):
        one, two = self.server(), self.server()
        found = [self.create(register(server), 20) for server in (one, two)]
        self.until_empty()
        told = self.targets()
        self.assertEqual(sorted(told), sorted(found[0] + found[1]))
        for ids in found:
            self.assertEqual([id for id in told if id in ids], ids)
        for server in (two, one):
            server.finish()

    def test_another_takes_over_at_once_from_who_leaves(self):
        one, two = self.server(), self.server()
        me = register(two)
        one.finish()
        ids = self.create(me, 5)
        self.until_empty(6)
        self.assertEqual(self.targets(), ids)
        two.finish()

    def test_another_takes_over_in_time_from_who_dies(self):
        one, two = self.server(), self.server()
        me = register(two)
        self.until_empty()
        one.kill()
        ids = self.create(me, 5)
        self.until_empty(LIFE + 6)
        self.assertEqual(self.targets(), ids)
        two.finish()


if __name__ == '__main__':
    unittest.main()
