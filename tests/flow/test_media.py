"""Media: bytes that come and go without being held, what they are, who may have them, and URLs that are signed."""
import hashlib
import os
import socket
import threading
import time
import unittest
from unittest import mock

from support import Api, Case, Person, Server, fresh_email, register, uuid7
from support.wire import Conn, request

ENGINES = 'sqlite (postgres)'      # its rows meet PostgreSQL in test_lists_equal_gates

server = None
people = {}
PNG = b'\x89PNG\r\n\x1a\n' + bytes(range(256)) * 40
MEGABYTES = 3       # that a content may have here


def setUpModule():
    global server
    server = Server(WORKERS=2, MEDIA_MAX_MEGABYTES=MEGABYTES).start()
    for name in ('ann', 'bob', 'cat'):
        people[name] = register(server)


def tearDownModule():
    for who in people.values():
        who.close()
    server.finish()


class Media(Case):
    def setUp(self):
        self.ann, self.bob = people['ann'], people['bob']
        self.project = self.ann.made('projects', {'name': 'p'})['id']
        self.generation = self.ann.made('generations', {'project_id': self.project, 'prompt': 'x'})['id']
        self.medium = self.ann.made('media', {'generation_id': self.generation, 'name': '../../etc/passwd'})['id']
        self.path = f'/api/v1/media/{self.medium}/content'

    def fill(self, data, who=None, headers=()):
        return (who or self.ann).call('PUT', self.path, data, headers)

    def share(self, who, access):
        path = f'projects/{self.project}/collaborators/{who.id}'
        self.assert_status(self.ann.call('PUT', path, {'access': access}), 200)

    def unshare(self, who):
        self.assert_status(self.ann.delete(f'projects/{self.project}/collaborators/{who.id}'), 204)

    def sign(self, method='GET', seconds=60, who=None):
        return self.assert_status((who or self.ann).post(f'media/{self.medium}/sign', {
            'method': method, 'expires_in': seconds}), 200).json['url']

    def bare(self, method, url, body=None, headers=()):
        """By somebody without credentials."""
        with Api(server) as nobody:
            return nobody.call(method, url, body, headers)


class Content(Media):
    def test_what_is_put_is_got(self):
        self.assert_problem(self.ann.get(self.path), 404)
        row = self.assert_status(self.fill(PNG), 200).json
        self.assertEqual((row['content_type'], row['size'], row['sha256'], row['status'], row['version']),
                         ('image/png', len(PNG), hashlib.sha256(PNG).hexdigest(), 'ready', 2))
        self.assertNotIn('file', row)
        reply = self.ann.get(self.path)
        self.assertEqual((reply.status, reply.body), (200, PNG))
        self.assertEqual(reply.get('Content-Type'), 'image/png')
        self.assertEqual(reply.get('X-Content-Type-Options'), 'nosniff')
        self.assertIsNone(reply.get('Content-Disposition'))
        self.assertEqual(self.ann.get(f'media/{self.medium}').json['sha256'], row['sha256'])

    def test_sizes_around_a_piece(self):
        for size in (0, 1, 65535, 65536, 65537, 131072, 1000003, MEGABYTES << 20):
            with self.subTest(size):
                data = os.urandom(size)
                self.assertEqual(self.assert_status(self.fill(data), 200).json['size'], size)
                self.assertEqual(self.ann.get(self.path).body, data)

    def test_too_much_is_refused(self):
        size = (MEGABYTES << 20) + 1
        self.assert_problem(self.fill(bytes(size)), 413)
        with Conn(server.port, source=self.ann.source) as conn:      # declared: before any of it is sent
            conn.send(request('PUT', self.path, self.ann.headers({'Content-Length': str(size)})))
            self.assertEqual(conn.final('PUT').status, 413)
        with Conn(server.port, source=self.ann.source) as conn:
            conn.try_send(request('PUT', self.path, self.ann.headers({'Transfer-Encoding': 'chunked'}), b''))
            piece = b'10000\r\n' + bytes(65536) + b'\r\n'
            for _ in range(size // 65536 + 1):
                if not conn.try_send(piece):
                    break
            self.assertEqual(conn.final('PUT').status, 413)
        self.assert_problem(self.ann.get(self.path), 404)

    def test_chunked_and_expect(self):
        data = os.urandom(300000)
        with Conn(server.port, source=self.ann.source) as conn:
            conn.send(request('PUT', self.path, self.ann.headers(
                {'Transfer-Encoding': 'chunked', 'Expect': '100-continue'}), b''))
            self.assertEqual(conn.reply('PUT').status, 100)
            for at in range(0, len(data), 7777):
                part = data[at:at + 7777]
                conn.send(b'%x;name=value\r\n' % len(part) + part + b'\r\n')
            conn.send(b'0\r\n\r\n')
            self.assertEqual(conn.final('PUT').status, 200)
            conn.send(request('GET', self.path, self.ann.headers()))
            self.assertEqual(conn.final().body, data)

    def test_pipelined_behind_each_other(self):
        data = os.urandom(200000)
        replies = self.ann.many([('PUT', self.path, data), ('GET', self.path, None), ('HEAD', self.path, None),
                                 ('GET', self.path, None), ('GET', f'media/{self.medium}', None)])
        self.assertEqual([reply.status for reply in replies], [200] * 5)
        self.assertEqual([len(reply.body) for reply in replies[1:4]], [len(data), 0, len(data)])
        self.assertEqual(replies[2].get('Content-Length'), str(len(data)))

    def test_refused_in_the_middle(self):
        """Access that ends while the bytes come: nothing is changed."""
        self.share(self.bob, 'write')
        self.assert_status(self.fill(PNG), 200)
        with Conn(server.port, source=self.bob.source) as conn:
            conn.send(request('PUT', self.path, self.bob.headers({'Content-Length': '200000'})) + bytes(100000))
            time.sleep(0.3)
            self.unshare(self.bob)
            conn.send(bytes(100000))
            self.assertEqual(conn.final('PUT').status, 404)
        self.assertEqual(self.ann.get(self.path).body, PNG)

    def test_a_client_that_leaves_changes_nothing(self):
        self.assert_status(self.fill(PNG), 200)
        for leave in (Conn.close, Conn.reset):
            conn = Conn(server.port, source=self.ann.source)
            conn.send(request('PUT', self.path, self.ann.headers({'Content-Length': '2000000'})) + bytes(500000))
            time.sleep(0.2)
            leave(conn)
        self.assertEqual(self.ann.get(self.path).body, PNG)
        for _ in range(100):
            if not os.listdir(server.path('data/media/tmp')):
                break
            time.sleep(0.05)
        self.assertEqual(os.listdir(server.path('data/media/tmp')), [])

    def test_if_match(self):
        self.assert_status(self.fill(PNG, headers={'If-Match': '"v1"'}), 200)
        self.assert_problem(self.fill(b'other', headers={'If-Match': '"v1"'}), 412)
        self.assertEqual(self.ann.get(self.path).body, PNG)

    def test_who_reads_is_not_disturbed_by_new_bytes(self):
        old, new = os.urandom(MEGABYTES << 20), os.urandom(100)
        self.fill(old)
        with Conn(server.port, source=self.ann.source) as conn:
            conn.send(request('GET', self.path, self.ann.headers()))
            while len(conn.rest) < 1000:
                conn.fill()
            self.assert_status(self.fill(new), 200)
            self.assertEqual(conn.final().body, old)
        self.assertEqual(self.ann.get(self.path).body, new)

    def test_files_are_private_and_named_by_nobody(self):
        self.fill(PNG)
        found = [(root, name) for root, _, names in os.walk(server.path('data/media')) for name in names]
        self.assertTrue(found)
        for root, name in found:
            self.assertRegex(name, '^[0-9a-f]{32}$')
            self.assertEqual(os.stat(os.path.join(root, name)).st_mode & 0o777, 0o600)
            self.assertEqual(os.stat(root).st_mode & 0o777, 0o700)


class Reading(Media):
    def setUp(self):
        super().setUp()
        self.data = os.urandom(200000)
        self.fill(self.data)

    def range(self, value, **more):
        return self.ann.get(self.path, {'Range': value, **more})

    def test_one_range(self):
        size = len(self.data)
        for value, first, last in (('bytes=0-0', 0, 0), ('bytes=100-70000', 100, 70000),
                                   ('bytes=199999-', 199999, size - 1),
                                   ('bytes=-1', size - 1, size - 1), ('bytes=-999999', 0, size - 1),
                                   ('bytes=5-999999', 5, size - 1)):
            with self.subTest(value):
                reply = self.range(value)
                self.assertEqual((reply.status, reply.body), (206, self.data[first:last + 1]))
                self.assertEqual(reply.get('Content-Range'), f'bytes {first}-{last}/{size}')

    def test_beyond_and_none(self):
        for value in ('bytes=200000-', 'bytes=999999-9999999', 'bytes=-0'):
            self.assert_problem(self.range(value), 416)
        for value in ('bytes=1-2,4-5', 'bytes=5-1', 'bytes=', 'bytes=x-y', 'lines=1-2', 'bytes=-', 'bytes 1-2'):
            with self.subTest(value):
                self.assertEqual((self.range(value).status, self.range(value).body), (200, self.data))

    def test_conditions(self):
        tag = self.ann.get(self.path).get('ETag')
        self.assertEqual(tag, f'"{hashlib.sha256(self.data).hexdigest()}"')
        reply = self.ann.get(self.path, {'If-None-Match': f'"x", W/{tag}'})
        self.assertEqual((reply.status, reply.get('ETag'), reply.body), (304, tag, b''))
        self.assertEqual(self.ann.get(self.path, {'If-None-Match': '"x"'}).status, 200)
        self.assertEqual(self.range('bytes=0-1', **{'If-Range': tag}).status, 206)
        self.assertEqual(self.range('bytes=0-1', **{'If-Range': '"x"'}).status, 200)

    def test_head(self):
        reply = self.ann.call('HEAD', self.path)
        self.assertEqual((reply.status, reply.get('Content-Length')), (200, str(len(self.data))))

    def test_strangers(self):
        self.assert_problem(self.bob.get(self.path), 404)
        self.assert_problem(self.bare('GET', self.path), 401)
        self.share(self.bob, 'read')
        self.assert_status(self.bob.get(self.path), 200)
        self.assert_problem(self.fill(b'x', self.bob), 403)
        self.unshare(self.bob)
        self.assert_problem(self.bob.get(self.path), 404)

    def test_public(self):
        self.ann.patch(f'projects/{self.project}', {'visibility': 'public_full'})
        self.assertEqual(self.bare('GET', self.path).body, self.data)
        self.assertIn(self.medium, [item['id'] for item in people['cat'].walk('media', generation_id=self.generation)])

    def test_made_by_who_lost_the_generation(self):
        """Gate 6: the generation decides, also for who made the medium."""
        self.share(self.bob, 'write')
        medium = self.bob.made('media', {'generation_id': self.generation})['id']
        self.assert_status(self.bob.get(f'media/{medium}'), 200)
        self.assertIn(medium, [item['id'] for item in self.bob.walk('media')])
        self.assertIn(medium, [item['id'] for item in self.ann.walk('media')])
        self.unshare(self.bob)
        self.assert_problem(self.bob.get(f'media/{medium}'), 404)
        self.assertNotIn(medium, [item['id'] for item in self.bob.walk('media')])
        self.assert_status(self.ann.get(f'media/{medium}'), 200)

    def test_lost_to_who_made_it_it_is_absent_whatever_is_asked(self):
        """Also where a gate before that of media would refuse it openly."""
        self.share(self.bob, 'write')
        medium = self.bob.made('media', {'generation_id': self.generation})['id']
        self.assert_status(self.ann.patch(f'generations/{self.generation}', {
            'restrictions': {'until': '2099-01-01T00:00:00Z', 'access': ['write', 'delete', 'share']}}), 200)
        self.assert_status(self.bob.get(f'media/{medium}'), 200)
        self.assert_problem(self.bob.patch(f'media/{medium}', {'name': 'n'}), 403)
        self.assert_problem(self.bob.delete(f'media/{medium}'), 403)
        self.unshare(self.bob)
        for method, path, body in (('GET', '', None), ('PATCH', '', {'name': 'n'}), ('DELETE', '', None),
                                   ('GET', '/content', None), ('PUT', '/content', b'x'), ('POST', '/revoke', None),
                                   ('POST', '/sign', {'method': 'PUT', 'expires_in': 5})):
            with self.subTest(f'{method} {path}'):
                lost = self.assert_problem(self.bob.call(method, f'media/{medium}{path}', body), 404)
                absent = self.assert_problem(self.bob.call(method, f'media/{uuid7()}{path}', body), 404)
                self.assertEqual({**lost, 'correlation_id': ''}, {**absent, 'correlation_id': ''})
        for action in ('read', 'update', 'delete', 'share'):
            told = [self.bob.post('/access/v1/evaluation', {
                'subject': {'type': 'user', 'id': self.bob.id}, 'action': {'name': action},
                'resource': {'type': 'media', 'id': id}}).json for id in (medium, uuid7())]
            for one in told:
                self.assertRegex(one['context'].pop('decision_id'), '^[0-9a-f-]{36}$')
            self.assertEqual(told[0], told[1])
            self.assertIs(told[0]['decision'], False)

    def test_a_restriction_on_the_generation_binds_its_media(self):
        self.share(self.bob, 'write')
        self.assert_status(self.ann.patch(f'generations/{self.generation}', {
            'restrictions': {'until': '2099-01-01T00:00:00Z', 'access': ['read']}}), 200)
        self.assert_problem(self.bob.get(self.path), 404)
        self.assert_status(self.bob.get(f'generations/{self.generation}'), 200)
        self.assertNotIn(self.medium, [item['id'] for item in self.bob.walk('media')])
        self.assert_status(self.ann.get(self.path), 200)

    def test_a_generation_with_media_stays(self):
        self.assert_problem(self.ann.delete(f'generations/{self.generation}'), 409)
        self.assert_status(self.ann.delete(f'media/{self.medium}'), 204)
        self.assert_problem(self.ann.get(self.path), 404)
        self.assert_status(self.ann.delete(f'generations/{self.generation}'), 204)


class Signed(Media):
    def setUp(self):
        super().setUp()
        self.fill(PNG)

    def test_anybody_may_use_it(self):
        url = self.sign()
        self.assertTrue(url.startswith(self.path + '?'))
        reply = self.bare('GET', url)
        self.assertEqual((reply.status, reply.body), (200, PNG))
        self.assertEqual(reply.get('Cache-Control'), 'no-store')
        self.assertEqual(self.bare('HEAD', url).status, 200)
        self.assertEqual(self.bare('GET', url, None, {'Range': 'bytes=0-3'}).body, PNG[:4])
        put = self.sign('PUT')
        self.assert_status(self.bare('PUT', put, b'new bytes'), 200)
        self.assertEqual(self.bare('GET', url).body, b'new bytes')

    def test_for_nothing_else(self):
        url, put = self.sign(), self.sign('PUT')
        other = self.ann.made('media', {'generation_id': self.generation})['id']
        query = url.partition('?')[2]
        fields = dict(part.split('=') for part in query.split('&'))

        def altered(**changes):
            return self.path + '?' + '&'.join(f'{name}={value}' for name, value in {**fields, **changes}.items())
        for method, target in (('PUT', url), ('GET', put), ('GET', f'/api/v1/media/{other}/content?{query}'),
                               ('GET', altered(expires=int(fields['expires']) + 1)), ('GET', altered(version=2)),
                               ('GET', altered(signer=self.bob.id)),
                               ('GET', url[:-1] + ('A' if url[-1] != 'A' else 'E')),
                               ('GET', url + '&x=1'), ('GET', url + '&' + query),
                               ('GET', altered(expires='0' + fields['expires'])),
                               ('GET', altered(signer=fields['signer'].upper())),
                               ('GET', self.path + '?signature=')):
            with self.subTest(f'{method} {target}'):
                self.assert_problem(self.bare(method, target, b'x' if method == 'PUT' else None), 404)
        self.assert_problem(self.bare('GET', f'/api/v1/media/{self.medium}?{query}'), 401)
        self.assert_problem(self.bare('GET', url, None, {'Authorization': f'Bearer {self.ann.token}'}), 400)

    def test_until_it_expires(self):
        url = self.sign(seconds=1)
        time.sleep(2.1)
        self.assert_problem(self.bare('GET', url), 404)
        for seconds in (0, 604801):
            asked = {'method': 'GET', 'expires_in': seconds}
            self.assert_problem(self.ann.post(f'media/{self.medium}/sign', asked), 422)

    def test_until_it_is_revoked(self):
        url = self.sign()
        self.assertEqual(self.assert_status(self.ann.post(f'media/{self.medium}/revoke'), 200).json['sign_version'], 2)
        self.assert_problem(self.bare('GET', url), 404)
        self.assert_status(self.bare('GET', self.sign()), 200)
        line = server.wait_for_line(lambda line: line.get('reason') == 'the URL has been revoked')
        self.assertEqual(line['gate'], 'media')

    def test_as_long_as_the_signer_may(self):
        self.share(self.bob, 'write')
        url, put = self.sign(who=self.bob), self.sign('PUT', who=self.bob)
        self.assert_status(self.bare('GET', url), 200)
        self.assert_status(self.bare('PUT', put, PNG), 200)
        self.share(self.bob, 'read')
        self.assert_problem(self.bare('PUT', put, b'x'), 403)
        self.assert_problem(self.bob.post(f'media/{self.medium}/sign', {'method': 'PUT', 'expires_in': 5}), 403)
        self.unshare(self.bob)
        self.assert_problem(self.bare('GET', url), 404)
        self.assert_problem(self.bob.post(f'media/{self.medium}/sign', {'method': 'GET', 'expires_in': 5}), 404)

    def test_not_once_the_signer_is_suspended(self):
        dan = register(server, fresh_email('dan'))
        self.share(dan, 'read')
        url = self.sign(who=dan)
        self.assert_status(self.bare('GET', url), 200)
        with Person(server, server.add_user('admin')) as boss:
            self.assert_status(boss.patch(f'users/{dan.id}', {'status': 'suspended'}), 200)
        self.assert_problem(self.bare('GET', url), 404)
        dan.close()

    def test_nothing_of_it_is_logged(self):
        url = self.sign()
        self.bare('GET', url)
        self.bare('GET', url[:-2] + 'xx')
        signature = url.partition('signature=')[2]
        time.sleep(0.3)
        self.assertNotIn(signature, server.text())
        self.assertNotIn('signature=', server.text())


class Memory(Case):
    """What is streamed is not held: measured without the sanitizer's own hoard of what was freed."""

    def setUp(self):
        options = os.environ.get('ASAN_OPTIONS', '') + ':quarantine_size_mb=0:thread_local_quarantine_size_kb=0'
        with mock.patch.dict(os.environ, ASAN_OPTIONS=options):
            self.server = Server(WORKERS=1).start()
        self.addCleanup(self.server.finish)
        self.ann = register(self.server)
        self.addCleanup(self.ann.close)
        project = self.ann.made('projects', {'name': 'p'})['id']
        self.generation = self.ann.made('generations', {'project_id': project, 'prompt': 'x'})['id']

    def medium(self):
        return self.ann.made('media', {'generation_id': self.generation})['id']

    def test_a_hundred_at_once(self):
        count, size = 100, 5 << 20
        data = os.urandom(size)
        media = [self.medium() for _ in range(count)]
        problems = []

        def work(medium):
            try:
                with Api(self.server, token=self.ann.token, source=self.ann.source, timeout=120) as one:
                    path = f'media/{medium}/content'
                    assert one.call('PUT', path, data).status == 200
                    assert one.get(path).body == data
            except BaseException as why:        # told below
                problems.append(repr(why)[:200])
        before, began = self.server.rss(), time.monotonic()
        threads = [threading.Thread(target=work, args=(medium,)) for medium in media]
        for thread in threads:
            thread.start()
        most = before
        while any(thread.is_alive() for thread in threads):
            most = max(most, self.server.rss())
            time.sleep(0.05)
        took = time.monotonic() - began
        self.assertEqual(problems, [])
        print(f'{count} uploads and downloads of {size >> 20} MiB at once: {took:.1f} s, the worker grew by '
              f'{(most - before) >> 10} MiB')
        self.assertLess(most - before, count * 640)        # KiB: far below what the bodies are

    def test_a_slow_reader_holds_little(self):
        data = os.urandom(20 << 20)
        path = f'/api/v1/media/{self.medium()}/content'
        self.assert_status(self.ann.call('PUT', path, data), 200)
        before = self.server.rss()
        conns = []
        for _ in range(40):
            conn = Conn(self.server.port, source=self.ann.source)
            conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            conn.send(request('GET', path, self.ann.headers()))
            conns.append(conn)
        time.sleep(1)
        grown = self.server.rss() - before
        print(f'40 readers that read nothing hold {grown} KiB')
        self.assertLess(grown, 40 * 320)
        while conns[0].line('a head'):
            pass
        self.assertEqual(conns[0].take(50000), data[:50000])
        for conn in conns:
            conn.close()


if __name__ == '__main__':
    unittest.main()
