"""Gate 9: what is still allowed in each mode, who may change it, and what break-glass opens and leaves behind."""
import time
import unittest
import uuid

from support import (Api, Case, PASSWORD, Person, Server, fresh_email, fresh_source, login, on_every_worker, person,
                     register)

ENGINES = 'sqlite (postgres)'      # nodes that share a store have fault/test_mode_nodes

REASON = 'a drill, so that it is known'
SAFE_MODES = 'degraded', 'read_only', 'lockdown'

server = admin = me = None


def setUpModule():
    global server, admin, me
    server = Server().start()
    admin = person(server, 'admin')
    me = register(server)
    me.row = me.made('startups', {'name': 'mine'})


def tearDownModule():
    admin.close()
    me.close()
    server.finish()


def set_mode(mode, on=None):
    """As the operator of the machine: limited by nothing."""
    status, out, err = (on or server).run('mode', mode, *(['--reason', REASON] if mode != 'normal' else []))
    assert status == 0 and f'the mode is {mode}' in out, (out, err)


def audit(action, on=None, **where):
    return [row for row in (on or server).audit(action=action, **where) if row['outcome'] in ('made', 'used')]


def metric(name):
    with Api(server) as api:
        page = api.get('/metrics').body.decode()
    return {line.rpartition(' ')[0]: float(line.rpartition(' ')[2]) for line in page.splitlines()
            if line.startswith(name + '{')}


class Moded(Case):
    def setUp(self):
        self.addCleanup(set_mode, 'normal')

    def admin(self):
        chief = person(server, 'admin')
        self.addCleanup(chief.close)
        return chief


class Setting(Moded):
    def test_only_who_may(self):
        for method, body in (('GET', None), ('PUT', {'mode': 'lockdown', 'reason': REASON})):
            self.assert_problem(me.call(method, 'mode', body), 403)
            with Api(server) as api:
                self.assert_problem(api.call(method, 'mode', body), 401)

    def test_a_reason_is_needed_but_for_normal(self):
        for mode in SAFE_MODES:
            for body in ({'mode': mode}, {'mode': mode, 'reason': None}, {'mode': mode, 'reason': '  '}):
                with self.subTest(body):
                    self.assert_fault(self.admin().call('PUT', 'mode', body), 'reason', 'required')
        self.assert_fault(admin.call('PUT', 'mode', {'mode': 'party', 'reason': REASON}), 'mode', 'oneof')
        self.assert_fault(admin.call('PUT', 'mode', {'mode': 'degraded', 'reason': 'x' * 501}), 'reason', 'length')
        self.assertEqual(self.assert_status(self.admin().get('mode'), 200).json['mode'], 'normal')
        self.assert_status(self.admin().call('PUT', 'mode', {'mode': 'normal'}), 200)

    def test_what_is_set_is_told_and_written_down(self):
        chief = self.admin()
        reply = self.assert_status(chief.call('PUT', 'mode', {'mode': 'read_only', 'reason': REASON}), 200).json
        self.assertEqual({name: reply[name] for name in ('mode', 'by_hand', 'by_breakers', 'reason', 'set_by')},
                         {'mode': 'read_only', 'by_hand': 'read_only', 'by_breakers': 'normal', 'reason': REASON,
                          'set_by': chief.id})
        self.assertEqual(chief.get('mode').json, reply)
        row = audit('mode.set', principal_id=chief.id)[-1]
        self.assertEqual(row['detail'], {'mode': 'read_only', 'was': 'normal', 'reason': REASON})
        with Api(server) as api:
            health = api.get('/health').json
        self.assertEqual((health['mode'], health['mode_cause']), ('read_only', 'set by hand'))

    def test_the_metric(self):
        for mode in (*SAFE_MODES, 'normal'):
            set_mode(mode)
            until = time.monotonic() + 5
            wanted = {f'gate_mode{{mode="{name}"}}': float(name == mode) for name in (*SAFE_MODES, 'normal')}
            while metric('gate_mode') != wanted:
                self.assertLess(time.monotonic(), until, metric('gate_mode'))
                time.sleep(0.05)

    def test_every_worker_obeys_behind_the_reply(self):
        for _ in range(5):
            for mode, status in (('lockdown', 503), ('normal', 200)):
                set_mode(mode)
                self.assertEqual(set(on_every_worker(server, me.token, times=8)), {status})


class CommandLine(Case):
    def setUp(self):
        self.server = Server()
        self.addCleanup(self.server.destroy)

    def mode(self, *args):
        status, out, err = self.server.run('mode', *args)
        return status, out + err

    def test_without_a_server_and_over_a_restart(self):
        self.assertEqual(self.mode(), (0, 'the mode is normal: normal set by hand, normal by breakers\n'))
        set_mode('lockdown', self.server)
        for _ in range(2):
            self.server.start()
            with Api(self.server) as api:
                self.assertEqual(api.get('/health').json['mode'], 'lockdown')
                self.assert_problem(api.post('auth/register', {'email': fresh_email(), 'password': PASSWORD}), 503,
                                    'emergency')
            status, out = self.mode()
            self.assertIn(f'the mode is lockdown: lockdown set by hand at 2', out)
            self.assertIn(f'({REASON})', out)
            self.server.stop()
        rows = audit('mode.set', self.server)
        self.assertEqual([(row['principal_kind'], row['principal_id']) for row in rows], [('operator', None)])

    def test_what_is_refused(self):
        for args, part in ((('party',), 'mode'), (('lockdown',), 'reason'), (('party', '--reason', REASON), 'mode'),
                           (('--reason', REASON), '--reason'), (('lockdown', 'now'), 'now'),
                           (('lockdown', '--reason'), '--reason')):
            with self.subTest(args):
                status, out = self.mode(*args)
                self.assertNotEqual(status, 0)
                self.assertIn(part, out)
                self.assertEqual(len(out.splitlines()), 1)
        status, _, err = self.server.run('user', 'list', '--reason', REASON)
        self.assertIn('takes no --reason', err)


class Degraded(Moded):
    def test_nothing_is_refused(self):
        set_mode('degraded')
        self.assert_status(me.post('startups', {'name': 'n'}), 201)
        self.assert_status(me.get('startups'), 200)
        with Api(server) as api:
            self.assertEqual(api.get('/health').json['mode'], 'degraded')


class ReadOnly(Moded):
    def setUp(self):
        super().setUp()
        self.one = register(server)
        self.addCleanup(self.one.close)
        set_mode('read_only')

    def test_what_is_refused(self):
        for method, path, body in (('POST', 'startups', {'name': 'n'}), ('POST', 'tasks/claim', {}),
                                   ('PATCH', f'startups/{me.row["id"]}', {'name': 'n'}),
                                   ('DELETE', f'startups/{me.row["id"]}', None),
                                   ('POST', 'api-keys', {'name': 'k'}),
                                   ('POST', 'auth/register', {'email': fresh_email(), 'password': PASSWORD}),
                                   ('POST', 'auth/password', {'current_password': PASSWORD,
                                                              'new_password': PASSWORD + 'x'})):
            with self.subTest(path):
                reply = me.call(method, path, body)
                self.assert_problem(reply, 503, 'emergency')
                self.assertGreaterEqual(int(reply.get('Retry-After')), 1)

    def test_what_is_not(self):
        for path in ('startups', f'startups/{me.row["id"]}', 'auth/me', 'sessions', '/health', '/metrics'):
            with self.subTest(path):
                self.assert_status(me.get(path), 200)

    def test_signing_in_and_out(self):
        self.one.sign_in()
        self.assert_status(self.one.post('auth/refresh', {'refresh_token': self.one.refresh_token}), 200)
        session = self.one.get('sessions').json['items'][0]['id']
        self.assert_status(self.one.delete(f'sessions/{session}'), 204)
        self.one.sign_in()
        self.assert_status(self.one.post('auth/logout'), 204)
        self.one.sign_in()
        self.assert_status(self.one.delete('sessions'), 204)


class Lockdown(Moded):
    def setUp(self):
        super().setUp()
        self.one, self.chief = register(server), self.admin()
        self.addCleanup(self.one.close)
        set_mode('lockdown')

    def test_what_is_refused(self):
        for who in (self.one, self.chief):
            for method, path, body in (('GET', 'startups', None), ('GET', 'auth/me', None), ('GET', 'users', None),
                                       ('GET', 'sessions', None), ('DELETE', 'sessions', None),
                                       ('POST', 'startups', {'name': 'n'})):
                with self.subTest(path):
                    self.assert_problem(who.call(method, path, body), 503, 'emergency')
        self.assert_problem(self.one.get('mode'), 403)
        self.assert_problem(self.one.post('break-glass', {'reason': REASON, 'minutes': 1, 'password': PASSWORD}), 403)

    def test_what_is_not(self):
        for path in ('/health', '/health/live', '/health/ready', '/metrics', '/openapi.json'):
            self.assert_status(self.one.get(path), 200)
        self.assert_status(self.chief.get('mode'), 200)
        self.assert_status(self.chief.call('PUT', 'mode', {'mode': 'normal'}), 200)
        self.assert_status(self.one.get('auth/me'), 200)

    def test_only_who_may_change_it_signs_in(self):
        with Api(server, source=fresh_source()) as api:
            self.assert_problem(login(api, self.one.email, PASSWORD), 503, 'emergency')
            self.assert_problem(login(api, self.one.email, 'wrong password'), 401)
            self.assert_problem(login(api, self.chief.email, 'wrong password'), 401)
            self.assert_status(login(api, self.chief.email, PASSWORD), 200)

    def test_and_refreshes(self):
        refresh = {'refresh_token': self.one.refresh_token}
        with Api(server, source=fresh_source()) as api:
            self.assert_problem(api.post('auth/refresh', refresh), 503, 'emergency')
            self.assert_status(api.post('auth/refresh', {'refresh_token': self.chief.refresh_token}), 200)
            set_mode('normal')
            self.assert_status(api.post('auth/refresh', refresh), 200)

    def test_whoever_leaves_may(self):
        self.assert_status(self.one.post('auth/logout'), 204)
        set_mode('normal')
        self.assert_problem(self.one.get('auth/me'), 401)


class Glass(Moded):
    def setUp(self):
        super().setUp()
        self.chief = self.admin()

    def ask(self, who=None, **change):
        return (who or self.chief).post('break-glass', {'reason': REASON, 'minutes': 5, 'password': PASSWORD, **change})

    def open(self, who=None):
        return self.assert_status(self.ask(who), 201).json

    def used(self, glass):
        return [(row['detail']['method'], row['detail']['path']) for row in audit('break_glass.use',
                                                                                  target=glass['id'])]


class Opening(Glass):
    def test_who_may(self):
        self.assert_problem(self.ask(me), 403)
        key = self.chief.made('api-keys', {'name': 'k'})['key']
        with Api(server, key=key) as api:
            self.assert_status(api.get('mode'), 200)
            self.assert_problem(self.ask(api), 403, 'session_needed')
        with Api(server) as api:
            self.assert_problem(self.ask(api), 401)
        status, out, err = server.run('mode')
        self.assertEqual(status, 0, err)

    def test_what_it_takes(self):
        for change, field in (({'reason': 'too short'}, 'reason'), ({'reason': 'x' * 501}, 'reason'),
                              ({'reason': None}, 'reason'), ({'minutes': 0}, 'minutes'), ({'minutes': 61}, 'minutes'),
                              ({'minutes': None}, 'minutes'), ({'password': None}, 'password')):
            with self.subTest(change):
                self.assert_fault(self.ask(**change), field)

    def test_the_password_guessed(self):
        """As at a sign-in: 5 a minute."""
        for _ in range(5):
            self.assert_problem(self.ask(password='wrong password'), 401)
        self.assert_problem(self.ask(password='wrong password'), 429)
        self.assert_problem(self.ask(), 429)

    def test_the_row(self):
        begun = time.time()
        glass = self.open()
        self.assertEqual(glass['user_id'], self.chief.id)
        self.assertEqual(glass['reason'], REASON)
        self.assertIsNone(glass['ended_at'])
        self.assertNotIn('password', glass)
        other = self.admin()
        self.assertEqual(other.get(f'break-glass/{glass["id"]}').json, glass)
        self.assertIn(glass, other.get('break-glass').json['items'])
        self.assert_problem(me.get('break-glass'), 403)
        row = server.query('select until from break_glass where id = ?', uuid.UUID(glass['id']))[0]
        self.assertTrue(begun + 299 < row['until'] / 1e6 < time.time() + 301)
        rows = audit('break_glass.open', target=glass['id'])
        self.assertEqual([row['detail'] for row in rows], [{'reason': REASON, 'until': glass['until']}])
        self.assertEqual(rows[0]['principal_id'], self.chief.id)

    def test_one_at_a_time(self):
        self.open()
        self.assert_problem(self.ask(), 409)
        again = Person(server, self.chief.email)
        self.open(again)
        again.close()


class Open(Glass):
    def test_it_passes_every_mode_on_every_worker(self):
        self.open()
        for mode in ('read_only', 'lockdown'):
            set_mode(mode)
            self.assertEqual(set(on_every_worker(server, self.chief.token, 'users', times=6)), {200})
            for _ in range(4):
                with Api(server, token=self.chief.token) as api:
                    self.assert_status(api.post('startups', {'name': 'n'}), 201)

    def test_it_is_opened_in_lockdown(self):
        set_mode('lockdown')
        self.assert_problem(self.chief.get('users'), 503, 'emergency')
        self.open()
        self.assert_status(self.chief.get('users'), 200)

    def test_it_is_the_sessions_own(self):
        other = Person(server, self.chief.email)
        key = self.chief.made('api-keys', {'name': 'k'})['key']
        self.open()
        set_mode('lockdown')
        self.assert_problem(other.get('users'), 503, 'emergency')
        with Api(server, key=key) as api:
            self.assert_problem(api.get('users'), 503, 'emergency')
        other.close()

    def test_what_is_done_is_written_down_twice(self):
        glass = self.open()
        row = self.chief.made('startups', {'name': 'n'})
        self.assertEqual(self.used(glass), [('POST', '/api/v1/startups')])
        first, second = audit('startup.create', target=row['id']), audit('break_glass.use', target=glass['id'])
        self.assertEqual([r['correlation'] for r in first], [r['correlation'] for r in second])
        self.assertEqual(second[0]['session_id'], glass['session_id'])
        self.assertEqual(second[0]['principal_id'], self.chief.id)

    def test_what_is_read_is_written_down(self):
        row = self.chief.made('startups', {'name': 'n'})
        glass, path = self.open(), f'startups/{row["id"]}'
        for headers, status in (((), 200), ({'If-None-Match': '"v1"'}, 304)):
            reply = self.assert_status(self.chief.get(path, headers), status)
            if status == 200:
                self.assertEqual(reply.json, row)
        self.assert_status(self.chief.get('startups?limit=1'), 200)
        self.assert_status(self.chief.call('HEAD', path), 200)
        self.assertEqual(self.used(glass), [('GET', f'/api/v1/{path}')] * 2 + [('GET', '/api/v1/startups'),
                                                                               ('HEAD', f'/api/v1/{path}')])

    def test_what_is_repeated_is_written_down(self):
        glass, headers = self.open(), {'Idempotency-Key': str(uuid.uuid4())}
        first = self.assert_status(self.chief.post('startups', {'name': 'n'}, headers), 201)
        again = self.assert_status(self.chief.post('startups', {'name': 'n'}, headers), 201)
        self.assertEqual((first.json, again.get('Idempotency-Replayed')), (again.json, 'true'))
        self.assertEqual(self.used(glass), [('POST', '/api/v1/startups')] * 2)
        self.assertEqual(len(audit('startup.create', target=first.json['id'])), 1)

    def test_health_is_nobodys_business(self):
        glass = self.open()
        self.assert_status(self.chief.get('/health'), 200)
        self.assertEqual(self.used(glass), [])

    def test_it_gives_no_permission(self):
        """A role that may set modes and nothing else opens it, and may still nothing else."""
        name = 'r' + uuid.uuid4().hex[:20]
        self.chief.made('roles', {'name': name, 'permissions': ['system:config']})
        one = person(server, name)
        self.open(one)
        self.assert_problem(one.get('users'), 403)
        one.close()


class Ending(Glass):
    def refused(self, who=None):
        """On every worker, at once."""
        found = set(on_every_worker(server, (who or self.chief).token, 'users', times=8))
        self.assertEqual(found, {503})

    def test_by_hand(self):
        glass, other = self.open(), self.admin()
        set_mode('lockdown')
        self.assertEqual(set(on_every_worker(server, self.chief.token, 'users', times=8)), {200})
        self.assert_problem(me.delete(f'break-glass/{glass["id"]}'), 403)
        self.assert_status(other.delete(f'break-glass/{glass["id"]}'), 204)
        self.refused()
        self.assert_problem(other.delete(f'break-glass/{glass["id"]}'), 409)
        self.assertIsNotNone(other.get(f'break-glass/{glass["id"]}').json['ended_at'])
        self.assertEqual(len(audit('break_glass.end', target=glass['id'])), 1)
        self.open()
        self.assertEqual(set(on_every_worker(server, self.chief.token, 'users', times=8)), {200})

    def test_by_its_time(self):
        glass = self.open()
        set_mode('lockdown')
        until = int((time.time() + 1.5) * 1e6)      # nobody has read the row yet
        server.query('update break_glass set until = ? where id = ?', until, uuid.UUID(glass['id']))
        self.assertEqual(set(on_every_worker(server, self.chief.token, 'users', times=8)), {200})
        time.sleep(max(0, until / 1e6 - time.time()) + 0.01)
        self.refused()
        again = self.open()
        self.assertNotEqual(again['id'], glass['id'])
        self.assert_status(self.chief.get('users'), 200)
        self.assertIsNotNone(self.chief.get(f'break-glass/{glass["id"]}').json['ended_at'])

    def test_with_its_session(self):
        self.open()
        set_mode('lockdown')
        self.assert_status(self.chief.get('users'), 200)
        self.assert_status(self.chief.post('auth/logout'), 204)
        with Api(server, token=self.chief.token) as api:
            self.assertIn(api.get('users').status, (401, 503))

    def test_with_the_permission(self):
        name = 'r' + uuid.uuid4().hex[:20]
        role = self.chief.made('roles', {'name': name, 'permissions': ['system:config', 'users:manage']})
        one = person(server, name)
        self.open(one)
        set_mode('lockdown')
        self.assert_status(one.get('users'), 200)
        set_mode('normal')
        self.assert_status(self.chief.patch(f'roles/{role["id"]}', {'permissions': ['users:manage']}), 200)
        set_mode('lockdown')
        self.refused(one)
        one.close()


if __name__ == '__main__':
    unittest.main()
