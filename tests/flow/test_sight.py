"""What the operator sees: health, metrics, log lines, the description of the API; and what nobody must see there."""
import json
import re
import shutil
import subprocess
import time
import unittest

from support import (Api, Case, Conn, PASSWORD, Server, fresh_email, fresh_source, login, person, register, request,
                     strict_json, uuid7)

ENGINES = 'sqlite (postgres)'      # what is shown comes from above the store

server = admin = me = None
secrets = set()         # whatever must never stand in a log

FAMILIES = ('http_', 'auth_', 'gate_', 'limit_', 'cache_', 'store_', 'task_', 'business_', 'process_', 'error_')
SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(.*)\})? (\S+)')
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)')


def setUpModule():
    global server, admin, me
    server = Server(JWT_SECRET='the-secret-of-this-very-server-0123456789').start()
    admin = person(server, 'admin')
    me = register(server)
    live()


def tearDownModule():
    admin.close()
    me.close()
    server.finish()


def live():
    """A little of everything, its secrets noted."""
    secrets.update((PASSWORD, 'the-secret-of-this-very-server', 'swordfish-of-the-log', '$2b$'))
    one = register(server)
    secrets.update((one.token, one.token.split('.')[2], one.refresh_token))
    reply = one.post('api-keys', {'name': 'k', 'scopes': ['startup:read']})
    key = re.search(r'gh_\w{8}_[\w-]{43}', reply.body.decode())[0]
    secrets.update((key, key[12:]))
    with Api(server, key=key) as api:
        api.get('startups')
    with Api(server, source=fresh_source()) as api:
        login(api, one.email, 'swordfish-of-the-log')
        api.post('auth/register', {'email': fresh_email(), 'password': 'swordfish-of-the-log'})
        api.post('auth/login', {'email': one.email, 'password': 'swordfish-of-the-log', 'x': 1})
        api.call('POST', 'auth/login', b'{"password":"swordfish-of-the-log', {'Content-Type': 'application/json'})
        api.get('auth/me', {'Authorization': 'Bearer swordfish-of-the-log'})
        api.get('auth/me', {'Authorization': 'Basic swordfish-of-the-log'})
        api.get('auth/me', {'X-API-Key': 'swordfish-of-the-log'})
        api.get('auth/me', {'Cookie': 'session=swordfish-of-the-log'})
        api.get('startups?access_token=swordfish-of-the-log')
        reply = api.post('auth/refresh', {'refresh_token': one.refresh_token})
        secrets.update((reply.json['refresh_token'], reply.json['access_token']))
        api.post('auth/refresh', {'refresh_token': 'swordfish-of-the-log'})
    one.post('auth/password', {'current_password': PASSWORD, 'new_password': 'swordfish-of-the-log'})
    agent = me.made('agents', {'name': 'a', 'config': {'key': 'swordfish-of-the-log'}})['id']
    me.made('tasks', {'agent_id': agent, 'input': 'swordfish-of-the-log'})
    item = me.post('tasks/claim', {}).json['items'][0]
    secrets.add(item['lease'])
    me.post(f'tasks/{item["id"]}/complete', {'lease': item['lease'], 'result': 'swordfish-of-the-log'})
    me.post('startups', {'name': 'swordfish-of-the-log'})
    me.post('startups', {'name': 5, 'metadata': 'swordfish-of-the-log'})
    me.patch('startups/' + uuid7(), {'name': 'swordfish-of-the-log'})
    me.get("startups/1'or'1'='1")
    admin.post(f'users/{me.id}/password', {'password': PASSWORD})
    me.sign_in()
    secrets.update(me.tokens())
    server.run('user', 'reset', '--email', one.email, text='swordfish-of-the-log\n')
    with Conn(server.port) as conn:
        conn.send(b'GET / HTTP/1.1\r\nAuthorization: swordfish-of-the-log\r\nBad Header: x\r\n\r\n')
        conn.reply()


def log():
    """The lines of the log once what was just done must stand there."""
    time.sleep(0.4)
    return server.text().splitlines()


class Health(Case):
    def test_all_three(self):
        with Api(server) as api:
            for path in ('/health', '/health/live', '/health/ready'):
                reply = api.get(path)
                self.assert_status(reply, 200)
                self.assertEqual(reply.get('Content-Type'), 'application/json')
                self.assertIn('status', reply.json)

    def test_tells_of_each_dependency(self):
        told = me.get('/health').json
        self.assertEqual(told['status'], 'ok')
        self.assertIn('store', told)
        self.assertIn('cache', told)
        self.assertEqual(told['workers'], {'configured': 2, 'running': 2})

    def test_tells_nothing_that_helps_an_attacker(self):
        text = me.get('/health').body.decode()
        for word in (server.data, server.folder, 'root', str(server.process.pid)):
            self.assertNotIn(word, text)

    def test_takes_no_query(self):
        with Api(server) as api:
            self.assert_status(api.get('/health/live?verbose=1'), 200, 400)


class Metrics(Case):
    def page(self):
        reply = me.get('/metrics')
        self.assert_status(reply, 200)
        self.assertTrue(reply.get('Content-Type').startswith('text/plain; version=0.0.4'), reply)
        return reply.body.decode()

    def parse(self):
        """{family: (kind, {(name, labels): value})} by the rules of the text format 0.0.4."""
        families, family = {}, None
        text = self.page()
        self.assertTrue(text.endswith('\n'))
        for line in text.splitlines():
            if line.startswith('# HELP '):
                family = line.split(' ', 3)[2]
                self.assertNotIn(family, families, 'HELP comes twice')
                families[family] = [None, {}]
            elif line.startswith('# TYPE '):
                _, _, name, kind = line.split(' ')
                self.assertEqual(name, family)
                self.assertIn(kind, ('counter', 'gauge', 'histogram'))
                families[name][0] = kind
            else:
                match = SAMPLE.fullmatch(line)
                self.assertTrue(match, line)
                name, labels, value = match[1], match[3], float(match[4])
                found = dict(LABEL.findall(labels or ''))
                self.assertEqual(LABEL.sub('', labels or ''), '', line)
                kind = families[family][0]
                suffix = name[len(family):]
                allowed = ('_bucket', '_sum', '_count') if kind == 'histogram' else ('',)
                self.assertTrue(name.startswith(family) and suffix in allowed, line)
                key = (name, tuple(sorted(found.items())))
                self.assertNotIn(key, families[family][1], 'a sample comes twice')
                families[family][1][key] = value
                if kind != 'gauge':
                    self.assertGreaterEqual(value, 0, line)
        return families

    def test_the_format_is_strict(self):
        for name, (kind, samples) in self.parse().items():
            self.assertIsNotNone(kind, name)
            if kind == 'counter':
                self.assertTrue(name.endswith('_total'), name)

    def test_histograms_are_sound(self):
        for name, (kind, samples) in self.parse().items():
            if kind != 'histogram':
                continue
            rows = {}
            for (sample, labels), value in samples.items():
                rest = tuple(pair for pair in labels if pair[0] != 'le')
                if sample == name + '_bucket':
                    rows.setdefault(rest, {})[dict(labels)['le']] = value
            for rest, buckets in rows.items():
                ordered = [buckets[le] for le in sorted(buckets, key=float)]
                self.assertEqual(ordered, sorted(ordered), f'{name} {rest}')
                self.assertEqual(buckets['+Inf'], samples[(name + '_count', rest)])
                self.assertIn((name + '_sum', rest), samples)

    def test_promtool_has_no_complaint(self):
        tool = shutil.which('promtool')
        if not tool:
            self.skipTest('promtool is not here')
        done = subprocess.run([tool, 'check', 'metrics'], input=self.page(), capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr.strip()), (0, ''))

    def test_the_families_that_must_exist(self):
        families = self.parse()
        for name in ('http_requests_total', 'http_request_duration_seconds', 'tasks_total'):
            self.assertIn(name, families)
        self.assertGreaterEqual(len(families), 20)
        for prefix in FAMILIES:
            self.assertTrue(any(name.startswith((prefix, prefix[:-1] + 's_')) for name in families), prefix)

    def test_a_request_counts_once_whoever_serves_it(self):
        def count():
            return sum(value for (_, labels), value in self.parse()['http_requests_total'][1].items()
                       if dict(labels).get('route') == 'GET /api/v1/auth/me' and dict(labels).get('status') == '2xx')
        before = count()
        for _ in range(20):
            with Api(server, token=me.token) as api:
                api.get('auth/me')
        self.assertEqual(count(), before + 20)

    def test_no_label_grows_with_what_clients_send(self):
        def size():
            return sum(len(samples) for _, samples in self.parse().values())
        def send(n):
            me.get(f'/nowhere/{n}')
            me.get(f'startups/{uuid7()}')
            me.get('auth/me', {'User-Agent': f'agent/{n}', 'Origin': f'https://n{n}.example'})
        for n in range(20):         # what there is to be seen for the first time
            send(n)
        size()
        before = size()
        for n in range(40):
            send(100 + n)
        self.assertLess(size() - before, 20, 'a line more for each that is new')

    def test_what_is_created_and_deleted_is_counted(self):
        def counts():
            families = self.parse()
            return [sum(value for (_, labels), value in families[name][1].items() if ('resource', 'startup') in labels)
                    for name in ('business_created_total', 'business_deleted_total')]
        before = counts()
        rows = [me.made('startups', {'name': 'n'})['id'] for _ in range(3)]
        me.delete('startups/' + rows[0])
        me.post('startups', {'name': ''})
        after = counts()
        self.assertEqual([after[0] - before[0], after[1] - before[1]], [3, 1])

    def test_ids_and_addresses_are_no_labels(self):
        text = self.page()
        self.assertNotRegex(text, r'[0-9a-f]{8}-[0-9a-f]{4}-7')
        self.assertNotIn('@', text)

    def test_from_elsewhere_it_needs_a_permission(self):
        """X-Forwarded-For from an untrusted loopback peer: the request came through some proxy, so it is not near."""
        with Api(server) as api:
            self.assert_problem(api.get('/metrics', {'X-Forwarded-For': '203.0.113.1'}), (401, 403))
        self.assert_problem(me.get('/metrics', {'X-Forwarded-For': '203.0.113.1'}), 403)
        self.assert_status(admin.get('/metrics', {'X-Forwarded-For': '203.0.113.1'}), 200)


class Log(Case):
    def test_every_line_is_one_json_object(self):
        for line in log():
            told = strict_json(line)
            self.assertIsInstance(told, dict)

    def test_every_line_says_when_how_grave_and_what(self):
        for line in log():
            told = json.loads(line)
            self.assertRegex(json.dumps(told), r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d')
            self.assertTrue({'debug', 'info', 'warn', 'error'} & {str(value) for value in told.values()}, line)

    def mine(self, id, wanted=1):
        until = time.monotonic() + 3
        while True:
            found = [told for told in server.lines() if told.get('correlation_id') == id]
            if len(found) >= wanted or time.monotonic() > until:
                time.sleep(0.2)
                return [told for told in server.lines() if told.get('correlation_id') == id]
            time.sleep(0.05)

    def test_one_line_for_each_request(self):
        for name, act, status in (('one-ok', lambda h: me.get('auth/me', h), 200),
                                  ('one-missing', lambda h: me.get('/nowhere', h), 404),
                                  ('one-made', lambda h: me.post('startups', {'name': 'n'}, h), 201),
                                  ('one-bad', lambda h: me.post('startups', {'name': 5}, h), 422),
                                  ('one-denied', lambda h: me.get('users', h), 403),
                                  ('one-anonymous', lambda h: Api(server).get('auth/me', h), 401),
                                  ('one-health', lambda h: me.get('/health/live', h), 200),
                                  ('one-options', lambda h: me.call('OPTIONS', 'startups', None, h), 204),
                                  ('one-method', lambda h: me.delete('startups', h), 405)):
            with self.subTest(name):
                self.assert_status(act({'X-Request-ID': name}), status)
                found = self.mine(name)
                self.assertEqual(len(found), 1, found)
                self.assertEqual(found[0].get('status'), status)
                self.assertIn('method', found[0])
                self.assertIn('path', found[0])

    def test_one_line_for_each_of_a_pipeline(self):
        with Conn(server.port) as conn:
            conn.send(b''.join(request('GET', '/health/live', {'X-Request-ID': f'pipe-{n}'}) for n in range(30)))
            for _ in range(30):
                conn.reply()
        self.mine('pipe-29')
        ids = [told.get('correlation_id') for told in server.lines()]
        self.assertEqual([ids.count(f'pipe-{n}') for n in range(30)], [1] * 30)

    def test_the_id_of_the_reply_is_the_id_of_the_line(self):
        reply = me.get('/nowhere')
        self.assertEqual(len(self.mine(reply.get('X-Request-ID'))), 1)

    def test_a_denial_names_its_gate_and_reason(self):
        row = me.made('startups', {'name': 'n'})
        stranger = register(server)
        for name, act, gate in (('deny-rbac', lambda h: me.get('users', h), 'rbac'),
                                ('deny-owner', lambda h: stranger.get('startups/' + row['id'], h), 'ownership'),
                                ('deny-uuid', lambda h: me.get('startups/x', h), 'uuid'),
                                ('deny-token', lambda h: Api(server, token='x').get('auth/me', h), 'identity')):
            with self.subTest(name):
                reply = act({'X-Request-ID': name})
                told = self.mine(name)[0]
                self.assertEqual(told.get('gate'), gate)
                self.assertTrue(told.get('reason') or told.get('code'), told)
                self.assertNotIn(gate, reply.json['detail'])

    def test_a_hidden_row_and_an_absent_one_differ_in_the_log_alone(self):
        row = me.made('startups', {'name': 'n'})
        stranger = register(server)
        stranger.get('startups/' + row['id'], {'X-Request-ID': 'log-hidden'})
        stranger.get('startups/' + uuid7(), {'X-Request-ID': 'log-absent'})
        self.assertNotEqual(self.mine('log-hidden')[0].get('reason'), self.mine('log-absent')[0].get('reason'))

    def test_nobody_writes_lines_of_his_own(self):
        for text in ('a\\nb', '%0a{"event":"forged"}', '{"event":"forged"}', '"},{"event":"forged"', '\x1b[31m',
                     '\xff\xfe', '%0d%0aforged'):
            with Conn(server.port) as conn:
                conn.send(f'GET /{text} HTTP/1.1\r\nHost: x\r\nUser-Agent: {text}\r\nX-Request-ID: {text}\r\n\r\n'
                          .encode('latin-1'))
                conn.reply()
        for line in log():
            self.assertNotEqual(strict_json(line).get('event'), 'forged')

    def test_a_long_path_makes_a_bounded_line(self):
        me.get('/' + 'a' * 7000, {'X-Request-ID': 'long-path'})
        self.mine('long-path')
        self.assertLess(max(len(line) for line in log()), 10000)

    def test_malformed_requests_have_a_line(self):
        before = len([told for told in server.lines() if told.get('status') == 400])
        with Conn(server.port) as conn:
            conn.send(b'GET / HTTP/1.1\r\nHost : x\r\n\r\n')
            conn.reply()
        time.sleep(0.4)
        self.assertGreater(len([told for told in server.lines() if told.get('status') == 400]), before)


class Secrets(Case):
    """Last of all by its name: over the log of the whole run."""

    def test_zz_none_is_in_the_log(self):
        text = '\n'.join(log()) + server.text('out')
        for secret in secrets:
            self.assertNotIn(secret, text, 'a secret stands in the log')

    def test_zz_no_query_string_is_in_the_log(self):
        self.assertNotIn('access_token', '\n'.join(log()))

    def test_zz_none_is_in_the_audit(self):
        text = str([tuple(row) for row in server.query('select * from audit')])
        for secret in secrets - {'$2b$'}:
            self.assertNotIn(secret, text)

    def test_zz_none_but_content_is_in_the_store(self):
        content = server.store.dump()
        for secret in secrets - {'$2b$', 'swordfish-of-the-log'}:
            if not re.fullmatch(r'[0-9a-f-]{36}', secret):
                self.assertNotIn(secret, content)
                self.assertNotIn(secret.encode().hex(), content)

    def test_zz_nothing_of_memory_is_told_in_errors(self):
        for reply in (me.get('/nowhere'), me.get('startups/x'), me.post('startups', {'name': 5}), me.get('users')):
            self.assertNotRegex(reply.body.decode(),
                                r'0x[0-9a-f]{6,}|\.c:\d+|sqlite|postgres|libpq|redis|SELECT|select |/src/')


class OpenApi(Case):
    @classmethod
    def setUpClass(cls):
        cls.doc = me.get('/openapi.json').json

    def resolve(self, value):
        while '$ref' in value:
            self.assertTrue(value['$ref'].startswith('#/'), value)
            at = self.doc
            for part in value['$ref'][2:].split('/'):
                at = at[part.replace('~1', '/').replace('~0', '~')]
            value = at
        return value

    def test_is_3_1(self):
        self.assertRegex(self.doc['openapi'], r'^3\.1\.\d+$')
        self.assertTrue(self.doc['info']['title'] and self.doc['info']['version'])

    def test_holds_every_route_and_no_other(self):
        _, out, _ = server.run('routes')
        routes = {(line.split()[0].lower().replace('any', 'get'), line.split()[1])      # of any method once
                  for line in out.splitlines() if line.strip()}
        told = {(method, path.replace('{id2}', '{id}')) for path, item in self.doc['paths'].items() for method in item
                if method in ('get', 'post', 'put', 'patch', 'delete', 'head', 'options')}
        self.assertEqual(told - {pair for pair in told if pair[0] in ('head', 'options')}, routes)

    def test_is_what_the_command_prints(self):
        _, out, _ = server.run('openapi')
        self.assertEqual(strict_json(out), self.doc)

    def test_every_reference_leads_somewhere(self):
        def walk(value):
            if isinstance(value, dict):
                if '$ref' in value:
                    yield value['$ref']
                for inner in value.values():
                    yield from walk(inner)
            elif isinstance(value, list):
                for inner in value:
                    yield from walk(inner)
        references = set(walk(self.doc))
        for reference in references:
            self.resolve({'$ref': reference})

    def test_every_operation_is_whole(self):
        names = []
        for path, item in self.doc['paths'].items():
            for method, operation in item.items():
                if method == 'parameters':
                    continue
                with self.subTest(f'{method} {path}'):
                    self.assertTrue(operation.get('summary') or operation.get('description'))
                    self.assertTrue(operation['responses'])
                    for code in operation['responses']:
                        self.assertRegex(code, r'^([1-5](\d\d|XX)|default)$')
                    names.append(operation.get('operationId'))
                    wanted = set(re.findall(r'\{(\w+)\}', path))
                    parameters = operation.get('parameters', []) + item.get('parameters', [])
                    given = {p['name'] for p in map(self.resolve, parameters)
                             if p.get('in') == 'path' and p.get('required') is True}
                    self.assertEqual(given, wanted)
        self.assertEqual(len(names), len(set(names)), 'an operationId comes twice')

    def test_rows_are_as_described(self):
        """What a reply holds is what its schema names."""
        row = me.made('startups', {'name': 'n'})
        operation = self.doc['paths']['/api/v1/startups/{id}']['get']
        schema = self.resolve(operation['responses']['200'])['content']['application/json']['schema']
        self.assertEqual(set(self.resolve(schema)['properties']), set(row))

    def test_needs_no_token(self):
        with Api(server) as api:
            self.assert_status(api.get('/openapi.json'), 200)


if __name__ == '__main__':
    unittest.main()
