"""Behind PgBouncer in transaction mode: each transaction may be on another connection, so nothing of a session can be
counted on, prepared statements least of all."""
import threading
import time
import unittest
import uuid

from support import Api, Case, PgBouncer, on_every_worker, person, register, together
from support.dependencies import HELD_UP, RECOVERY, Crowd, Services, Stand

POOL = 4                # connections of the pooler to PostgreSQL
CLIENTS = 20

services = bouncer = stand = None


def setUpModule():
    global services, bouncer, stand
    services = Services().start()
    bouncer = PgBouncer(services.path('bouncer'), services.postgres, default_pool_size=POOL).start()
    stand = Stand(bouncer, services.redis, DATABASE_POOLER='transaction').start()


def tearDownModule():
    stand.finish()
    bouncer.stop()
    bouncer.destroy()
    services.finish()


class Pooler(Case):
    def tearDown(self):
        """No statement was missed, and the pooler kept to its number."""
        for text in (stand.server.text(), bouncer.text(), services.postgres.text()):
            self.assertNotRegex(text, r'prepared statement .* (does not|already) exist')
            self.assertNotRegex(text, r'unsupported startup parameter')

    def connections(self):
        return int(services.postgres.psql('select count(*) as n from pg_stat_activity '
                                          f"where datname = '{stand.store.name}'")[0]['n'])

    def client(self, number):
        """Everything that a client does, from sign-up to sign-out."""
        me = register(stand.server)
        names = [f'{number} {n}' for n in range(12)]
        rows = [me.made('startups', {'name': name}, {'Idempotency-Key': str(uuid.uuid4())}) for name in names]
        found = [row['name'] for row in me.walk('startups', limit=5, sort='created_at')]
        self.assertEqual(found, names)
        one = rows[0]
        self.assertEqual(self.assert_status(me.get(f'startups/{one["id"]}'), 200).json, one)
        changed = self.assert_status(me.patch(f'startups/{one["id"]}', {'stage': 'seed'}, {'If-Match': '"v1"'}), 200)
        self.assertEqual((changed.json['stage'], changed.json['version']), ('seed', 2))
        self.assert_problem(me.patch(f'startups/{one["id"]}', {'stage': 'a'}, {'If-Match': '"v1"'}), 412)
        other = me.made('agents', {'name': 'b'})['id']
        self.assert_status(me.delete(f'agents/{other}'), 204)
        self.assert_problem(me.get(f'agents/{other}'), 404)

        agent = me.made('agents', {'name': 'a'})['id']
        ids = {me.made('tasks', {'agent_id': agent})['id'] for _ in range(6)}
        claimed = {}
        while len(claimed) < 6:
            items = self.assert_status(me.post('tasks/claim', {'agent_id': agent, 'limit': 3, 'lease_seconds': 60}),
                                       200).json['items']
            self.assertTrue(items)
            for item in items:
                self.assertNotIn(item['id'], claimed, 'claimed twice')
                claimed[item['id']] = item['lease']
        self.assertEqual(set(claimed), ids)
        for id, lease in claimed.items():
            self.assert_status(me.post(f'tasks/{id}/complete', {'lease': lease, 'result': {'n': 1}}), 200)

        traded = self.assert_status(me.post('auth/refresh', {'refresh_token': me.refresh_token}), 200).json
        me.token = traded['access_token']
        self.assert_status(me.post('auth/logout'), 200, 204)
        self.assert_status(me.get('auth/me'), 401)
        me.close()

    def test_all_that_a_client_does(self):
        seen, stop = [], threading.Event()

        def watch():
            while not stop.is_set():
                seen.append(self.connections())
                time.sleep(0.2)
        watcher = threading.Thread(target=watch)
        watcher.start()
        begun = time.monotonic()
        try:
            together([lambda n=n: self.client(n) for n in range(CLIENTS)])
        finally:
            stop.set()
            watcher.join()
        print(f'\n{CLIENTS} clients in {time.monotonic() - begun:.1f} s, at most {max(seen)} connections behind the '
              'pooler', flush=True)
        self.assertGreater(max(seen), 0)
        self.assertLessEqual(max(seen), POOL)

    def test_a_sign_in_and_an_operator(self):
        me = register(stand.server)
        self.assertEqual(me.again().id, me.id)
        admin = person(stand.server, 'admin')
        self.assert_status(admin.get('users'), 200)
        self.assertEqual(set(on_every_worker(stand.server, admin.token, 'startups')), {200})
        for one in (me, admin):
            one.close()

    def test_a_change_that_fails_leaves_nothing_behind(self):
        me = register(stand.server)
        with Api(stand.server) as api:
            for _ in range(10):
                self.assert_status(api.post('auth/register', {'email': me.email, 'password': me.password}), 409, 429)
        self.assertEqual(set(on_every_worker(stand.server, me.token, 'startups')), {200})
        self.assertEqual(stand.server.query('select count(*) as n from users where email = ?', me.email)[0]['n'], 1)
        me.close()

    def test_the_pooler_starts_anew(self):
        """A second time by a crash."""
        for end in (bouncer.stop, bouncer.kill):
            with Crowd(stand.server) as crowd:
                crowd.suffer(end, 0.5, bouncer.start)
            crowd.assert_recovered(self)
            crowd.assert_sane(self)
            crowd.assert_served(self, 'read', share=HELD_UP)

    def test_its_pool_is_waited_for(self):
        """All its connections are in the hands of others for a while."""
        me = register(stand.server)
        table = threading.Thread(target=services.postgres.psql, args=(
            'begin; lock table startups in access exclusive mode; select pg_sleep(0.8); commit', stand.store.name))
        table.start()
        time.sleep(0.3)
        found = together([lambda: me.again().get('startups').status for _ in range(8)])
        table.join()
        self.assertLessEqual(set(found), {200, 503})
        limit = time.monotonic() + RECOVERY
        while set(on_every_worker(stand.server, me.token, 'startups', 6)) != {200}:
            self.assertLess(time.monotonic(), limit)
        me.close()


if __name__ == '__main__':
    unittest.main()
