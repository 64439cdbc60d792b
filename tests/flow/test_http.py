"""HTTP/1.1 as well-behaved clients speak it."""
import email.utils
import gzip
import json
import itertools
import re
import time
import unittest
import uuid

from support import (API, Api, Case, Conn, Server, login, person, register, request, together, uuid7)

ENGINES = 'sqlite (postgres)'      # the store has no part in it
ALLOWED = 'https://app.example'
server = me = None

# Each carries its marks on every reply, whatever came of the request.
SECURITY = {'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
            'X-Content-Type-Options': 'nosniff', 'X-Frame-Options': 'DENY', 'Referrer-Policy': 'no-referrer'}


def setUpModule():
    global server, me
    server = Server(CORS_ORIGINS=f'{ALLOWED}, https://other.example').start()
    me = register(server)


def tearDownModule():
    me.close()
    server.finish()


def live(**headers):
    return request('GET', '/health/live', {name.replace('_', '-'): value for name, value in headers.items()})


class KeepAlive(Case):
    def test_one_connection_serves_many_requests(self):
        with Conn(server.port) as conn:
            for _ in range(50):
                reply = conn.ask('GET', '/health/live')
                self.assert_status(reply, 200)
                self.assertFalse(reply.closes)

    def test_close_is_honoured(self):
        for value in ('close', 'Close', 'keep-alive, close'):
            with self.subTest(value), Conn(server.port) as conn:
                reply = conn.ask('GET', '/health/live', {'Connection': value})
                self.assert_status(reply, 200)
                self.assertTrue(reply.closes, reply)
                conn.nothing_but_end()

    def test_http_1_0_closes(self):
        with Conn(server.port) as conn:
            conn.send(request('GET', '/health/live', version='1.0'))
            self.assert_status(conn.reply(), 200)
            conn.nothing_but_end()

    def test_http_1_0_needs_no_host(self):
        with Conn(server.port) as conn:
            conn.send(b'GET /health/live HTTP/1.0\r\n\r\n')
            self.assert_status(conn.reply(), 200)
            conn.nothing_but_end()

    def test_http_1_0_keep_alive_is_honoured(self):
        with Conn(server.port) as conn:
            for _ in range(3):
                conn.send(request('GET', '/health/live', {'Connection': 'keep-alive'}, version='1.0'))
                reply = conn.reply()
                self.assert_status(reply, 200)
                self.assertEqual(reply.get('Connection', '').lower(), 'keep-alive')

    def test_two_hundred_connections_at_once(self):
        conns = [Conn(server.port) for _ in range(200)]
        try:
            for conn in conns:
                conn.send(live())
            for conn in conns:
                self.assert_status(conn.reply(), 200)
        finally:
            for conn in conns:
                conn.close()


class Pipelining(Case):
    def test_answers_come_in_order_though_one_is_slow(self):
        body = {'email': me.email, 'password': me.password}
        with Conn(server.port) as conn:
            conn.send(live(X_Request_ID='first')
                      + request('POST', API + 'auth/login', {'X-Request-ID': 'slow'}, body)
                      + live(X_Request_ID='last'))
            replies = [conn.final() for _ in range(3)]
            self.assertEqual([reply.get('X-Request-ID') for reply in replies], ['first', 'slow', 'last'])
            self.assertEqual([reply.status for reply in replies], [200, 200, 200])
            self.assertIn('access_token', replies[1].json)
            self.assertTrue(conn.quiet(0.1))

    def test_several_hundred_in_one_write(self):
        replies = me.many([('GET', 'auth/me', None) if i % 3 else ('GET', '/health/live', None) for i in range(400)])
        self.assertEqual({reply.status for reply in replies}, {200})
        self.assertTrue(all(reply.json.get('email') == me.email for reply in replies[1::3]))

    def test_a_change_is_seen_by_the_read_behind_it(self):
        row = me.made('startups', {'name': 'before'})
        path = 'startups/' + row['id']
        replies = me.many([step for i in range(10) for step in (('PATCH', path, {'name': f'n{i}'}),
                                                                ('GET', path, None))])
        self.assertEqual([reply.json['name'] for reply in replies], [f'n{i // 2}' for i in range(20)])

    def test_answers_larger_than_every_buffer_arrive_whole(self):
        row = me.made('startups', {'name': 'large', 'metadata': {'filler': 'x' * 15000}})
        ids = [f'r{i}' for i in range(600)]
        with Conn(server.port, timeout=30) as conn:
            path = f'{API}startups/{row["id"]}'
            data = b''.join(request('GET', path, me.headers({'X-Request-ID': id})) for id in ids)
            # Nothing is read before all is sent: the server must hold back and then go on.
            conn.sock.settimeout(1)
            sent = 0
            try:
                while sent < len(data):
                    sent += conn.sock.send(data[sent:sent + 4096])
            except TimeoutError:
                pass
            conn.sock.settimeout(30)
            seen = []
            while len(seen) < len(ids):
                if sent < len(data):
                    sent += conn.sock.send(data[sent:sent + 4096])
                reply = conn.reply()
                self.assert_status(reply, 200)
                self.assertEqual(len(reply.json['metadata']['filler']), 15000)
                seen.append(reply.get('X-Request-ID'))
            self.assertEqual(seen, ids)

    def test_what_follows_close_is_not_answered(self):
        with Conn(server.port) as conn:
            conn.send(live(Connection='close', X_Request_ID='one') + live(X_Request_ID='two'))
            self.assertEqual(conn.reply().get('X-Request-ID'), 'one')
            conn.nothing_but_end()

    def test_a_half_closed_client_gets_its_answer(self):
        with Conn(server.port) as conn:
            conn.send(request('POST', API + 'auth/login', (), {'email': me.email, 'password': me.password}))
            conn.half_close()
            self.assert_status(conn.reply('POST'), 200)
            conn.nothing_but_end()

    def test_a_half_closed_client_gets_all_of_its_answers(self):
        with Conn(server.port) as conn:
            conn.send(request('POST', API + 'auth/login', {'X-Request-ID': 'a'},
                              {'email': me.email, 'password': me.password})
                      + live(X_Request_ID='b') + live(X_Request_ID='c'))
            conn.half_close()
            self.assertEqual([conn.final().get('X-Request-ID') for _ in range(3)], ['a', 'b', 'c'])


class Pieces(Case):
    def test_a_request_byte_by_byte(self):
        with Conn(server.port) as conn:
            for byte in request('POST', API + 'startups', me.headers(), {'name': 'in pieces'}):
                conn.send(bytes([byte]))
            reply = conn.final('POST')
            self.assert_status(reply, 201)
            self.assertEqual(reply.json['name'], 'in pieces')

    def test_a_request_cut_anywhere(self):
        data = request('PATCH', f'{API}startups/{uuid7()}', me.headers(), {'name': 'cut'})
        with Conn(server.port) as conn:
            for at in itertools.chain(range(1, 60), range(60, len(data), 7), range(len(data) - 20, len(data))):
                conn.send(data[:at])
                time.sleep(0.001)
                conn.send(data[at:])
                reply = conn.final('PATCH')
                self.assertEqual(reply.status, 404, f'cut at {at}: {reply}')

    def test_two_requests_cut_anywhere_in_the_second(self):
        one, two = live(X_Request_ID='one'), request('POST', API + 'startups', {}, {'name': 'no token'})
        with Conn(server.port) as conn:
            for at in range(1, len(two), 3):
                conn.send(one + two[:at])
                self.assertEqual(conn.reply().get('X-Request-ID'), 'one')
                conn.send(two[at:])
                reply = conn.final('POST')
                self.assertEqual(reply.status, 401, f'cut at {at}: {reply}')
                if reply.closes:
                    self.fail('a small body that was not wanted cost the connection')

    def test_empty_lines_before_a_request_are_passed_over(self):
        with Conn(server.port) as conn:
            conn.send(b'\r\n\r\n' + live())
            self.assert_status(conn.reply(), 200)


class Bodies(Case):
    def post(self, conn, chunks, ending=b'0\r\n\r\n', **headers):
        conn.send(request('POST', API + 'startups', {**me.headers(), 'Content-Type': 'application/json',
                                                     'Transfer-Encoding': 'chunked', **headers}))
        for chunk in chunks:
            conn.send(b'%x\r\n%s\r\n' % (len(chunk), chunk))
        conn.send(ending)
        return conn.final('POST')

    def test_chunked(self):
        with Conn(server.port) as conn:
            reply = self.post(conn, [b'{"na', b'me":"', b'in chunks"', b'}'])
            self.assert_status(reply, 201)
            self.assertEqual(reply.json['name'], 'in chunks')
            self.assert_status(conn.ask('GET', '/health/live'), 200)

    def test_chunked_with_extension_and_trailer(self):
        with Conn(server.port) as conn:
            conn.send(request('POST', API + 'startups', {**me.headers(), 'Content-Type': 'application/json',
                                                         'Transfer-Encoding': 'chunked'}))
            conn.send(b'10;name=value;flag\r\n{"name":"extra"}\r\n0\r\nX-Trailer: yes\r\n\r\n')
            reply = conn.final('POST')
            self.assert_status(reply, 201, 400)
            if reply.status == 201:
                self.assert_status(conn.ask('GET', '/health/live'), 200)
            else:
                conn.nothing_but_end()

    def test_coding_name_in_any_case(self):
        with Conn(server.port) as conn:
            self.assert_status(self.post(conn, [b'{"name":"case"}'], **{'Transfer-Encoding': 'Chunked'}), 201)

    def test_sized_body_in_many_segments(self):
        body = b'{"name":"segments","metadata":{"filler":"' + b'y' * 15000 + b'"}}'
        data = request('POST', API + 'startups', {**me.headers(), 'Content-Type': 'application/json'}, body)
        with Conn(server.port) as conn:
            for at in range(0, len(data), 1000):
                conn.send(data[at:at + 1000])
            self.assert_status(conn.final('POST'), 201)

    def test_body_of_a_refused_request_does_not_become_a_request(self):
        inner = live(X_Request_ID='inner')
        with Conn(server.port) as conn:
            conn.send(request('POST', API + 'startups', {'Content-Type': 'application/json'}, inner)
                      + live(X_Request_ID='behind'))
            self.assert_problem(conn.final('POST'), 401)
            self.assertEqual(conn.reply().get('X-Request-ID'), 'behind')
            self.assertTrue(conn.quiet(0.1))

    def test_body_of_a_read_is_passed_over(self):
        with Conn(server.port) as conn:
            conn.send(request('GET', '/health/live', (), live(X_Request_ID='inner')) + live(X_Request_ID='behind'))
            self.assert_status(conn.reply(), 200, 400)
            self.assertEqual(conn.reply().get('X-Request-ID'), 'behind')
            self.assertTrue(conn.quiet(0.1))

    def test_body_of_an_unknown_path_is_passed_over(self):
        with Conn(server.port) as conn:
            conn.send(request('POST', '/nowhere', (), live(X_Request_ID='inner')) + live(X_Request_ID='behind'))
            self.assert_problem(conn.final('POST'), 404)
            self.assertEqual(conn.reply().get('X-Request-ID'), 'behind')


class Continue(Case):
    BODY = b'{"name":"after continue"}'

    def head(self, length=None, headers=None, version='1.1', token=True):
        return request('POST', API + 'startups',
                       {**(me.headers() if token else {}), 'Content-Type': 'application/json', 'Expect': '100-continue',
                        'Content-Length': len(self.BODY) if length is None else length, **(headers or {})},
                       version=version)

    def test_100_comes_before_the_body(self):
        with Conn(server.port) as conn:
            conn.send(self.head())
            self.assertEqual(conn.reply('POST').status, 100)
            self.assertTrue(conn.quiet(0.2))
            conn.send(self.BODY)
            self.assert_status(conn.reply('POST'), 201)
            self.assert_status(conn.ask('GET', '/health/live'), 200)

    def test_a_refusal_comes_instead_of_100(self):
        with Conn(server.port) as conn:
            conn.send(self.head(token=False))
            reply = conn.reply('POST')
            self.assert_problem(reply, 401)
            self.assertTrue(reply.closes, 'whether the body comes is unknown: the connection cannot go on')
            conn.nothing_but_end()

    def test_413_comes_instead_of_100(self):
        with Conn(server.port) as conn:
            conn.send(self.head(length=(1 << 20) + 1))
            self.assert_problem(conn.reply('POST'), 413)
            conn.nothing_but_end()

    def test_no_100_when_the_body_is_there_already(self):
        with Conn(server.port) as conn:
            conn.send(self.head() + self.BODY)
            self.assert_status(conn.final('POST'), 201)

    def test_no_100_for_http_1_0(self):
        with Conn(server.port) as conn:
            conn.send(self.head(version='1.0'))
            self.assertTrue(conn.quiet(0.3))
            conn.send(self.BODY)
            self.assert_status(conn.reply('POST'), 201)

    def test_unknown_expectation(self):
        with Conn(server.port) as conn:
            conn.send(request('GET', '/health/live', {'Expect': 'the-unexpected'}))
            self.assert_problem(conn.reply(), 417)


class Methods(Case):
    def test_head_is_get_without_its_body(self):
        with Conn(server.port) as conn:
            got = conn.ask('GET', '/openapi.json')
            reply = conn.ask('HEAD', '/openapi.json')
            self.assertEqual(reply.status, got.status)
            self.assertEqual(reply.get('Content-Length'), got.get('Content-Length'))
            self.assertEqual(reply.get('Content-Type'), got.get('Content-Type'))
            self.assertTrue(conn.quiet(0.2), 'a body behind a HEAD')
            self.assert_status(conn.ask('GET', '/health/live'), 200)

    def test_head_of_an_error_has_no_body(self):
        with Conn(server.port) as conn:
            for path, status in (('/nowhere', 404), (API + 'startups', 401)):
                self.assert_status(conn.ask('HEAD', path), status)
                self.assertTrue(conn.quiet(0.1))

    def test_head_never_changes_anything(self):
        reply = me.call('HEAD', 'startups')
        self.assert_status(reply, 200)
        reply = me.call('HEAD', 'auth/logout')
        self.assert_status(reply, 405)
        self.assert_status(me.get('auth/me'), 200)

    def test_options_names_the_methods(self):
        with Conn(server.port) as conn:
            reply = conn.ask('OPTIONS', API + 'startups')
            self.assert_status(reply, 204)
            self.assertLessEqual({'GET', 'POST', 'HEAD', 'OPTIONS'}, set(re.split(r',\s*', reply.get('Allow'))))
            self.assertNotIn('DELETE', reply.get('Allow'))

    def test_options_of_the_server(self):
        with Conn(server.port) as conn:
            self.assert_status(conn.ask('OPTIONS', '*'), 200, 204, 404)
            self.assert_status(conn.ask('GET', '/health/live'), 200)

    def test_405_names_the_methods(self):
        for method, path, has in (('DELETE', API + 'startups', 'POST'), ('PUT', API + 'startups', 'GET'),
                                  ('POST', '/health/live', 'GET'), ('GET', API + 'auth/login', 'POST')):
            with self.subTest(f'{method} {path}'), Conn(server.port) as conn:
                reply = conn.ask(method, path)
                self.assert_problem(reply, 405, 'method_not_allowed')
                self.assertIn(has, re.split(r',\s*', reply.get('Allow')))
                self.assertNotIn(method, re.split(r',\s*', reply.get('Allow')))

    def test_unknown_methods(self):
        for method in ('BREW', 'TRACE', 'PROPFIND', 'LINK'):
            with self.subTest(method), Conn(server.port) as conn:
                self.assert_problem(conn.ask(method, '/health/live'), (400, 405, 501))


class Paths(Case):
    def test_an_unknown_path_is_a_problem(self):
        with Conn(server.port) as conn:
            told = self.assert_problem(conn.ask('GET', '/nowhere'), 404, 'not_found')
            self.assertNotIn('nowhere', told['detail'])

    def test_there_is_no_second_spelling(self):
        for path in ('//health/live', '/health//live', '/health/live/', '/health/./live', '/health/../health/live',
                     '/x/../health/live', '/%68ealth/live', '/health%2flive', '/Health/live', '/health/live%00',
                     '/health/live;a=b', '/health\\live', API + 'startups/', API.rstrip('/') + '//startups'):
            with self.subTest(path), Conn(server.port) as conn:
                self.assert_problem(conn.ask('GET', path, me.headers()), (400, 404))

    def test_unknown_paths_look_alike_with_and_without_credentials(self):
        with Conn(server.port) as conn:
            for path in ('/nowhere', API + 'nowhere', API + f'nowhere/{uuid7()}'):
                self.assert_problem(conn.ask('GET', path), 404, 'not_found')
                self.assert_problem(conn.ask('GET', path, me.headers()), 404, 'not_found')

    def test_absolute_form_is_the_same_resource(self):
        with Conn(server.port) as conn:
            reply = conn.ask('GET', 'http://gatehouse.test/health/live')
            self.assert_status(reply, 200)


class Marks(Case):
    def replies(self):
        """One of each kind."""
        found = {
            '200': me.get('auth/me'), '200 open': me.get('/health'), '404': me.get('/nowhere'),
            '401': Api(server).get('auth/me'), '405': me.delete('startups'),
            '422': me.post('startups', {'name': ''}),
            '204': me.call('OPTIONS', 'startups'), 'list': me.get('startups'),
            '201': me.post('startups', {'name': 'a'}), 'metrics': me.get('/metrics'),
            'openapi': me.get('/openapi.json'),
        }
        found['304'] = me.get('startups/' + found['201'].json['id'], {'If-None-Match': found['201'].get('ETag')})
        for name, data in {'400': b'GET / HTTP/1.1\r\nHost : x\r\n\r\n', '501': b'BREW / HTTP/1.1\r\nHost: x\r\n\r\n',
                           '414': b'GET /' + b'a' * 9000 + b' HTTP/1.1\r\nHost: x\r\n\r\n'}.items():
            with Conn(server.port) as conn:
                conn.try_send(data)
                found[name] = conn.final()
        return found

    def test_security_headers_on_every_kind_of_reply(self):
        for kind, reply in self.replies().items():
            with self.subTest(kind):
                self.assertEqual({name: reply.get(name) for name in SECURITY}, SECURITY, reply)

    def test_no_header_comes_twice(self):
        for kind, reply in self.replies().items():
            with self.subTest(kind):
                names = [name.lower() for name, _ in reply.headers if name.lower() != 'vary']
                self.assertEqual(len(names), len(set(names)), reply.head)

    def test_no_plain_http_reply_speaks_of_tls(self):
        self.assertIsNone(me.get('auth/me').get('Strict-Transport-Security'))

    def test_what_is_private_is_never_stored(self):
        for kind, reply in self.replies().items():
            if kind not in ('200 open', '204', 'openapi', 'metrics'):
                with self.subTest(kind):
                    self.assertIn('no-store', reply.get('Cache-Control', ''), reply)

    def test_a_reply_that_holds_tokens_is_never_stored(self):
        with Api(server) as api:
            self.assertIn('no-store', login(api, me.email, me.password).get('Cache-Control', ''))

    def test_date_is_now(self):
        for kind, reply in self.replies().items():
            with self.subTest(kind):
                date = reply.get('Date')
                self.assertRegex(date, r'^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$')
                self.assertAlmostEqual(email.utils.parsedate_to_datetime(date).timestamp(), time.time(), delta=3)

    def test_nothing_tells_what_it_is_built_of(self):
        for kind, reply in self.replies().items():
            with self.subTest(kind):
                self.assertIsNone(reply.get('X-Powered-By'))
                self.assertNotRegex(reply.get('Server', ''), r'[\d/]')


class RequestId(Case):
    def test_a_sane_one_comes_back(self):
        for value in ('abc', 'A-b_c.9', 'x' * 64, uuid7()):
            with self.subTest(value):
                self.assertEqual(me.get('/health/live', {'X-Request-ID': value}).get('X-Request-ID'), value)

    def test_it_is_the_correlation_id_of_a_problem(self):
        reply = me.get('/nowhere', {'X-Request-ID': 'mine'})
        self.assertEqual(self.assert_problem(reply, 404)['correlation_id'], 'mine')

    def test_an_insane_one_is_replaced(self):
        for value in ('', 'x' * 65, 'a b', 'a"b', '{"a":1}', 'a\tb', 'a;b', '<a>', 'a\\n', 'caf\xe9', "a'b", 'a/b'):
            with self.subTest(value):
                reply = me.get('/nowhere', {'X-Request-ID': value})
                self.assertNotEqual(reply.get('X-Request-ID'), value)
                self.assertRegex(reply.get('X-Request-ID'), r'^[A-Za-z0-9._-]{8,64}$')
                self.assert_problem(reply, 404)

    def test_one_is_made_and_never_twice(self):
        with Conn(server.port) as conn:
            ids = [conn.ask('GET', '/health/live').get('X-Request-ID') for _ in range(50)]
        self.assertEqual(len(set(ids)), 50)


class Compression(Case):
    @classmethod
    def setUpClass(cls):
        cls.large = 'startups/' + me.made('startups', {'name': 'g', 'metadata': {'filler': 'z' * 3000}})['id']
        cls.small = 'startups/' + me.made('startups', {'name': 's'})['id']

    def test_large_replies_are_compressed(self):
        plain = me.get(self.large)
        reply = me.get(self.large, {'Accept-Encoding': 'gzip'})
        self.assertEqual(reply.get('Content-Encoding'), 'gzip')
        self.assertEqual(gzip.decompress(reply.body), plain.body)
        self.assertLess(len(reply.body), len(plain.body))

    def test_caches_are_told_that_it_varies(self):
        for headers in ({'Accept-Encoding': 'gzip'}, {}):
            vary = ','.join(me.get(self.large, headers).all('Vary')).lower()
            self.assertIn('accept-encoding', [name.strip() for name in vary.split(',')])

    def test_small_replies_are_not(self):
        self.assertIsNone(me.get(self.small, {'Accept-Encoding': 'gzip'}).get('Content-Encoding'))

    def test_only_for_whom_it_is_acceptable(self):
        for value in ('', 'identity', 'br', 'gzip;q=0', 'gzip; q=0.0', '*;q=0', 'gzip;q=0, *', 'xgzip', 'gzipx'):
            with self.subTest(value):
                reply = me.get(self.large, {'Accept-Encoding': value})
                self.assertIsNone(reply.get('Content-Encoding'))
                self.assertEqual(len(reply.json['metadata']['filler']), 3000)

    def test_it_is_found_in_a_list(self):
        for value in ('deflate, gzip;q=1.0, *;q=0.5', 'br,gzip', 'GZIP', 'gzip;q=0.001'):
            with self.subTest(value):
                self.assertEqual(me.get(self.large, {'Accept-Encoding': value}).get('Content-Encoding'), 'gzip')

    def test_head_of_a_compressed_reply(self):
        got = me.get(self.large, {'Accept-Encoding': 'gzip'})
        head = me.call('HEAD', self.large, None, {'Accept-Encoding': 'gzip'})
        self.assertEqual((head.status, head.body), (200, b''))
        self.assertEqual(head.get('Content-Length'), got.get('Content-Length'))
        self.assert_status(me.get('/health/live'), 200)

    def test_many_large_ones_at_once(self):
        filler = ''.join(chr(97 + i * 7 % 26) for i in range(8000))
        ids = [me.made('startups', {'name': f'page{i:02}', 'metadata': {'filler': filler, 'n': i}})['id']
               for i in range(30)]

        def read():
            with Api(server, token=me.token) as api:
                reply = api.get('startups?limit=30&sort=-created_at', {'Accept-Encoding': 'gzip'})
                self.assertEqual(reply.get('Content-Encoding'), 'gzip')
                return [item['id'] for item in json.loads(gzip.decompress(reply.body))['items']]
        for found in together([read] * 16):
            self.assertEqual(found, ids[::-1])


    def test_clients_that_leave_while_their_reply_is_compressed_cost_nothing(self):
        """The description of the API is large enough for the pool; what each held must be found again at the end."""
        conns = [Conn(server.port) for _ in range(60)]
        for conn in conns:
            conn.send(request('GET', '/openapi.json', {'Accept-Encoding': 'gzip'}))
        time.sleep(0.02)    # most are read now, and wait for the pool
        for conn in conns:
            conn.reset()
        with Conn(server.port) as conn:
            reply = conn.ask('GET', '/openapi.json', {'Accept-Encoding': 'gzip'})
            self.assertEqual(reply.get('Content-Encoding'), 'gzip')
            json.loads(gzip.decompress(reply.body))


class Cors(Case):
    def ask(self, origin, method='GET', path=API + 'startups', **headers):
        with Conn(server.port) as conn:
            return conn.ask(method, path, {'Origin': origin, **{k.replace('_', '-'): v for k, v in headers.items()}})

    def test_an_allowed_origin_is_named(self):
        for origin in (ALLOWED, 'https://other.example'):
            reply = self.ask(origin)
            self.assertEqual(reply.get('Access-Control-Allow-Origin'), origin)
            self.assertIn('origin', ','.join(reply.all('Vary')).lower())

    def test_no_other_origin_is(self):
        for origin in ('https://evil.example', 'http://app.example', 'https://app.example.evil.com',
                       'https://app.exampl', 'https://app.example:8443', 'https://APP.example/', 'null', '*', '',
                       'https://xapp.example', 'https://app.example, https://other.example', 'https://app.example,'):
            with self.subTest(origin):
                reply = self.ask(origin)
                self.assertEqual([name for name, _ in reply.headers if name.lower().startswith('access-control-')], [])

    def test_without_an_origin_caches_still_learn_that_it_matters(self):
        reply = me.get('startups')
        self.assertIn('origin', ','.join(reply.all('Vary')).lower())
        self.assertIsNone(reply.get('Access-Control-Allow-Origin'))

    def test_preflight(self):
        reply = self.ask(ALLOWED, 'OPTIONS', Access_Control_Request_Method='PATCH',
                         Access_Control_Request_Headers='authorization,content-type')
        self.assert_status(reply, 200, 204)
        self.assertEqual(reply.get('Access-Control-Allow-Origin'), ALLOWED)
        self.assertIn('PATCH', reply.get('Access-Control-Allow-Methods'))
        self.assertLessEqual({'authorization', 'content-type', 'if-match', 'idempotency-key'},
                             set(re.split(r',\s*', reply.get('Access-Control-Allow-Headers').lower())))

    def test_preflight_of_another_origin(self):
        reply = self.ask('https://evil.example', 'OPTIONS', Access_Control_Request_Method='PATCH')
        self.assertIsNone(reply.get('Access-Control-Allow-Origin'))
        self.assertIsNone(reply.get('Access-Control-Allow-Methods'))

    def test_errors_carry_it_too(self):
        reply = self.ask(ALLOWED, path='/nowhere')
        self.assert_status(reply, 404)
        self.assertEqual(reply.get('Access-Control-Allow-Origin'), ALLOWED)

    def test_scripts_may_read_the_headers_that_matter(self):
        exposed = self.ask(ALLOWED).get('Access-Control-Expose-Headers', '').lower()
        self.assertLessEqual({'etag', 'retry-after', 'x-request-id', 'location', 'decision-id', 'ratelimit-limit',
                              'ratelimit-remaining', 'ratelimit-reset'}, set(re.split(r',\s*', exposed)))


class Trace(Case):
    """W3C Trace Context: taken where it is one, never made."""

    ID, SPAN = '4bf92f3577b34da6a3ce929d0e0e4736', '00f067aa0ba902b7'
    GOOD = f'00-{ID}-{SPAN}-01'

    def line(self, *values, path='/nowhere'):
        name = uuid.uuid4().hex
        with Conn(server.port) as conn:
            conn.ask('GET', path, [('X-Request-ID', name), *(('traceparent', value) for value in values)])
        return server.wait_for_line(lambda told: told.get('correlation_id') == name and told['event'] == 'request')

    def test_the_log_line_carries_it(self):
        told = self.line(self.GOOD)
        self.assertEqual((told['trace_id'], told['parent_span']), (self.ID, self.SPAN))
        self.assertIn('decision_id', told)

    def test_what_is_none_is_left(self):
        for values in ((), (self.GOOD.upper(),), (self.GOOD[:-1],), ('01' + self.GOOD[2:],), (self.GOOD, self.GOOD),
                       (f'00-{"0" * 32}-{self.SPAN}-01',), ('"},{"trace_id":"x',)):
            with self.subTest(values):
                told = self.line(*values)
                self.assertEqual(told['status'], 404)
                self.assertNotIn('trace_id', told)
                self.assertNotIn('parent_span', told)

    def test_the_audit_carries_it(self):
        """Of a change and of a denial; where none was sent, there is none."""
        with person(server, 'admin') as boss, register(server) as me:
            traced = {'traceparent': self.GOOD}
            made = me.made('startups', {'name': 'n'}, traced)['id']
            plain = me.made('startups', {'name': 'n'})['id']
            self.assert_status(me.get('users', traced), 403)
            told = {}
            for _ in range(100):    # a denial is written a moment later
                told = {(row['action'], row['target']): row['payload'].get('trace_id')
                        for row in boss.walk('audit', principal_id=me.id)}
                if ('user.list', None) in told:
                    break
                time.sleep(0.1)
            self.assertEqual(told['startup.create', made], self.ID)
            self.assertIsNone(told['startup.create', plain])
            self.assertEqual(told['user.list', None], self.ID)


if __name__ == '__main__':
    unittest.main()
