"""Two nodes on one database and one Redis: what one of them changes, the other knows within a second."""
import re
import time
import unittest
from datetime import datetime, timedelta, timezone

from support import (Api, Case, PASSWORD, Person, Server, fresh_source, on_every_worker, person, register, together,
                     uuid7)

ENGINES = 'postgres'
FRESH = 1.0         # seconds, at most
LIMIT = 40

one = two = None


def setUpModule():
    global one, two
    one = Server().start()
    two = Server(beside=one).start()


def tearDownModule():
    two.finish()
    one.finish()


class Nodes(Case):
    def until(self, wanted, what):
        """Holds within the time, and from then on."""
        begun = time.monotonic()
        while not wanted():
            self.assertLess(time.monotonic() - begun, FRESH, what)
        for _ in range(3):
            self.assertTrue(wanted(), f'{what}: and then not')

    def knows(self, server, token, status=200, path='auth/me', **who):
        """Every worker of the node answers so; what it needs for that is in its memory from then on."""
        self.until(lambda: set(on_every_worker(server, token, path, times=6, **who)) == {status}, f'{path}: {status}')


class Freshness(Nodes):
    def test_a_token_of_one_is_good_at_the_other_at_once(self):
        for here, there in ((one, two), (two, one)):
            me = register(here)
            self.assertEqual(set(on_every_worker(there, me.token, times=6)), {200})

    def test_what_is_made_at_one_is_there_at_the_other_at_once(self):
        me = register(one)
        with Api(two, token=me.token) as api:
            for _ in range(10):
                row = me.made('startups', {'name': 'n'})
                self.assertEqual(api.get(f'startups/{row["id"]}').json, row)

    def test_logged_out_at_one_is_refused_at_the_other(self):
        me = register(one)
        self.knows(two, me.token)
        self.assert_status(me.post('auth/logout'), 200, 204)
        self.knows(two, me.token, 401)

    def test_a_new_role_counts_at_the_other(self):
        boss, me = person(one, 'admin'), person(two, 'admin')
        self.knows(two, me.token, path='users')
        version = boss.get(f'users/{me.id}').get('ETag')
        self.assert_status(boss.patch(f'users/{me.id}', {'role': 'viewer'}, {'If-Match': version}), 200)
        self.knows(two, me.token, 401, 'users')
        me.sign_in()
        self.knows(two, me.token, 403, 'users')

    def test_fewer_permissions_of_a_role_count_at_the_other(self):
        boss = person(one, 'admin')
        role = boss.made('roles', {'name': 'r' + uuid7()[-12:], 'permissions': ['startup:read', 'agent:read']})
        me = register(two)
        self.assert_status(boss.patch(f'users/{me.id}', {'role': role['name']}), 200)
        me.sign_in()
        self.knows(two, me.token, path='agents')
        self.assert_status(boss.patch(f'roles/{role["id"]}', {'permissions': ['startup:read']}), 200)
        self.knows(two, me.token, 403, 'agents')

    def test_who_is_held_back_at_one_is_at_the_other(self):
        boss, me, source = person(one, 'admin'), register(two), fresh_source()
        self.knows(two, me.token)
        until = (datetime.now(timezone.utc) + timedelta(hours=1)).isoformat().replace('+00:00', 'Z')
        rows = [boss.made('restraints', {'kind': kind, 'subject': subject, 'until': until})
                for kind, subject in (('principal', me.id), ('address', source))]
        self.knows(two, me.token, 429)
        self.knows(two, None, 429, '/openapi.json', source=source)
        for row in rows:
            self.assert_status(boss.delete('restraints/' + row['id']), 204)
        self.knows(two, me.token)
        self.knows(two, None, 200, '/openapi.json', source=source)

    def test_a_password_reset_by_the_operator_of_one(self):
        me = register(two)
        self.knows(two, me.token)
        status, _, err = one.run('user', 'reset', '--email', me.email, text='another password\n')
        self.assertEqual(status, 0, err)
        self.knows(two, me.token, 401)

    def test_an_api_key_that_ended_at_one_ends_at_the_other(self):
        me = register(one)
        reply = me.post('api-keys', {'name': 'k', 'scopes': ['startup:read']})
        key = re.search(r'gh_\w{8}_[\w-]{43}', reply.body.decode())[0]
        self.knows(two, None, path='startups', key=key)
        self.assert_status(me.delete(f'api-keys/{reply.json["id"]}'), 204)
        self.knows(two, None, 401, 'startups', key=key)

    def test_a_row_that_changed_at_one_is_new_at_the_other(self):
        me = register(one)
        row = me.made('startups', {'name': 'old'})
        with Api(two, token=me.token) as api:
            def name():
                reply = api.get(f'startups/{row["id"]}')
                return reply.json['name'] if reply.status == 200 else reply.status
            self.assertEqual(name(), 'old')
            self.assert_status(me.patch(f'startups/{row["id"]}', {'name': 'new'}), 200)
            self.until(lambda: name() == 'new', 'the new name')
            self.assert_status(me.delete(f'startups/{row["id"]}'), 204)
            self.until(lambda: name() == 404, 'the end')

    def test_a_new_key_of_one_is_known_at_the_other(self):
        status, _, err = one.run('keys', 'rotate')
        self.assertEqual(status, 0, err)
        me = register(one)
        self.knows(two, me.token)
        self.assertEqual(Person(two, me.email, PASSWORD).id, me.id)


class Together(Nodes):
    def test_one_idempotency_key_at_both_makes_one_row(self):
        me = register(one)
        for _ in range(5):
            key, name = {'Idempotency-Key': uuid7()}, uuid7()

            def make(server):
                with Api(server, token=me.token) as api:
                    return api.post('startups', {'name': name}, key).status
            found = together([lambda server=server: make(server) for server in (one, two) * 3])
            self.assertLessEqual(set(found), {201, 409}, found)
            self.assertIn(201, found)
            self.assertEqual(one.query('select count(*) as n from startups where name = ?', name)[0]['n'], 1)

    def test_a_task_is_claimed_at_one_of_them(self):
        me = register(one)
        agent = me.made('agents', {'name': 'a'})['id']
        ids = {me.made('tasks', {'agent_id': agent})['id'] for _ in range(40)}

        def claim(server):
            found = []
            with Api(server, token=me.token) as api:
                while items := api.post('tasks/claim', {'limit': 3}).json['items']:
                    found += [item['id'] for item in items]
            return found
        claimed = sum(together([lambda server=server: claim(server) for server in (one, two) * 2]), [])
        self.assertEqual((len(claimed), set(claimed)), (len(ids), ids))


class Limits(Nodes):
    def test_the_sum_of_both_is_limited(self):
        settings = {'RATE_LIMIT_REQUESTS': LIMIT, 'RATE_LIMIT_PROFILE': 'standard'}
        with Server(**settings) as here, Server(beside=here, **settings) as there:
            me = register(here)
            with Api(there, token=me.token) as api:
                halves = [[who.get('auth/me').status for _ in range(LIMIT // 2)] for who in (me, api)]
                self.assertEqual(halves, [[200] * (LIMIT // 2)] * 2)
                for who in (me, api, me, api):
                    self.assert_problem(who.get('auth/me'), 429, 'too_many_requests')


if __name__ == '__main__':
    unittest.main()
