"""Windows: exact, shared by the workers, and not to be got around."""
import re
import threading
import time
import unittest
import uuid

from support import (API, Api, Case, Conn, Server, claims, fresh_email, fresh_source, login, person, register, request,
                     together, uuid7)

LIMIT = 20


class Limited(Case):
    settings = {}

    @classmethod
    def setUpClass(cls):
        cls.server = Server(**{'RATE_LIMIT_PROFILE': 'standard', **cls.settings}).start()

    @classmethod
    def tearDownClass(cls):
        cls.server.finish()

    def burst(self, connections, each, path='auth/me', **who):
        """Statuses of that many requests over that many connections at once."""
        def ask():
            with Api(self.server, **who) as api:
                return [api.get(path).status for _ in range(each)]
        return [status for found in together([ask] * connections) for status in found]


class User(Limited):
    settings = {'RATE_LIMIT_REQUESTS': LIMIT, 'RATE_LIMIT_WINDOW': 60}

    def test_exactly_so_many_over_many_connections_and_both_workers(self):
        me = register(self.server)
        found = self.burst(16, 5, token=me.token)
        self.assertEqual(found.count(200), LIMIT, found)
        self.assertEqual(found.count(429), 80 - LIMIT)

    def test_exactly_so_many_in_a_pipeline(self):
        me = register(self.server)
        found = [reply.status for reply in me.many([('GET', 'auth/me', None)] * 50)]
        self.assertEqual(found, [200] * LIMIT + [429] * 30)

    def test_another_address_makes_no_difference(self):
        me = register(self.server)
        found = []
        for _ in range(30):
            with Api(self.server, token=me.token, source=fresh_source()) as api:
                found.append(api.get('auth/me').status)
        self.assertEqual(found.count(200), LIMIT)

    def test_another_session_makes_no_difference(self):
        me = register(self.server)
        other = me.again()
        found = [one.get('auth/me').status for _ in range(20) for one in (me, other)]
        self.assertEqual(found.count(200), LIMIT)

    def test_an_api_key_is_its_owner(self):
        me = register(self.server)
        key = re.search(r'gh_\w{8}_[\w-]{43}', me.post('api-keys', {'name': 'k', 'scopes': ['startup:read']})
                        .body.decode())[0]
        with Api(self.server, key=key) as api:
            found = [one.get('startups').status for _ in range(20) for one in (me, api)]
        self.assertEqual(found.count(200), LIMIT - 1)

    def test_users_do_not_share(self):
        a, b = register(self.server), register(self.server)
        self.burst(1, 30, token=a.token)
        self.assertEqual(self.burst(1, LIMIT, token=b.token), [200] * LIMIT)

    def test_what_is_not_found_counts_too(self):
        me = register(self.server)
        found = [me.get('startups/' + uuid7()).status for _ in range(LIMIT + 5)]
        self.assertEqual(found, [404] * LIMIT + [429] * 5)

    def test_the_headers_count_down(self):
        me = register(self.server)
        left = []
        for n in range(5):
            reply = me.get('auth/me')
            self.assertEqual(reply.get('RateLimit-Limit'), str(LIMIT))
            left.append(int(reply.get('RateLimit-Remaining')))
            self.assertTrue(1 <= int(reply.get('RateLimit-Reset')) <= 61, reply)
        self.assertEqual(left, list(range(LIMIT - 1, LIMIT - 6, -1)))

    def test_a_refusal(self):
        me = register(self.server)
        replies = [me.get('auth/me') for _ in range(LIMIT + 1)]
        reply = replies[-1]
        self.assert_problem(reply, 429, 'too_many_requests')
        self.assertTrue(1 <= int(reply.get('Retry-After')) <= 61, reply)
        self.assertEqual(reply.get('RateLimit-Remaining'), '0')
        self.assertFalse(reply.closes)

    def test_a_refused_change_is_not_made(self):
        me = register(self.server)
        found = [me.post('startups', {'name': 'n'}).status for _ in range(LIMIT + 10)]
        self.assertEqual((found.count(201), found.count(429)), (LIMIT, 10))
        rows = self.server.query('select count(*) as n from startups where owner_id = ?', uuid.UUID(me.id))
        self.assertEqual(rows[0]['n'], LIMIT)

    def test_health_is_exempt(self):
        me = register(self.server)
        for path in ('/health', '/health/live', '/health/ready'):
            self.assertEqual(set(self.burst(1, LIMIT + 10, path, token=me.token)), {200})

    def test_forwarded_addresses_do_not_free_a_user(self):
        me = register(self.server)
        found = [me.get('auth/me', {'X-Forwarded-For': f'9.9.9.{n}'}).status for n in range(LIMIT + 5)]
        self.assertEqual(found.count(200), LIMIT)


class Sliding(Limited):
    settings = {'RATE_LIMIT_REQUESTS': 5, 'RATE_LIMIT_WINDOW': 2}

    def test_no_interval_of_that_length_ever_admits_more(self):
        """Six admitted requests never fit into one window; and after a window there is always room again."""
        me = register(self.server)
        admitted, lock = [], threading.Lock()
        until = time.monotonic() + 7

        def ask():
            with Api(self.server, token=me.token) as api:
                while time.monotonic() < until:
                    sent = time.monotonic()
                    status = api.get('auth/me').status
                    if status == 200:
                        with lock:
                            admitted.append((sent, time.monotonic()))
                    time.sleep(0.02)     # all in all fewer than the window of the address takes
        together([ask] * 4)
        admitted.sort()
        ended = sorted(end for _, end in admitted)
        for i in range(len(admitted) - 5):
            self.assertGreaterEqual(ended[i + 5] - admitted[i][0], 2.0, f'six within one window, from number {i}')
        self.assertGreaterEqual(len(admitted), 15, 'the window lets through less than it should')

    def test_retry_after_is_kept(self):
        me = register(self.server)
        while (reply := me.get('auth/me')).status == 200:
            pass
        time.sleep(int(reply.get('Retry-After')) + 0.1)
        self.assert_status(me.get('auth/me'), 200)


class Address(Limited):
    def test_two_thousand_a_minute_over_both_workers(self):
        source = fresh_source()

        def pour():
            with Conn(self.server.port, source=source, timeout=40) as conn:
                found = []
                for _ in range(21):
                    conn.send(request('GET', '/nowhere') * 25)
                    found += [conn.final().status for _ in range(25)]
                return found
        begun = time.monotonic()
        found = [status for some in together([pour] * 4) for status in some]
        self.assertLess(time.monotonic() - begun, 50, 'too slow to tell')
        self.assertEqual((found.count(404), found.count(429)), (2000, 100))

        with Api(self.server, source=source) as api:
            reply = api.get('/openapi.json')
            self.assert_problem(reply, 429)
            self.assertGreaterEqual(int(reply.get('Retry-After')), 1)
            for path in ('/health', '/health/live', '/health/ready'):
                self.assert_status(api.get(path), 200)
        with Api(self.server, source=fresh_source()) as api:
            self.assert_status(api.get('/openapi.json'), 200)

    def test_the_class_of_administration_has_ten_a_minute(self):
        admin = person(self.server, 'admin')
        found = [admin.post('roles', {'name': f'role_{n}', 'permissions': []}).status for n in range(12)]
        self.assertEqual(found, [201] * 10 + [429] * 2)
        self.assert_status(admin.get('roles'), 200)
        other = person(self.server, 'admin')
        self.assert_status(other.post('roles', {'name': 'role_x', 'permissions': []}), 201)


    def test_generations_and_templates_have_their_classes(self):
        me = register(self.server)
        found = [me.post('templates', {'name': f't{n}'}).status for n in range(32)]
        self.assertEqual(found, [201] * 30 + [429] * 2)
        self.assert_status(me.get('templates'), 200)
        project = me.made('projects', {'name': 'p'})['id']
        found = [me.post('generations', {'project_id': project, 'prompt': 'p'}).status for _ in range(102)]
        self.assertEqual(found, [201] * 100 + [429] * 2)
        self.assert_status(me.get('generations'), 200)

    def test_decisions_look_at_the_class_and_spend_nothing(self):
        me, boss = register(self.server), person(self.server, 'admin')
        mine = me.made('templates', {'name': 'first'})['id']

        def allowed(action):
            reply = boss.post('/access/v1/evaluation', {
                'subject': {'type': 'user', 'id': me.id}, 'action': {'name': action},
                'resource': {'type': 'template', 'id': mine}})
            self.assert_status(reply, 200)
            return reply.json['decision']
        self.assertEqual([allowed('update') for _ in range(40)], [True] * 40)
        found = [me.post('templates', {'name': f't{n}'}).status for n in range(30)]
        self.assertEqual(found, [201] * 29 + [429])
        for action, wanted in (('read', True), ('template:read', True), ('update', False), ('template:update', False),
                               ('delete', False), ('write', False)):
            self.assertIs(allowed(action), wanted, action)


class Strict(Limited):
    settings = {'RATE_LIMIT_PROFILE': 'strict'}

    def test_a_hundred_a_minute_for_a_row(self):
        me = register(self.server)
        a, b = (me.made('startups', {'name': 'n'})['id'] for _ in range(2))
        found = self.burst(4, 30, f'startups/{a}', token=me.token)
        self.assertEqual((found.count(200), found.count(429)), (100, 20))
        self.assert_status(me.get(f'startups/{b}'), 200)

    def test_the_user_has_an_hour_for_a_thousand(self):
        me = register(self.server)
        reply = me.get('auth/me')
        self.assertEqual(reply.get('RateLimit-Limit'), '1000')
        self.assertGreater(int(reply.get('RateLimit-Reset')), 3000)


class Off(Limited):
    settings = {'RATE_LIMIT_PROFILE': 'off', 'RATE_LIMIT_REQUESTS': LIMIT, 'RATE_LIMIT_WINDOW': 60}

    def test_refuses_nobody(self):
        me = register(self.server)
        self.assertEqual(set(self.burst(4, 20, token=me.token)), {200})

    def test_is_said_loudly(self):
        with Api(self.server) as api:
            self.assertIn('off', str(api.get('/health').json).lower())
        self.assertIn('RATE_LIMIT_PROFILE', self.server.text('out') + self.server.text())

    def test_is_said_in_the_log(self):
        self.assertRegex(self.server.text(), r'(?i)limit.*off|off.*limit')

    def test_failed_sign_ins_are_limited_all_the_same(self):
        with Api(self.server, source=fresh_source()) as api:
            email = fresh_email()
            found = [login(api, email, 'not the password').status for _ in range(6)]
        self.assertEqual(found, [401] * 5 + [429])


class Forwarded(Limited):
    """Whom the server takes the client for: as the session tells, and by the window of the address (20 a minute)."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.me = register(cls.server)

    @classmethod
    def tearDownClass(cls):
        cls.me.close()
        super().tearDownClass()

    def seen(self, *values, name='X-Forwarded-For', source='127.5.5.5'):
        """The address of a session that was opened with these header lines."""
        body = {'email': self.me.email, 'password': self.me.password}
        with Conn(self.server.port, source=source) as conn:
            conn.send(request('POST', API + 'auth/login', [(name, value) for value in values], body))
            reply = conn.final('POST')
            self.assert_status(reply, 200)
        sid = claims(reply.json['access_token'])['sid']
        return next(item['address'] for item in self.me.get('sessions').json['items'] if item['id'] == sid)

    def fails(self, times, headers):
        """How many failures there are until the address is refused."""
        source = fresh_source()

        def fail(n):
            with Api(self.server, source=source) as api:
                return login(api, fresh_email(), 'not the password', headers(n)).status
        found = [status for at in range(0, times, 4)
                 for status in together([lambda n=n: fail(n) for n in range(at, min(times, at + 4))])]
        self.assertLessEqual(set(found), {401, 429})
        return found.count(401)

    def test_of_an_untrusted_peer_is_ignored(self):
        self.assertEqual(self.seen('10.1.1.1'), '127.5.5.5')
        self.assertEqual(self.fails(24, lambda n: {'X-Forwarded-For': f'10.1.1.{n}'}), 20)

    def test_so_are_its_relatives(self):
        for name in ('X-Real-IP', 'Forwarded', 'X-Client-IP', 'True-Client-IP', 'CF-Connecting-IP',
                     'X-Cluster-Client-IP'):
            with self.subTest(name):
                self.assertEqual(self.seen('10.1.2.1', name=name), '127.5.5.5')


class Trusted(Forwarded):
    settings = {'TRUSTED_PROXIES': '127.0.0.0/8, 10.7.0.0/16'}

    def test_of_an_untrusted_peer_is_ignored(self):
        """Here the peer is trusted: what it adds is believed, what stood there before is not."""
        self.assertEqual(self.seen('203.0.113.7'), '203.0.113.7')
        self.assertEqual(self.seen('6.6.6.6, 203.0.113.7'), '203.0.113.7')
        self.assertEqual(self.seen('127.0.0.1, 6.6.6.6, 203.0.113.7'), '203.0.113.7')

    def test_the_window_follows(self):
        self.assertEqual(self.fails(24, lambda n: {'X-Forwarded-For': f'6.6.6.{n}, 10.2.2.2'}), 20)

    def test_trusted_hops_are_passed_over(self):
        self.assertEqual(self.seen('6.6.6.6, 10.3.3.3, 10.7.0.9, 10.7.200.1'), '10.3.3.3')
        self.assertEqual(self.seen('10.7.0.9, 10.7.200.1'), '10.7.0.9')

    def test_several_lines_are_one_list(self):
        self.assertEqual(self.seen('6.6.7.7', '10.4.4.4'), '10.4.4.4')
        self.assertEqual(self.seen('6.6.7.7, 10.4.4.4', '10.7.0.1'), '10.4.4.4')

    def test_nonsense_is_where_belief_ends(self):
        for value in ('nonsense', '', ',', '1.2.3', '1.2.3.4.5', '1.2.3.4:80', '[::1]', '::1%lo', '0x7f.1', '010.1.1.1',
                      '-', 'unknown', '203.0.113.7, ', ', 203.0.113.7,', '203.0.113.7, nonsense', '1.2.3.4\t5'):
            with self.subTest(value):
                self.assertEqual(self.seen(value), '127.5.5.5')
        self.assertEqual(self.seen('nonsense, 203.0.113.7'), '203.0.113.7')

    def test_one_address_in_two_spellings(self):
        self.assertEqual(self.seen('::ffff:203.0.113.7'), '203.0.113.7')
        self.assertEqual(self.seen('2001:DB8:0:0:0:0:0:1'), '2001:db8::1')

    def test_all_of_a_64_is_one(self):
        self.assertEqual(self.fails(24, lambda n: {'X-Forwarded-For': f'2001:db8:5::{n:x}:1'}), 20)

    def test_a_thousand_entries(self):
        self.assertEqual(self.seen(', '.join(['1.1.1.1'] * 700)), '1.1.1.1')

    def test_metrics_are_not_opened_by_it(self):
        with Api(self.server) as api:
            self.assert_status(api.get('/metrics'), 200)
            self.assert_problem(api.get('/metrics', {'X-Forwarded-For': '203.0.113.7'}), (401, 403))
            self.assert_problem(api.get('/metrics', {'X-Forwarded-For': '127.0.0.1, 203.0.113.7'}), (401, 403))


if __name__ == '__main__':
    unittest.main()
