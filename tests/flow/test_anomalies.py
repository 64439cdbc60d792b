"""Who is held back: injection probes, what operators set and lift, and that both are written down."""
import time
import unittest
import uuid
from datetime import datetime, timedelta, timezone

from support import (Api, Case, Conn, Server, fresh_source, login, on_every_worker, person, register, request, together,
                     uuid7)

ENGINES = 'sqlite (postgres)'      # it is memory that is told apart here

LIMIT = 40
INJECTIONS = ["1'--", '1;drop', '..;', "x'or'1", '$where', 'a--b', "'", '1;', 'id--', "y'"]


def ahead(**much):
    return (datetime.now(timezone.utc) + timedelta(**much)).isoformat().replace('+00:00', 'Z')


class World(Case):
    settings = {}

    @classmethod
    def setUpClass(cls):
        cls.server = Server(**{'RATE_LIMIT_PROFILE': 'standard', 'RATE_LIMIT_REQUESTS': LIMIT,
                               'RATE_LIMIT_WINDOW': 60, **cls.settings}).start()

    @classmethod
    def tearDownClass(cls):
        cls.server.finish()

    def setUp(self):
        self.boss = person(self.server, 'admin')     # one's own windows, each time

    def until(self, wanted, what, seconds=5):
        until = time.monotonic() + seconds
        while not (found := wanted()):
            self.assertLess(time.monotonic(), until, what)
            time.sleep(0.02)
        return found

    def rows_of(self, subject):
        return [row for row in self.boss.get('restraints?limit=1000').json['items'] if row['subject'] == subject]

    def held(self, kind, subject, **more):
        body = {'kind': kind, 'subject': subject, 'until': ahead(hours=1), **more}
        return self.boss.made('restraints', body)

    def audited(self, action, target):
        return self.server.query('select principal_kind from audit where action = ? and target = ?', action,
                                 uuid.UUID(target))

    def probe(self, api, times):
        return [api.get('startups/' + INJECTIONS[n % len(INJECTIONS)]).status for n in range(times)]


class Probes(World):
    def test_a_principal_is_blocked_on_every_worker(self):
        me = register(self.server)
        self.assertEqual(self.probe(me, 9), [400] * 9)
        self.assert_status(me.get('auth/me'), 200)
        self.assert_status(me.get("startups/1'--"), 400)
        reply = me.get('auth/me')
        self.assert_problem(reply, 429, 'too_many_requests')
        self.assertTrue(3590 <= int(reply.get('Retry-After')) <= 3600, reply)
        self.assertEqual(set(on_every_worker(self.server, me.token)), {429})
        self.assertEqual(set(on_every_worker(self.server, me.token, '/health', times=4)), {200})

        row, = self.until(lambda: self.rows_of(me.id), 'no row')
        self.assertEqual((row['kind'], row['level'], row['reason'], row['active'], row['created_by']),
                         ('principal', 'block', 'probes', True, None))
        self.assertEqual([found['principal_kind'] for found in self.audited('restraint.set', row['id'])], ['system'])
        with Api(self.server, source=me.source) as api:     # the address is not to blame
            self.assert_status(api.get('/openapi.json'), 200)

        self.assert_status(self.boss.delete('restraints/' + row['id']), 204)
        self.assertEqual(set(on_every_worker(self.server, me.token, times=12)), {200})
        row = self.boss.get('restraints/' + row['id']).json
        self.assertEqual((row['active'], row['lifted_by']), (False, self.boss.id))
        self.assertEqual(len(self.audited('restraint.lift', row['id'])), 1)
        time.sleep(0.3)     # what was being loaded does not bring it back
        self.assertEqual(set(on_every_worker(self.server, me.token, times=6)), {200})

    def test_an_address_is_blocked_for_nobody(self):
        source = fresh_source()
        with Api(self.server, source=source) as api:
            self.assertEqual(self.probe(api, 10), [400] * 10)
            self.assert_problem(api.get('/openapi.json'), 429)
            self.assert_status(api.get('/health/live'), 200)
        me = register(self.server)
        with Api(self.server, token=me.token, source=source) as api:
            self.assert_problem(api.get('auth/me'), 429)
        row, = self.until(lambda: self.rows_of(source), 'no row')
        self.assertEqual((row['kind'], row['level'], row['reason']), ('address', 'block', 'probes'))
        self.assert_status(self.boss.delete('restraints/' + row['id']), 204)
        with Api(self.server, source=source) as api:
            self.assert_status(api.get('/openapi.json'), 200)

    def test_paths_that_lead_nowhere_count(self):
        with Api(self.server, source=fresh_source()) as api:
            paths = ['/x/../../etc/passwd', '/index.php%27%20OR%201=1', '/%2e%2e/%2e%2e/boot.ini', '/cgi-bin/%00',
                     "/'"] * 2
            found = [api.get(path).status for path in paths]
            self.assertEqual(found, [404] * 10)
            self.assert_problem(api.get('/openapi.json'), 429)

    def test_a_page_of_another_site_blocks_no_visitor(self):
        with Api(self.server, source=fresh_source()) as api:
            for n in range(12):
                self.assert_status(api.get("startups/1'", {'Sec-Fetch-Site': 'cross-site'}), 400)
            self.assert_status(api.get('/openapi.json'), 200)

    def test_a_session_that_has_ended_blocks_nobody(self):
        me = register(self.server)
        other = me.again()
        self.assert_status(other.post('auth/logout'), 200, 204)
        self.probe(other, 12)
        self.assert_status(me.get('auth/me'), 200)

    def test_many_at_once_are_one_row(self):
        source = fresh_source()

        def pour():
            with Conn(self.server.port, source=source) as conn:
                conn.send(request('GET', "/api/v1/startups/1'") * 20)
                return [conn.final().status for _ in range(20)]
        found = [status for some in together([pour] * 8) for status in some]
        self.assertGreaterEqual(found.count(400), 10)
        self.assertGreater(found.count(429), 0)
        rows = self.until(lambda: self.rows_of(source), 'no row')
        self.assertLessEqual(len(rows), 2, 'each worker may have seen the tenth')

    def test_it_is_counted(self):
        before = self.metrics()
        with Api(self.server, source=fresh_source()) as api:
            self.probe(api, 11)
        after = self.metrics()
        for name in ('limit_anomalies_total{kind="probes"}', 'limit_restraints_total{level="block"}',
                     'limit_restrained_total{kind="address"}'):
            self.assertEqual(after.get(name, 0) - before.get(name, 0), 1, name)

    def metrics(self):
        with Api(self.server) as api:
            lines = api.get('/metrics').body.decode().splitlines()
        return {name: float(value) for name, value in (line.rsplit(' ', 1) for line in lines if line[:1] != '#')}


class Hand(World):
    def test_a_user_is_blocked_at_once_and_lifted_at_once(self):
        me = register(self.server)
        self.assert_status(me.get('auth/me'), 200)
        row = self.held('principal', me.id, reason='abuse')
        self.assertEqual(set(on_every_worker(self.server, me.token)), {429})
        self.assertEqual((row['level'], row['reason'], row['created_by']), ('block', 'abuse', self.boss.id))
        self.assertEqual([found['principal_kind'] for found in self.audited('restraint.set', row['id'])], ['user'])
        self.assert_status(self.boss.delete('restraints/' + row['id']), 204)
        self.assertEqual(set(on_every_worker(self.server, me.token, times=12)), {200})
        self.assert_status(self.boss.delete('restraints/' + row['id']), 204)     # and stays so
        self.assertEqual(len(self.audited('restraint.lift', row['id'])), 1)

    def test_so_is_its_key(self):
        me = register(self.server)
        key = me.post('api-keys', {'name': 'k', 'scopes': ['startup:read']}).json['key']
        with Api(self.server, key=key) as api:
            self.assert_status(api.get('startups'), 200)
            self.held('principal', me.id)
            self.assert_problem(api.get('startups'), 429)

    def test_what_is_left_of_the_limit(self):
        for level, left in (('half', LIMIT // 2), ('tenth', LIMIT // 10)):
            with self.subTest(level):
                me = register(self.server)
                self.held('principal', me.id, level=level)
                reply = me.get('auth/me')
                self.assertEqual(reply.get('RateLimit-Limit'), str(left))
                found = [reply.status] + [me.get('auth/me').status for _ in range(LIMIT)]
                self.assertEqual(found, [200] * left + [429] * (LIMIT + 1 - left))

    def test_who_is_lifted_begins_anew(self):
        me = register(self.server)
        row = self.held('principal', me.id, level='tenth')
        while me.get('auth/me').status == 200:
            pass
        self.assert_status(self.boss.delete('restraints/' + row['id']), 204)
        self.assertEqual([me.get('auth/me').status for _ in range(LIMIT + 1)], [200] * LIMIT + [429])

    def test_an_address(self):
        source = fresh_source()
        row = self.held('address', source)
        with Api(self.server, source=source) as api:
            self.assert_problem(api.get('/openapi.json'), 429)
            self.assert_problem(login(api, 'a@example.com', 'not the password'), 429)
        self.assert_status(self.boss.delete('restraints/' + row['id']), 204)
        with Api(self.server, source=source) as api:
            self.assert_status(api.get('/openapi.json'), 200)

    def test_it_ends_by_itself(self):
        me = register(self.server)
        row = self.held('principal', me.id, until=ahead(seconds=1.5))
        self.assert_status(me.get('auth/me'), 429)
        self.assertTrue(row['active'])
        time.sleep(1.7)
        self.assert_status(me.get('auth/me'), 200)
        self.assertFalse(self.boss.get('restraints/' + row['id']).json['active'])

    def test_of_two_the_other_stays(self):
        me = register(self.server)
        block, tenth = self.held('principal', me.id), self.held('principal', me.id, level='tenth')
        again = self.held('principal', me.id)
        self.assert_status(self.boss.delete('restraints/' + block['id']), 204)
        self.until(lambda: me.get('auth/me').status == 429, 'the second block is gone')
        self.assert_status(self.boss.delete('restraints/' + again['id']), 204)
        self.until(lambda: me.get('auth/me').get('RateLimit-Limit') == str(LIMIT // 10), 'the tenth is gone')
        self.assert_status(self.boss.delete('restraints/' + tenth['id']), 204)
        self.assertEqual(me.get('auth/me').get('RateLimit-Limit'), str(LIMIT))

    def test_what_is_refused(self):
        for body, field in (({'kind': 'principal', 'subject': uuid7()}, 'subject'),
                            ({'kind': 'principal', 'subject': '127.0.0.1'}, 'subject'),
                            ({'kind': 'address', 'subject': 'example.com'}, 'subject'),
                            ({'kind': 'address', 'subject': '10.0.0.0/8'}, 'subject'),
                            ({'kind': 'world', 'subject': '127.0.0.1'}, 'kind'),
                            ({'kind': 'address', 'subject': '9.9.9.9', 'level': 'recorded'}, 'level'),
                            ({'kind': 'address', 'subject': '9.9.9.9', 'until': ahead(days=31)}, 'until'),
                            ({'kind': 'address', 'subject': '9.9.9.9', 'until': ahead(seconds=-1)}, 'until')):
            with self.subTest(body):
                boss = person(self.server, 'admin')
                reply = boss.post('restraints', {'until': ahead(hours=1), **body})
                self.assert_problem(reply, 422, 'invalid')
                self.assertEqual([fault['field'] for fault in reply.json['errors']], [field])

    def test_only_who_manages_users(self):
        me, row = register(self.server), self.held('address', fresh_source())
        for reply in (me.get('restraints'), me.get('restraints/' + row['id']), me.delete('restraints/' + row['id']),
                      me.post('restraints', {'kind': 'address', 'subject': '9.9.9.9', 'until': ahead(hours=1)})):
            self.assert_problem(reply, 403)

    def test_nobody_gains_by_it(self):
        self.boss.made('roles', {'name': 'warden', 'permissions': ['users:manage', 'startup:read']})
        warden, other = person(self.server, 'warden'), register(self.server)
        body = {'kind': 'principal', 'until': ahead(hours=1)}
        self.assert_problem(warden.post('restraints', {**body, 'subject': self.boss.id}), 403)
        self.assert_problem(warden.post('restraints', {**body, 'subject': other.id}), 403)     # may create startups
        row = self.held('principal', warden.id, level='half')
        self.assert_problem(warden.delete('restraints/' + row['id']), 403)

    def test_lists(self):
        source = fresh_source()
        row = self.held('address', source)
        gone = self.held('address', fresh_source())
        self.assert_status(self.boss.delete('restraints/' + gone['id']), 204)
        active = [one['id'] for one in self.boss.walk('restraints', active='true', kind='address', sort='-until')]
        self.assertIn(row['id'], active)
        self.assertNotIn(gone['id'], active)
        ended = [one['id'] for one in self.boss.walk('restraints', active='false')]
        self.assertIn(gone['id'], ended)
        self.assertNotIn(row['id'], ended)
        self.assertNotIn(row['id'], [one['id'] for one in self.boss.walk('restraints', kind='principal')])

    def test_all_of_a_64(self):
        row = self.held('address', '2001:db8:7::5')
        self.assertEqual(row['subject'], '2001:db8:7::/64')


class Restart(Case):
    def test_what_is_in_force_stays_so(self):
        server = Server(RATE_LIMIT_PROFILE='standard').start()
        self.addCleanup(server.finish)
        boss, me = person(server, 'admin'), register(server)
        boss.made('restraints', {'kind': 'principal', 'subject': me.id, 'until': ahead(hours=1)})
        self.assert_status(me.get('auth/me'), 429)
        server.stop()
        server.start()
        until = time.monotonic() + 2
        while me.get('auth/me').status != 429:
            self.assertLess(time.monotonic(), until, 'forgotten')
        self.assertEqual(set(on_every_worker(server, me.token)), {429})


class Off(World):
    settings = {'RATE_LIMIT_PROFILE': 'off'}

    def test_is_only_recorded(self):
        me = register(self.server)
        self.assertEqual(self.probe(me, 12), [400] * 12)
        self.assert_status(me.get('auth/me'), 200)
        row = self.until(lambda: self.rows_of(me.id), 'no row')[0]
        self.assertEqual((row['level'], row['reason'], row['active']), ('recorded', 'probes', False))
        self.assertIn('"event":"anomaly"', self.server.text())


class NoFalseAlarm(World):
    settings = {'RATE_LIMIT_REQUESTS': 100000}

    def test_words_of_sql_and_markup_are_no_attack(self):
        me = register(self.server)
        words = ["Robert'); DROP TABLE students;--", '1 OR 1=1', '<script>alert(1)</script>', '../../etc/passwd',
                 '${jndi:ldap://x}', 'SELECT * FROM users WHERE id = 1 UNION SELECT 2', "it's; `code`"]
        for n in range(4):
            for word in words:
                me.made('startups', {'name': word, 'metadata': {'prompt': word, word: word}})
        for word in words:
            me.get('startups?industry=' + ''.join(f'%{byte:02x}' for byte in word.encode()))
        self.assertEqual(self.rows_of(me.id), [])
        self.assert_status(me.get('auth/me'), 200)

    def test_clients_of_all_kinds(self):
        me = register(self.server)
        agents = ['python-requests/2.32.3', 'okhttp/4.12.0', 'axios/1.7.2', 'Go-http-client/2.0', 'curl/8.5.0', None,
                  'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0', 'x' * 500]
        found = {me.get('startups', {'User-Agent': agent}).status for agent in agents * 30}
        found |= {me.get('startups/' + uuid7()).status for _ in range(60)}
        found |= {me.get('startups/' + odd).status for odd in ('1', 'me', 'my-startup', 'undefined', 'null') * 5}
        self.assertEqual(found, {200, 404, 400})
        self.assertEqual(self.rows_of(me.id), [])
        with Api(self.server, source=fresh_source()) as api:
            for path in ('/favicon.ico', '/robots.txt', '/.well-known/security.txt', '/wp-login.php', '/a%20b') * 10:
                self.assert_status(api.get(path), 404)
            self.assert_status(api.get('/openapi.json'), 200)


if __name__ == '__main__':
    unittest.main()
