"""Rows: made, read, listed, changed and deleted, by whom they belong to and nobody else."""
import re
import threading
import time
import unittest
import uuid
from urllib.parse import quote

from support import API, Api, Case, Server, b64, person, register, together, uuid7

TIME = re.compile(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z')
UUID7 = re.compile(r'[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}')
server = me = stranger = None


def setUpModule():
    global server, me, stranger
    server = Server().start()
    me, stranger = register(server), register(server)


def tearDownModule():
    me.close()
    stranger.close()
    server.finish()


def startup(who=None, **fields):
    return (who or me).made('startups', {'name': 'a startup', **fields})


def agent(who=None, **fields):
    return (who or me).made('agents', {'name': 'an agent', **fields})


def task(who=None, **fields):
    who = who or me
    if 'agent_id' not in fields:
        fields['agent_id'] = agent(who)['id']
    return who.made('tasks', fields)


MAKERS = {'startups': startup, 'agents': agent, 'tasks': task}


def audit_rows(target):
    """What the audit says of a row, oldest first."""
    return server.query('select * from audit where target = ? order by at, id', uuid.UUID(target))


class Create(Case):
    def test_the_reply_is_the_row(self):
        reply = me.post('startups', {'name': 'n', 'industry': 'tea', 'stage': 'seed', 'metadata': {'a': [1, None]}})
        self.assert_status(reply, 201)
        row = reply.json
        self.assertEqual((row['name'], row['industry'], row['stage'], row['status'], row['metadata']),
                         ('n', 'tea', 'seed', 'active', {'a': [1, None]}))
        self.assertEqual((row['owner_id'], row['version']), (me.id, 1))
        self.assertRegex(row['id'], UUID7)
        self.assertTrue(TIME.fullmatch(row['created_at']) and row['created_at'] == row['updated_at'], row)
        self.assertEqual(reply.get('ETag'), '"v1"')
        self.assertEqual(reply.get('Location'), f'{API}startups/{row["id"]}')

    def test_what_is_read_is_what_was_made(self):
        for path, make in MAKERS.items():
            row = make()
            reply = me.get(f'{path}/{row["id"]}')
            self.assertEqual((reply.json, reply.get('ETag')), (row, '"v1"'))

    def test_it_is_read_at_once_on_every_worker(self):
        for _ in range(10):
            row = startup()
            for _ in range(4):
                with Api(server, token=me.token) as api:
                    self.assert_status(api.get(f'startups/{row["id"]}'), 200)

    def test_defaults(self):
        row = agent()
        names = ('kind', 'startup_id', 'endpoint', 'config', 'status', 'metadata')
        self.assertEqual(tuple(row[name] for name in names), (None, None, None, {}, 'active', {}))
        row = task()
        names = ('status', 'attempt', 'max_attempts', 'priority', 'result', 'error')
        self.assertEqual(tuple(row[name] for name in names), ('pending', 0, 3, 0, None, None))

    def test_ids_grow_with_time(self):
        ids = [startup()['id'] for _ in range(20)]
        self.assertEqual(ids, sorted(ids))

    def test_there_is_an_audit_row_and_nothing_of_the_content_in_it(self):
        row = startup(name='very confidential')
        rows = audit_rows(row['id'])
        self.assertEqual([one['action'] for one in rows], ['startup.create'])
        self.assertEqual(rows[0]['principal_id'], me.id)
        self.assertEqual(rows[0]['principal_kind'], 'user')
        self.assertNotIn('confidential', str([tuple(one) for one in rows]))

    def test_the_audit_row_names_the_request(self):
        id = me.post('startups', {'name': 'n'}, {'X-Request-ID': 'audit-me'}).json['id']
        self.assertEqual(audit_rows(id)[0]['correlation'], 'audit-me')

    def test_what_is_refused_leaves_no_audit_row_of_a_change(self):
        def count():
            return server.query("select count(*) as n from audit where outcome = 'made'")[0]['n']
        before = count()
        me.post('startups', {'name': ''})
        me.post('startups', {'nome': 'n'})
        me.patch(f'startups/{uuid7()}', {'name': 'n'})
        me.delete(f'startups/{uuid7()}')
        stranger.get('users')
        self.assertEqual(count(), before)

    def test_needs_a_token(self):
        with Api(server) as api:
            for path in MAKERS:
                self.assert_problem(api.post(path, {'name': 'n'}), 401, 'not_authenticated')

    def test_query_parameters_have_no_place_there(self):
        self.assert_problem(me.post('startups?dry_run=true', {'name': 'n'}), 400, 'bad_query')


class Values(Case):
    def refuse(self, path, body, field, *codes):
        self.assert_fault(me.post(path, body), field, *codes)

    def test_agents(self):
        for body, field, codes in (({'name': 'n', 'status': 'asleep'}, 'status', ('oneof',)),
                                   ({'name': 'n', 'config': []}, 'config', ('type',)),
                                   ({'name': 'n', 'startup_id': 'x'}, 'startup_id', ('format', 'type')),
                                   ({'name': 'n', 'endpoint': 'javascript:alert(1)'}, 'endpoint', ('format',)),
                                   ({'name': 'n', 'endpoint': 'http://user:pass@host/'}, 'endpoint', ('format',)),
                                   ({'name': 'n', 'endpoint': 'http://a b/'}, 'endpoint', ('format',)),
                                   ({'name': 'n', 'endpoint': 'file:///etc/passwd'}, 'endpoint', ('format',)),
                                   ({'name': 'n', 'endpoint': 'http://'}, 'endpoint', ('format',))):
            with self.subTest(body):
                self.refuse('agents', body, field, *codes)

    def test_tasks(self):
        id = agent()['id']
        for body, field, codes in (({}, 'agent_id', ('required',)),
                                   ({'agent_id': None}, 'agent_id', ('required', 'type')),
                                   ({'agent_id': id, 'priority': 1e9}, 'priority', ('range', 'type')),
                                   ({'agent_id': id, 'priority': 101}, 'priority', ('range',)),
                                   ({'agent_id': id, 'priority': '5'}, 'priority', ('type',)),
                                   ({'agent_id': id, 'priority': 1.5}, 'priority', ('type', 'range')),
                                   ({'agent_id': id, 'max_attempts': 0}, 'max_attempts', ('range',)),
                                   ({'agent_id': id, 'max_attempts': -1}, 'max_attempts', ('range',)),
                                   ({'agent_id': id, 'run_at': 'soon'}, 'run_at', ('format', 'type')),
                                   ({'agent_id': id, 'run_at': 1700000000}, 'run_at', ('type', 'format'))):
            with self.subTest(body):
                self.refuse('tasks', body, field, *codes)

    def test_times(self):
        id = agent()['id']
        for text, fine in (('2030-01-02T03:04:05Z', True), ('2030-01-02T03:04:05.678901Z', True),
                           ('2030-01-02T03:04:05+02:00', True), ('2028-02-29T00:00:00Z', True),
                           ('2030-02-29T00:00:00Z', False), ('2030-13-01T00:00:00Z', False),
                           ('2030-01-02 03:04:05', False), ('2030-01-02', False), ('2030-01-02T25:00:00Z', False),
                           ('2030-01-02T03:04:05', False), ('', False), ('99999-01-01T00:00:00Z', False),
                           ('2030-01-02T03:04:05Z ', False), ('2030-1-2T3:4:5Z', False)):
            with self.subTest(text):
                reply = me.post('tasks', {'agent_id': id, 'run_at': text})
                self.assert_status(reply, 201 if fine else 422)
                if fine:
                    self.assertTrue(TIME.fullmatch(reply.json['run_at']), reply)
        reply = me.post('tasks', {'agent_id': id, 'run_at': '2030-01-02T03:04:05+02:00'})
        self.assertTrue(reply.json['run_at'].startswith('2030-01-02T01:04:05'), reply)

    def test_what_only_the_server_sets(self):
        id = agent()['id']
        for extra in ({'status': 'completed'}, {'attempt': 5}, {'result': {}}, {'error': 'x'}, {'lease': uuid7()},
                      {'owner_id': stranger.id}):
            with self.subTest(extra):
                self.assert_problem(me.post('tasks', {'agent_id': id, **extra}), (400, 422))

    def test_texts_of_every_kind_come_back(self):
        for name in ("Robert'); DROP TABLE startups;--", '<script>alert(1)</script>', '%s%n%x', '${7*7}', '\\', '"',
                     '🦆' * 40, '\u202e', 'a\u0301', ' ', '../../etc/passwd', 'null', '0'):
            with self.subTest(name):
                self.assertEqual(me.get('startups/' + startup(name=name)['id']).json['name'], name)

    def test_length_counts_bytes_to_the_last(self):
        self.assertEqual(len(startup(name='x' * 200)['name']), 200)
        self.refuse('startups', {'name': 'x' * 201}, 'name', 'length')

    def test_any_json_is_an_input(self):
        id = agent()['id']
        for value in ({}, [], 'text', 5, 0.5, True, False, {'a': [{'b': None}]}, ''):
            with self.subTest(value):
                self.assertEqual(me.get('tasks/' + task(agent_id=id, input=value)['id']).json['input'], value)


class Patch(Case):
    def test_changes_what_is_given_and_nothing_else(self):
        row = startup(industry='tea', stage='seed')
        reply = me.patch('startups/' + row['id'], {'stage': 'growth'})
        self.assert_status(reply, 200)
        new = reply.json
        self.assertEqual({name for name in row if row[name] != new[name]}, {'stage', 'version', 'updated_at'})
        self.assertEqual((new['stage'], new['version'], reply.get('ETag')), ('growth', 2, '"v2"'))
        self.assertGreater(new['updated_at'], row['updated_at'])
        self.assertEqual(me.get('startups/' + row['id']).json, new)

    def test_null_clears(self):
        row = startup(industry='tea')
        self.assertIsNone(me.patch('startups/' + row['id'], {'industry': None}).json['industry'])

    def test_null_does_not_clear_what_must_be_there(self):
        for field in ('name', 'status'):
            self.assert_fault(me.patch('startups/' + startup()['id'], {field: None}), field)

    def test_metadata_is_merged(self):
        row = startup(metadata={'keep': 1, 'drop': 2, 'deep': {'keep': 1, 'drop': 2}, 'list': [1, 2]})
        patch = {'drop': None, 'deep': {'drop': None, 'new': {'a': None}}, 'list': [3], 'more': 'x'}
        reply = me.patch('startups/' + row['id'], {'metadata': patch})
        self.assertEqual(reply.json['metadata'], {'keep': 1, 'deep': {'keep': 1, 'new': {}}, 'list': [3], 'more': 'x'})
        self.assertEqual(me.get('startups/' + row['id']).json['metadata'], reply.json['metadata'])

    def test_config_of_an_agent_is_merged(self):
        row = agent(config={'a': 1, 'b': 2})
        reply = me.patch('agents/' + row['id'], {'config': {'a': None, 'c': 3}})
        self.assertEqual(reply.json['config'], {'b': 2, 'c': 3})

    def test_metadata_grows_no_further_than_its_limit(self):
        row = startup(metadata={'a': 'x' * 9000})
        self.assert_problem(me.patch('startups/' + row['id'], {'metadata': {'b': 'x' * 9000}}), 422)
        self.assertEqual(list(me.get('startups/' + row['id']).json['metadata']), ['a'])

    def test_an_empty_one_is_harmless(self):
        row = startup()
        self.assert_status(me.patch('startups/' + row['id'], {}), 200)
        self.assertEqual(me.get('startups/' + row['id']).json['name'], row['name'])

    def test_what_is_fixed_stays(self):
        row = task()
        other = agent()['id']
        self.assert_problem(me.patch('tasks/' + row['id'], {'agent_id': other}), (400, 422))
        self.assertEqual(me.get('tasks/' + row['id']).json['agent_id'], row['agent_id'])

    def test_what_the_server_sets_is_not_taken(self):
        row = startup()
        for field, value in (('id', uuid7()), ('owner_id', stranger.id), ('version', 9),
                             ('created_at', '2020-01-01T00:00:00Z'),
                             ('updated_at', '2020-01-01T00:00:00Z')):
            with self.subTest(field):
                self.assert_problem(me.patch('startups/' + row['id'], {field: value}), (400, 422))
        self.assertEqual(me.get('startups/' + row['id']).json, row)

    def test_no_patch_is_lost_among_many(self):
        """Without If-Match each either happens whole, in some order, or says that it did not."""
        row = startup(metadata={})
        path = 'startups/' + row['id']

        def add(n):
            with Api(server, token=me.token) as api:
                for _ in range(200):
                    reply = api.patch(path, {'metadata': {f'k{n}': n}})
                    if reply.status != 409:
                        break
                return reply.status
        self.assertEqual(set(together([lambda n=n: add(n) for n in range(8)])), {200})
        self.assertEqual(me.get(path).json['metadata'], {f'k{n}': n for n in range(8)})
        self.assertEqual(me.get(path).json['version'], 9)

    def test_audit(self):
        row = startup()
        me.patch('startups/' + row['id'], {'stage': 'growth'})
        me.delete('startups/' + row['id'])
        self.assertEqual([one['action'] for one in audit_rows(row['id'])],
                         ['startup.create', 'startup.update', 'startup.delete'])
        with person(server, 'admin') as admin:
            told = admin.get(f'audit?target={row["id"]}&action=startup.update').json['items']
        self.assertEqual([one['payload']['detail'] for one in told], [{'fields': ['stage']}])

    def test_bodies_that_are_no_object(self):
        path = 'startups/' + startup()['id']
        for body in (b'null', b'[]', b'"x"', b'[{"op":"replace"}]'):
            reply = me.call('PATCH', path, body, {'Content-Type': 'application/merge-patch+json'})
            self.assert_problem(reply, (400, 422))


class Delete(Case):
    def test_is_gone_everywhere(self):
        for path, make in MAKERS.items():
            row = make()
            self.assert_status(me.delete(f'{path}/{row["id"]}'), 204)
            for _ in range(6):
                with Api(server, token=me.token) as api:
                    self.assert_problem(api.get(f'{path}/{row["id"]}'), 404, 'not_found')
            self.assert_problem(me.delete(f'{path}/{row["id"]}'), 404)
            self.assert_problem(me.patch(f'{path}/{row["id"]}', {}), 404)
            self.assertNotIn(row['id'], me.get(f'{path}?limit=1000').body.decode())

    def test_what_others_depend_on_stays(self):
        owner = startup()
        worker = agent(startup_id=owner['id'])
        work = task(agent_id=worker['id'])
        self.assert_problem(me.delete('startups/' + owner['id']), 409, 'in_use')
        self.assert_problem(me.delete('agents/' + worker['id']), 409, 'in_use')
        for path in ('tasks/' + work['id'], 'agents/' + worker['id'], 'startups/' + owner['id']):
            self.assert_status(me.delete(path), 204)

    def test_a_refused_one_leaves_no_audit_row(self):
        owner = startup()
        agent(startup_id=owner['id'])
        me.delete('startups/' + owner['id'])
        self.assertEqual([one['action'] for one in audit_rows(owner['id'])], ['startup.create'])

    def test_of_many_at_once_one_succeeds(self):
        row = startup()

        def drop():
            with Api(server, token=me.token) as api:
                return api.delete('startups/' + row['id']).status
        found = together([drop] * 8)
        self.assertEqual(found.count(204), 1, found)
        self.assertLessEqual(set(found), {204, 404, 409})

    def test_with_a_body(self):
        row = startup()
        reply = me.call('DELETE', 'startups/' + row['id'], {'name': 'n'})
        self.assert_status(reply, 204, 400)


class Preconditions(Case):
    def test_if_none_match(self):
        row = startup()
        path = 'startups/' + row['id']
        for tag in ('"v1"', 'W/"v1"', '*', '"v0", "v1"', '"x","v1"'):
            with self.subTest(tag):
                reply = me.get(path, {'If-None-Match': tag})
                self.assert_status(reply, 304)
                self.assertEqual((reply.body, reply.get('ETag')), (b'', '"v1"'))
        for tag in ('"v2"', '"v10"', 'v1', '""', '"v1', 'nonsense', '"v"', '"V1"'):
            with self.subTest(tag):
                self.assert_status(me.get(path, {'If-None-Match': tag}), 200)

    def test_304_ends_with_a_change(self):
        row = startup()
        me.patch('startups/' + row['id'], {'name': 'new'})
        reply = me.get('startups/' + row['id'], {'If-None-Match': '"v1"'})
        self.assert_status(reply, 200)
        self.assertEqual(reply.json['name'], 'new')

    def test_304_is_no_way_around_the_gates(self):
        row = startup()
        self.assert_problem(stranger.get('startups/' + row['id'], {'If-None-Match': '*'}), 404)
        with Api(server) as api:
            self.assert_problem(api.get('startups/' + row['id'], {'If-None-Match': '"v1"'}), 401)

    def test_if_match(self):
        row = startup()
        path = 'startups/' + row['id']
        self.assert_status(me.patch(path, {'name': 'a'}, {'If-Match': '"v1"'}), 200)
        self.assert_problem(me.patch(path, {'name': 'b'}, {'If-Match': '"v1"'}), 412, 'precondition_failed')
        self.assert_status(me.patch(path, {'name': 'c'}, {'If-Match': '"v1", "v2"'}), 200)
        self.assert_status(me.patch(path, {'name': 'd'}, {'If-Match': '*'}), 200)
        for tag in ('W/"v4"', 'v4', '"v40"', '', 'nonsense'):
            with self.subTest(tag):
                self.assert_problem(me.patch(path, {'name': 'e'}, {'If-Match': tag}), (400, 412))
        self.assertEqual(me.get(path).json['name'], 'd')

    def test_if_match_on_delete(self):
        row = startup()
        path = 'startups/' + row['id']
        self.assert_problem(me.delete(path, {'If-Match': '"v2"'}), 412)
        self.assert_status(me.get(path), 200)
        self.assert_status(me.delete(path, {'If-Match': '"v1"'}), 204)

    def test_of_many_with_one_tag_one_wins(self):
        row = startup()
        path = 'startups/' + row['id']

        def change(n):
            with Api(server, token=me.token) as api:
                return api.patch(path, {'name': f'winner {n}'}, {'If-Match': '"v1"'}).status
        found = together([lambda n=n: change(n) for n in range(10)])
        self.assertEqual((found.count(200), found.count(412)), (1, 9), found)
        self.assertEqual(me.get(path).json['name'], f'winner {found.index(200)}')
        self.assertEqual([one['action'] for one in audit_rows(row['id'])], ['startup.create', 'startup.update'])


class Idempotency(Case):
    def key(self):
        return {'Idempotency-Key': 'k-' + uuid7()}

    def test_a_repetition_gets_the_reply_again(self):
        key = self.key()
        first, second = (me.post('startups', {'name': 'once'}, key) for _ in range(2))
        self.assert_status(second, 201)
        self.assertEqual((first.body, first.get('Location'), first.get('ETag')),
                         (second.body, second.get('Location'), second.get('ETag')))
        self.assertEqual(len(audit_rows(first.json['id'])), 1)

    def test_on_every_worker(self):
        key, found = self.key(), set()
        for _ in range(12):
            with Api(server, token=me.token) as api:
                found.add(api.post('startups', {'name': 'once'}, key).json['id'])
        self.assertEqual(len(found), 1)

    def test_another_body_is_refused(self):
        key = self.key()
        me.post('startups', {'name': 'once'}, key)
        self.assert_problem(me.post('startups', {'name': 'twice'}, key), 422, 'idempotency_key_reused')
        self.assert_problem(me.post('agents', {'name': 'once'}, key), 422, 'idempotency_key_reused')

    def test_many_at_once_make_one_row(self):
        key, name = self.key(), 'race ' + uuid7()

        def make():
            with Api(server, token=me.token) as api:
                return api.post('startups', {'name': name}, key)
        found = together([make] * 10)
        self.assertLessEqual({reply.status for reply in found}, {201, 409}, found)
        self.assertEqual(len({reply.json['id'] for reply in found if reply.status == 201}), 1)
        self.assertLessEqual({reply.code for reply in found if reply.status == 409}, {'in_progress'})
        self.assertEqual(len([item for item in me.walk('startups', 1000) if item['name'] == name]), 1)

    def test_it_is_the_callers_own(self):
        key = self.key()
        a = me.post('startups', {'name': 'once'}, key).json
        b = stranger.post('startups', {'name': 'once'}, key)
        self.assert_status(b, 201)
        self.assertNotEqual(a['id'], b.json['id'])
        self.assertEqual(b.json['owner_id'], stranger.id)

    def test_a_refusal_is_not_kept(self):
        key = self.key()
        self.assert_status(me.post('startups', {'name': ''}, key), 422)
        self.assert_status(me.post('startups', {'name': 'now right'}, key), 201)

    def test_patch_and_delete(self):
        row, key = startup(), self.key()
        path = 'startups/' + row['id']
        versions = [me.patch(path, {'name': 'p'}, key).json['version'] for _ in range(3)]
        self.assertEqual(versions, [2, 2, 2])
        key = self.key()
        self.assert_status(me.delete(path, key), 204)
        self.assert_status(me.delete(path, key), 204, 404)

    def test_keys_that_are_none(self):
        for value in ('', 'x' * 256, 'a b', 'a\tb'):
            with self.subTest(value):
                self.assert_problem(me.post('startups', {'name': 'n'}, {'Idempotency-Key': value}), 400, 'bad_header')
        for value in ('x' * 255, 'a,b', '"quoted"', uuid7()):
            with self.subTest(value):
                self.assert_status(me.post('startups', {'name': 'n'}, {'Idempotency-Key': value}), 201)

    def test_a_secret_is_not_kept(self):
        key = self.key()
        body = {'name': 'k', 'scopes': ['startup:read']}
        first, second = me.post('api-keys', body, key), me.post('api-keys', body, key)
        self.assert_status(first, 201)
        self.assert_problem(second, 409, 'reply_not_kept')
        bodies = [str(row['body']) for row in server.query('select body from idempotency')]
        self.assertTrue(bodies)
        self.assertNotIn('gh_', str(bodies))

    def test_a_replay_does_not_outlive_the_right_to_it(self):
        victim = register(server)
        key = self.key()
        reply = victim.post('startups', {'name': 'once'}, key)
        self.assert_status(reply, 201)
        victim.post('auth/logout')
        self.assert_problem(victim.post('startups', {'name': 'once'}, key), 401)


class Hidden(Case):
    """What one may not see is not there: the same answer, byte for byte but for the correlation id."""

    def face(self, reply):
        told = reply.json
        told.pop('correlation_id')
        headers = sorted((name, value) for name, value in reply.headers
                         if name not in ('X-Request-ID', 'Decision-Id', 'Date', 'RateLimit-Remaining',
                                         'RateLimit-Reset'))
        return reply.status, told, headers

    def test_a_strangers_row_looks_absent(self):
        for path, make in MAKERS.items():
            row = make()
            for method, tail, body in (('GET', '', None), ('PATCH', '', {'metadata': {}}), ('DELETE', '', None)):
                with self.subTest(f'{method} {path}'):
                    headers = {'X-Request-ID': 'x'}
                    foreign = stranger.call(method, f'{path}/{row["id"]}{tail}', body, headers)
                    absent = stranger.call(method, f'{path}/{uuid7()}{tail}', body, headers)
                    self.assertEqual(self.face(foreign), self.face(absent))
                    self.assertEqual(foreign.status, 404)

    def test_so_it_does_for_an_admin(self):
        admin = person(server, 'admin')
        for path, make in MAKERS.items():
            row = make()
            for method, body in (('GET', None), ('PATCH', {'metadata': {}}), ('DELETE', None)):
                self.assert_problem(admin.call(method, f'{path}/{row["id"]}', body), 404)
            self.assertEqual(admin.get(f'{path}?limit=1000').json['items'], [])
        admin.close()

    def test_tasks_verbs(self):
        row = task()
        for verb, body in (('heartbeat', {'lease': uuid7()}), ('complete', {'lease': uuid7()}),
                           ('fail', {'lease': uuid7()}), ('cancel', None)):
            with self.subTest(verb):
                foreign = stranger.post(f'tasks/{row["id"]}/{verb}', body, {'X-Request-ID': 'x'})
                absent = stranger.post(f'tasks/{uuid7()}/{verb}', body, {'X-Request-ID': 'x'})
                self.assertEqual(self.face(foreign), self.face(absent))
                self.assertEqual(foreign.status, 404)
        self.assertEqual(me.get('tasks/' + row['id']).json['status'], 'pending')

    def test_lists_hold_only_ones_own(self):
        rows = {path: make()['id'] for path, make in MAKERS.items()}
        for path, id in rows.items():
            self.assertNotIn(id, stranger.get(f'{path}?limit=1000').body.decode())
            for item in me.walk(path, 1000):
                self.assertEqual(item['owner_id'], me.id)

    def test_references_to_foreign_and_absent_rows_look_alike(self):
        for path, field, foreign, rest in (('agents', 'startup_id', startup()['id'], {'name': 'n'}),
                                           ('tasks', 'agent_id', agent()['id'], {})):
            with self.subTest(field):
                replies = [stranger.post(path, {field: id, **rest}, {'X-Request-ID': 'x'}) for id in (foreign, uuid7())]
                self.assertEqual(self.face(replies[0]), self.face(replies[1]))
                self.assert_fault(replies[0], field, 'reference')

    def test_so_they_do_in_a_patch_and_a_claim(self):
        own, foreign = agent(stranger), startup()
        replies = [stranger.patch('agents/' + own['id'], {'startup_id': id}, {'X-Request-ID': 'x'})
                   for id in (foreign['id'], uuid7())]
        self.assertEqual(self.face(replies[0]), self.face(replies[1]))
        self.assert_fault(replies[0], 'startup_id', 'reference')
        replies = [stranger.post('tasks/claim', {'agent_id': id}, {'X-Request-ID': 'x'})
                   for id in (agent()['id'], uuid7())]
        self.assertEqual(self.face(replies[0]), self.face(replies[1]))
        self.assertEqual(replies[0].status, 422)

    def test_filters_by_foreign_rows_find_nothing(self):
        owner = startup()
        agent(startup_id=owner['id'])
        self.assertEqual(stranger.get('agents?startup_id=' + owner['id']).json['items'], [])

    def test_a_row_that_was_just_read_by_its_owner_is_still_hidden(self):
        """The owner's look fills the caches of both workers; they hold facts, not verdicts."""
        row = startup()
        for _ in range(8):
            with Api(server, token=me.token) as mine, Api(server, token=stranger.token) as theirs:
                self.assert_status(mine.get('startups/' + row['id']), 200)
                self.assert_problem(theirs.get('startups/' + row['id']), 404)


class Viewer(Case):
    def test_reads_and_does_nothing_else(self):
        viewer = person(server, 'viewer')
        self.assert_status(viewer.get('startups'), 200)
        self.assert_problem(viewer.post('startups', {'name': 'n'}), 403, 'forbidden')
        self.assert_problem(viewer.post('agents', {'name': 'n'}), 403)
        self.assert_problem(viewer.post('tasks/claim', {}), 403)
        viewer.close()

    def test_may_not_change_what_was_his_when_he_was_more(self):
        admin, one = person(server, 'admin'), register(server)
        row = startup(one)
        self.assert_status(admin.patch(f'users/{one.id}', {'role': 'viewer'}), 200)
        one.sign_in()
        self.assert_status(one.get('startups/' + row['id']), 200)
        self.assert_problem(one.patch('startups/' + row['id'], {'name': 'n'}), 403)
        self.assert_problem(one.delete('startups/' + row['id']), 403)
        admin.close()
        one.close()

    def test_403_comes_before_what_the_body_says(self):
        viewer = person(server, 'viewer')
        self.assert_problem(viewer.call('POST', 'startups', b'{nonsense', {'Content-Type': 'application/json'}), 403)
        viewer.close()


class Lists(Case):
    """Of one who has 250 startups."""

    N = 250

    @classmethod
    def setUpClass(cls):
        cls.me = register(server)
        bodies = [{'name': f'name {i * 7919 % cls.N:03}', 'industry': ('tea', 'rice')[i % 2], 'stage': f's{i % 5}',
                   'status': ('active', 'paused', 'closed')[i % 3]} for i in range(cls.N)]
        replies = cls.me.many([('POST', 'startups', body) for body in bodies])
        cls.rows = [reply.json for reply in replies]
        assert all(reply.status == 201 for reply in replies)

    @classmethod
    def tearDownClass(cls):
        cls.me.close()

    def ids(self, query):
        reply = self.me.get('startups?' + query)
        self.assert_status(reply, 200)
        return [item['id'] for item in reply.json['items']]

    def test_default_is_a_hundred_newest_first(self):
        told = self.me.get('startups').json
        self.assertEqual(set(told), {'items', 'next'})
        self.assertEqual([item['id'] for item in told['items']], [row['id'] for row in self.rows[::-1][:100]])
        self.assertTrue(told['next'])

    def test_items_are_whole_rows(self):
        self.assertEqual(self.me.get('startups?limit=1').json['items'][0], self.rows[-1])

    def test_all_at_once(self):
        told = self.me.get('startups?limit=1000').json
        self.assertEqual((len(told['items']), told['next']), (self.N, None))

    def test_the_last_page_has_no_next_even_when_full(self):
        items, after = self.me.page('startups', 125)
        items, after = self.me.page('startups', 125, after)
        self.assertEqual((len(items), after), (125, None))

    def test_pages_of_any_size_hold_each_row_once_in_order(self):
        wanted = {'created_at': lambda row: (row['created_at'], row['id']),
                  'name': lambda row: (row['name'], row['id']),
                  'updated_at': lambda row: (row['updated_at'], row['id'])}
        for column, key in wanted.items():
            for sort, down in ((column, False), ('-' + column, True)):
                for size in (7, 100) if column == 'name' else (33,):
                    with self.subTest(f'{sort} {size}'):
                        found = [item['id'] for item in self.me.walk('startups', size, sort=sort)]
                        self.assertEqual(found, [row['id'] for row in sorted(self.rows, key=key, reverse=down)])

    def test_rows_that_come_meanwhile_disturb_nobody(self):
        """Every row that was there at the start is seen exactly once, whatever is added."""
        other = register(server)
        was = {other.made('startups', {'name': f'n{i:03}'})['id'] for i in range(60)}
        for sort in ('name', '-name', 'created_at', '-created_at'):
            seen, after = [], None
            while True:
                items, after = other.page('startups', 7, after, sort=sort)
                seen += [item['id'] for item in items]
                other.made('startups', {'name': 'n000'})
                other.made('startups', {'name': 'n059x'})
                if after is None:
                    break
                self.assertLess(len(seen), 1000)
            with self.subTest(sort):
                self.assertEqual(len(seen), len(set(seen)))
                self.assertLessEqual(was, set(seen))
        other.close()

    def test_rows_that_go_meanwhile_disturb_nobody(self):
        other = register(server)
        ids = [other.made('startups', {'name': f'n{i:02}'})['id'] for i in range(30)]
        items, after = other.page('startups', 10, sort='name')
        for id in ids[5:15]:                    # the one that the cursor stands on is among them
            self.assert_status(other.delete('startups/' + id), 204)
        rest, _ = other.page('startups', 100, after, sort='name')
        self.assertEqual([item['id'] for item in rest], ids[15:])
        other.close()

    def test_skip(self):
        everyone = self.ids('limit=1000&sort=name')
        self.assertEqual(self.ids('limit=10&skip=20&sort=name'), everyone[20:30])
        self.assertEqual(self.ids('limit=10&skip=245&sort=name'), everyone[245:])
        self.assertEqual(self.ids('limit=10&skip=250&sort=name'), [])
        self.assertEqual(self.ids('limit=10&skip=0&sort=name'), everyone[:10])

    def test_a_page_by_skip_leads_on_by_cursor(self):
        everyone = self.ids('limit=1000&sort=name')
        reply = self.me.get('startups?limit=10&skip=20&sort=name').json
        self.assertEqual(self.ids(f'limit=5&sort=name&after={reply["next"]}'), everyone[30:35])

    def test_filters(self):
        for query, wanted in (('industry=tea', lambda row: row['industry'] == 'tea'),
                              ('status=paused', lambda row: row['status'] == 'paused'),
                              ('industry=rice&stage=s1', lambda row: (row['industry'], row['stage']) == ('rice', 's1')),
                              ('stage=s1&status=active&industry=tea',
                               lambda row: (row['stage'], row['status'], row['industry']) == ('s1', 'active', 'tea')),
                              ('industry=coffee', lambda row: False), ('industry=', lambda row: False)):
            with self.subTest(query):
                reply = self.me.get(f'startups?limit=1000&sort=created_at&{query}')
                if query == 'industry=' and reply.status in (400, 422):
                    continue
                self.assert_status(reply, 200)
                self.assertEqual([item['id'] for item in reply.json['items']],
                                 [row['id'] for row in self.rows if wanted(row)])

    def test_filters_go_with_pages(self):
        found = [item['id'] for item in self.me.walk('startups', 9, sort='name', industry='tea', status='active')]
        wanted = [row for row in self.rows if row['industry'] == 'tea' and row['status'] == 'active']
        self.assertEqual(found, [row['id'] for row in sorted(wanted, key=lambda row: (row['name'], row['id']))])

    def test_filter_texts_are_decoded(self):
        other = register(server)
        for text in ('a b', 'a+b', 'a&b=c', 'é', "'", '%', 'ü%20'):
            id = other.made('startups', {'name': 'n', 'industry': text})['id']
            found = other.get('startups?industry=' + quote(text, safe='')).json['items']
            self.assertEqual([item['id'] for item in found], [id], text)
        found = other.get('startups?industry=a+b').json['items']
        self.assertEqual([item['industry'] for item in found], ['a b'])
        other.close()

    def test_filters_are_no_patterns(self):
        for text in ('%', 't%', '_ea', '*', "tea' or '1'='1", 'TEA'):
            with self.subTest(text):
                self.assertEqual(self.ids('industry=' + quote(text, safe='')), [])

    def test_limits_have_bounds(self):
        for value in ('0', '-1', '1001', '999999999999999999999', '1.5', 'x', '', ' 5', '+5', '0x10', '1e2', '5,5',
                      'ten', '%35 '):
            with self.subTest(value):
                self.assert_problem(self.me.get('startups?limit=' + quote(value, safe='%')), (400, 422))
        for value in ('1', '1000'):
            self.assert_status(self.me.get('startups?limit=' + value), 200)

    def test_skips_have_bounds(self):
        for value in ('-1', 'x', '', '1.5', '99999999999999999999'):
            with self.subTest(value):
                self.assert_problem(self.me.get('startups?skip=' + value), (400, 422))

    def test_parameters_that_are_none(self):
        for query in ('x=1', 'limit=5&limit=6', 'name=a', 'sort=owner_id', 'sort=password', 'sort=', 'sort=--name',
                      'sort=name,created_at', 'sort=name;drop', 'owner_id=' + self.me.id, 'id=' + self.rows[0]['id'],
                      'Limit=5', 'limit', 'limit=5&', '&', '=', 'industry=%', 'industry=%zz', 'industry=%ff',
                      'industry=%00', 'industry=%ed%a0%80', 'metadata=x', 'version=1', 'industry=tea&industry=rice',
                      'limit=5;skip=1'):
            with self.subTest(query):
                reply = self.me.get('startups?' + query)
                if query in ('limit=5&', '&'):
                    self.assert_status(reply, 200, 400)
                else:
                    self.assert_problem(reply, 400)

    def test_filter_values_that_do_not_fit(self):
        self.assert_problem(self.me.get('startups?status=asleep'), (400, 422))
        self.assert_problem(self.me.get('startups?status='), (400, 422))

    def test_skip_and_after_exclude_each_other(self):
        _, after = self.me.page('startups', 5)
        self.assert_problem(self.me.get(f'startups?skip=5&after={after}'), 400)

    def test_cursors_that_are_none(self):
        _, after = self.me.page('startups', 5, sort='name')
        for bad in ('x', '', after[:-1], after + 'A', after[:-2] + ('AA' if after[-2:] != 'AA' else 'BB'), 'A' * 5000,
                    '../..', 'null', '0', b64({'id': self.rows[0]['id']}), b64(b'name'), after[:10] + '!' + after[11:],
                    after.swapcase(), after + '%3D'):
            with self.subTest(bad[:60]):
                reply = self.me.get('startups?sort=name&limit=5&after=' + bad)
                self.assert_status(reply, 400, 200)
                if reply.status == 400:
                    self.assert_problem(reply, 400, 'bad_cursor', 'bad_query')
                else:       # a cursor that happens to be well formed can only lead to ones own rows
                    self.assertLessEqual({item['owner_id'] for item in reply.json['items']}, {self.me.id})
        for bad in ('x', '', 'A' * 5000, '../..', after[:10] + '!' + after[11:], after[:-1]):
            with self.subTest(bad[:60]):
                self.assert_problem(self.me.get('startups?sort=name&limit=5&after=' + bad), 400)

    def test_a_cursor_of_another_sort_or_list(self):
        _, after = self.me.page('startups', 5, sort='name')
        for query in (f'startups?sort=created_at&after={after}', f'startups?sort=-name&after={after}'):
            with self.subTest(query):
                self.assert_problem(self.me.get(query), 400, 'bad_cursor')
        reply = self.me.get(f'startups?after={after}')      # no sort: refused, or that of the cursor
        self.assert_status(reply, 200, 400)
        if reply.status == 200:
            everyone = self.ids('limit=1000&sort=name')
            self.assertEqual([item['id'] for item in reply.json['items']], everyone[5:105])
        agent(self.me)
        agent(self.me)
        self.assert_problem(self.me.get(f'agents?sort=name&after={after}'), 400, 'bad_cursor')

    def test_a_cursor_gives_no_one_anything_else(self):
        _, after = self.me.page('startups', 5, sort='name')
        mine = {item['id'] for item in me.walk('startups', 1000)}
        reply = me.get(f'startups?sort=name&limit=1000&after={after}')
        self.assert_status(reply, 200, 400)
        if reply.status == 200:
            self.assertLessEqual({item['id'] for item in reply.json['items']}, mine)

    def test_names_sort_by_code_point(self):
        other = register(server)
        names = ['Z', 'a', 'B', 'ä', 'z', 'Ä', '1', ' ', '\U0001f986', '\uffee', '~', 'é']
        for name in names:
            other.made('startups', {'name': name})
        self.assertEqual([item['name'] for item in other.walk('startups', 5, sort='name')], sorted(names))
        self.assertEqual([item['name'] for item in other.walk('startups', 3, sort='-name')],
                         sorted(names, reverse=True))
        other.close()

    def test_tasks_sort_by_priority(self):
        other = register(server)
        id = agent(other)['id']
        for priority in (5, -3, 0, 100, -100, 5, 7):
            task(other, agent_id=id, priority=priority)
        self.assertEqual([item['priority'] for item in other.walk('tasks', 2, sort='priority')],
                         [-100, -3, 0, 5, 5, 7, 100])
        other.close()

    def test_head_of_a_list(self):
        reply = self.me.call('HEAD', 'startups?limit=5')
        self.assert_status(reply, 200)
        self.assertGreater(int(reply.get('Content-Length')), 100)


class Together(Case):
    def test_many_writers_of_many_owners(self):
        """What was said to be done is there, whole, and nothing else is."""
        people = [register(server) for _ in range(4)]
        said, lock = {person.id: set() for person in people}, threading.Lock()

        def work(who, n):
            with Api(server, token=who.token) as api:
                for i in range(15):
                    reply = api.post('startups', {'name': f'{n} {i}', 'metadata': {'by': who.id}})
                    with lock:
                        if reply.status == 201:
                            said[who.id].add(reply.json['id'])
                    if i % 3 == 0 and reply.status == 201 and api.delete('startups/' + reply.json['id']).status == 204:
                        with lock:
                            said[who.id].discard(reply.json['id'])
        together([lambda who=who, n=n: work(who, n) for who in people for n in range(3)])
        for who in people:
            rows = list(who.walk('startups', 20))
            self.assertEqual({row['id'] for row in rows}, said[who.id])
            self.assertEqual({row['metadata']['by'] for row in rows}, {who.id})
            who.close()

    def test_reads_follow_writes_on_every_worker(self):
        """After the reply to a change nobody sees the row as it was before."""
        row = startup()
        path, wrong = 'startups/' + row['id'], []
        floor, stop = [1], threading.Event()

        def read():
            while not stop.is_set():
                with Api(server, token=me.token) as api:
                    for _ in range(20):
                        least = floor[0]
                        reply = api.get(path)
                        if reply.status != 200 or reply.json['version'] < least:
                            wrong.append((least, reply))
        threads = [threading.Thread(target=read) for _ in range(4)]
        for thread in threads:
            thread.start()
        until = time.monotonic() + 2
        with Api(server, token=me.token) as api:
            while time.monotonic() < until:
                floor[0] = api.patch(path, {'stage': 'x'}).json['version']
        stop.set()
        for thread in threads:
            thread.join()
        self.assertGreater(floor[0], 5)
        self.assertEqual(wrong, [])


if __name__ == '__main__':
    unittest.main()
