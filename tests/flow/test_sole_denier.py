"""Each gate as the only one that denies: the same request, by the same caller, passes when that one obstacle is gone.
And nobody reaches another's row by any route, filter or reference, whatever kind of row its id is of."""
import re
import unittest

from support import API, Api, Case, Server, person, register, uuid7

ENGINES = 'sqlite (postgres)'      # the gates do not know the store

FAR = '2999-01-01T00:00:00Z'
server = boss = None


def setUpModule():
    global server, boss
    server = Server().start()
    boss = person(server, 'admin')


def tearDownModule():
    boss.close()
    server.finish()


def put(who, path, body=None):
    reply = who.call('PUT', path, body)
    assert reply.status == 200, repr(reply)


class Gates(Case):
    """6 and 8 have files of their own: what they judge is made there."""

    def denied(self, on, stage):
        with Api(on) as api:
            text = api.get('/metrics').body.decode()
        found = re.search(rf'^gate_denied_total{{stage="{stage}"}} (\d+)', text, re.M)
        return int(found[1]) if found else 0        # what is zero has no line

    def passes(self, reply):
        self.assertIn(reply.status, (200, 201, 204, 422), reply)

    def only(self, ask, stage, status, code, reason, on=None):
        """One denial, of this stage: told to the operator by name and reason, to the client by a stable code."""
        on = on or server
        before = self.denied(on, stage)
        reply = ask()
        told = self.assert_problem(reply, status, code)
        line = on.wait_for_line(lambda line: line.get('correlation_id') == reply.get('X-Request-ID'))
        self.assertEqual((line.get('gate'), line.get('code')), (stage, code), line)
        self.assertRegex(line.get('reason') or '', reason)
        self.assertEqual(self.denied(on, stage), before + 1)
        if line.get('reason'):
            self.assertNotIn(line['reason'], told['detail'])
        return reply

    def test_01_uuid(self):
        me = register(server)
        row = me.made('startups', {'name': 'n'})['id']
        self.passes(me.get(f'startups/{row}'))
        for id in (row.replace('-', ''), row[:14] + '1' + row[15:], '0' * 8 + '-0000-0000-0000-' + '0' * 12):
            self.only(lambda: me.get(f'startups/{id}'), 'uuid', 400, 'bad_id', '.')

    def test_02_rbac(self):
        role = boss.made('roles', {'name': 'reader', 'permissions': ['startup:read']})
        me = register(server)
        row = me.made('startups', {'name': 'n'})['id']
        self.passes(me.patch(f'startups/{row}', {'name': 'm'}))
        assert boss.patch(f'users/{me.id}', {'role': role['name']}).status == 200
        me.sign_in()
        self.passes(me.get(f'startups/{row}'))
        self.only(lambda: me.patch(f'startups/{row}', {'name': 'm'}), 'rbac', 403, 'forbidden', '^startup:update$')

    def test_03_ownership(self):
        me, other = register(server), register(server)
        row = me.made('projects', {'name': 'n'})['id']
        path = f'projects/{row}'
        self.only(lambda: other.get(path), 'ownership', 404, 'not_found', 'no grant path')
        put(me, f'{path}/collaborators/{other.id}', {'access': 'read'})
        self.passes(other.get(path))
        self.only(lambda: other.patch(path, {'name': 'm'}), 'ownership', 403, 'forbidden', 'lead that far')
        put(me, f'{path}/collaborators/{other.id}', {'access': 'write'})
        self.passes(other.patch(path, {'name': 'm'}))

    def test_04_context(self):
        me = register(server)
        other = me.again()
        self.passes(other.get('startups'))
        assert other.post('auth/logout').status in (200, 204)
        self.only(lambda: other.get('startups'), 'context', 401, 'session_ended', 'not live')

    def test_05_inheritance(self):
        me, other = register(server), register(server)
        project = me.made('projects', {'name': 'n'})['id']
        put(me, f'projects/{project}/collaborators/{other.id}', {'access': 'write'})
        body = {'project_id': project, 'prompt': 'p'}
        root = me.made('generations', body)['id']
        path = f'generations/{other.made("generations", {**body, "parent_id": root})["id"]}'
        self.passes(other.patch(path, {'prompt': 'q'}))
        for access, act, status, code in ((['write'], lambda: other.patch(path, {'prompt': 'r'}), 403, 'forbidden'),
                                          (['read'], lambda: other.get(path), 404, 'not_found')):
            restrictions = {'until': FAR, 'access': access, 'users': [other.id]}
            assert me.patch(f'generations/{root}', {'restrictions': restrictions}).status == 200
            self.only(act, 'inheritance', status, code, 'restricted by an ancestor')
        assert me.patch(f'generations/{root}', {'restrictions': None}).status == 200
        self.passes(other.get(path))

    def test_07_facts(self):
        """The row's facts cannot be had, the caller's can: 503 and never a verdict."""
        with Server() as own:
            me = register(own)
            row = me.made('models', {'name': 'n'})['id']
            own.query('alter table models rename to models_away')
            own.query('create table models (id bigint)')
            reply = self.only(lambda: me.get(f'models/{row}'), 'facts', 503, 'unavailable', 'facts', own)
            self.assertTrue(reply.get('Retry-After'))
            self.passes(me.get('startups'))
            own.query('drop table models')
            own.query('alter table models_away rename to models')
            self.passes(me.get(f'models/{row}'))
            me.close()

    def test_09_emergency(self):
        me = register(server)
        self.passes(me.post('startups', {'name': 'n'}))
        for mode, method, body in (('read_only', 'POST', {'name': 'n'}), ('lockdown', 'GET', None)):
            put(boss, 'mode', {'mode': mode, 'reason': 'a test of the gate'})
            try:
                reply = self.only(lambda: me.call(method, 'startups', body), 'emergency', 503, 'emergency',
                                  mode.replace('_', ' '))
                self.assertTrue(reply.get('Retry-After'))
            finally:
                put(boss, 'mode', {'mode': 'normal', 'reason': 'a test of the gate'})
        self.passes(me.post('startups', {'name': 'n'}))

    def test_10_limit(self):
        with Server(RATE_LIMIT_PROFILE='standard', RATE_LIMIT_REQUESTS=2, RATE_LIMIT_WINDOW=60) as own:
            me, other = register(own), register(own)
            for _ in range(2):
                self.passes(me.get('startups'))
            reply = self.only(lambda: me.get('startups'), 'limit', 429, 'too_many_requests', 'window', own)
            self.assertTrue(reply.get('Retry-After'))
            self.passes(other.get('startups'))
            me.close()
            other.close()


class OtherPeoplesIds(Case):
    COMMON = {'models', 'templates'}

    @classmethod
    def setUpClass(cls):
        cls.owner, cls.stranger = register(server), register(server)
        made = cls.owner.made
        startup, project = made('startups', {'name': 'n'})['id'], made('projects', {'name': 'n'})['id']
        agent = made('agents', {'name': 'n'})['id']
        generation = made('generations', {'project_id': project, 'prompt': 'p'})['id']
        cls.ids = {'startups': startup, 'projects': project, 'agents': agent,
                   'tasks': made('tasks', {'agent_id': agent})['id'], 'teams': made('teams', {'name': 'n'})['id'],
                   'generations': generation,
                   'media': made('media', {'generation_id': generation})['id'],
                   'models': made('models', {'name': 'n'})['id'], 'templates': made('templates', {'name': 'n'})['id'],
                   'api-keys': made('api-keys', {'name': 'n', 'scopes': ['team:read']})['id'],
                   'sessions': cls.owner.get('sessions').json['items'][0]['id'], 'users': cls.owner.id,
                   'absent': uuid7()}
        _, out, _ = server.run('routes')
        cls.routes = [tuple(line.split()[:3]) for line in out.splitlines() if line.strip()]

    @classmethod
    def tearDownClass(cls):
        cls.owner.close()
        cls.stranger.close()

    def wanted(self, method, plural, kind, permit, rights):
        if permit not in rights:
            return 403
        if kind == plural and kind in self.COMMON:
            return 200 if method == 'GET' else 403
        return 404

    def test_every_route_by_every_id(self):
        rights = {permit for role in boss.walk('roles') if role['name'] == 'user' for permit in role['permissions']}
        asked = 0
        for method, path, permit in self.routes:
            if '{id}' not in path:
                continue
            plural = path.removeprefix(API).split('/')[0]
            for kind, id in self.ids.items():
                at = path.replace('{id}', id, 1).replace('{id}', self.owner.id)
                body = {} if method in ('POST', 'PUT', 'PATCH') and not path.endswith('/cancel') else None
                with self.subTest(f'{method} {path} by an id of {kind}'):
                    asked += 1
                    wanted = self.wanted(method, plural, kind, permit, rights | {'signed-in'})
                    self.assert_status(self.stranger.call(method, at, body), wanted)
                    with Api(server) as nobody:
                        self.assert_problem(nobody.call(method, at, body), 401)
        print(f'{asked} pairs of route and id, as a stranger and as nobody')
        self.assertGreater(asked, 400)

    def test_filters(self):
        for path, field, kind in (('agents', 'startup_id', 'startups'), ('tasks', 'agent_id', 'agents'),
                                  ('projects', 'team_id', 'teams'), ('generations', 'project_id', 'projects'),
                                  ('generations', 'parent_id', 'generations')):
            with self.subTest(f'{path} by {field}'):
                reply = self.assert_status(self.stranger.get(f'{path}?{field}={self.ids[kind]}'), 200)
                self.assertEqual(reply.json['items'], [])

    def test_references(self):
        """Another's row, a row of another kind and no row at all look alike."""
        project = self.stranger.made('projects', {'name': 'n'})['id']
        for path, body, field, kind in (('agents', {'name': 'n'}, 'startup_id', 'startups'),
                                        ('tasks', {}, 'agent_id', 'agents'),
                                        ('projects', {'name': 'n'}, 'team_id', 'teams'),
                                        ('generations', {'prompt': 'p'}, 'project_id', 'projects'),
                                        ('generations', {'prompt': 'p', 'project_id': project}, 'parent_id',
                                         'generations')):
            told = []
            for of, id in self.ids.items():
                with self.subTest(f'{path}.{field}, an id of {of}'):
                    reply = self.stranger.post(path, {**body, field: id})
                    self.assert_fault(reply, field, 'reference')
                    told.append([reply.json['code'], reply.json['errors']])
            self.assertEqual(told, [told[0]] * len(told))


if __name__ == '__main__':
    unittest.main()
