"""Requests to other services: nginx in front of one lets in exactly who may; Traefik and Envoy ask in their own ways;
the rules are a resource, and in force at once."""
import os
import re
import shutil
import tempfile
import unittest
import uuid

from support import Api, Case, Conn, Server, person, register, request, together, uuid7
from support.nginx import Nginx

ENGINES = 'sqlite (postgres)'      # the gates behind it are tested on both

server = nginx = boss = ann = viewer = None
folder = tempfile.mkdtemp(prefix='nginx-')
HOST = {'Host': 'app.example'}


def setUpModule():
    global server, nginx, boss, ann, viewer
    server = Server(TRUSTED_PROXIES='127.0.0.1', RATE_LIMIT_PROFILE='standard').start()
    boss, ann, viewer = person(server, 'admin'), register(server), person(server, 'viewer')
    rule(path='/open/', permission='anyone')
    rule(path='/mine/', permission='signed-in')
    rule(path='/startups/', permission='startup:create')
    rule(path='/startups/', permission='startup:read', methods=['GET'])
    rule(path='/startups/secret', permission='system:config')
    rule(path='/few/', permission='signed-in', rate_class='admin')
    rule(path='/away/', permission='anyone', status='paused')
    rule(host='other.example', path='/', permission='system:config')
    nginx = Nginx(os.path.join(folder, 'nginx'), server.port).start()


def tearDownModule():
    nginx.stop()
    nginx.destroy()
    for who in (boss, ann, viewer):
        who.close()
    server.finish()
    shutil.rmtree(folder, ignore_errors=True)


def rule(**fields):
    return boss.made('upstreams', fields)


def bearer(who):
    return {'Authorization': f'Bearer {who.token}'} if who else {}


def through(method, target, who=None, headers=(), body=None):
    """By way of nginx."""
    with Conn(nginx.port) as conn:
        return conn.ask(method, target, {**HOST, **bearer(who), **dict(headers)}, body)


def asked(method, target, headers=(), body=None, port=None):
    """Of the server itself, as some proxy would."""
    with Conn(port or server.port) as conn:
        return conn.ask(method, target, dict(headers), body)


def said(reply):
    """What reached the service."""
    return dict(re.findall(r'(\w+)=(\S*)', reply.body.decode()))


class Behind(Case):
    """A real nginx."""

    def test_lets_in_exactly_who_may(self):
        for target, method, nobody, somebody, reader, chief in (
                ('/open/x', 'GET', 200, 200, 200, 200), ('/open', 'POST', 200, 200, 200, 200),
                ('/mine/x', 'GET', 401, 200, 200, 200), ('/mine/x', 'DELETE', 401, 200, 200, 200),
                ('/startups/x', 'GET', 401, 200, 200, 200), ('/startups/x', 'HEAD', 401, 200, 200, 200),
                ('/startups/x', 'POST', 401, 200, 403, 200), ('/startups/x', 'PROPFIND', 401, 200, 403, 200),
                ('/startups/secret', 'GET', 401, 403, 403, 200), ('/startups/%73ecret', 'GET', 401, 403, 403, 200),
                ('/startups/secret?x=/open/', 'GET', 401, 403, 403, 200),
                ('/away/x', 'GET', 403, 403, 403, 403), ('/', 'GET', 403, 403, 403, 403)):
            for who, status in ((None, nobody), (ann, somebody), (viewer, reader), (boss, chief)):
                with self.subTest(f'{method} {target} {who and who.email}'):
                    reply = through(method, target, who)
                    self.assert_status(reply, status)
                    if status == 200 and method != 'HEAD':
                        self.assertEqual(said(reply)['uri'], target)
                    elif method != 'HEAD':
                        self.assertNotIn(b'uri=', reply.body, 'the service was reached')

    def test_the_host_counts(self):
        self.assert_status(through('GET', '/open/x', ann), 200)
        self.assert_status(through('GET', '/open/x', ann, {'Host': 'other.example'}), 403)
        self.assert_status(through('GET', '/open/x', boss, {'Host': 'Other.Example:80'}), 200)

    def test_tells_the_service_who_it_is(self):
        told = said(through('GET', '/mine/x', ann))
        self.assertEqual((told['user'], told['role'], told['kind']), (ann.id, 'user', 'user'))
        self.assertRegex(told['session'], r'^[0-9a-f-]{36}$')
        key = re.search(r'gh_\w{8}_[\w-]{43}', ann.post('api-keys', {'name': 'k', 'scopes': ['startup:read']})
                        .body.decode())[0]
        told = said(through('GET', '/startups/x', headers={'X-API-Key': key}))
        self.assertEqual((told['user'], told['kind']), (ann.id, 'api_key'))
        self.assert_status(through('POST', '/startups/x', headers={'X-API-Key': key}), 403)

    def test_what_a_client_says_of_itself_never_arrives(self):
        forged = {'X-Auth-User': uuid7(), 'X-Auth-Role': 'admin', 'X-Auth-Kind': 'user', 'X-Auth-Session': uuid7()}
        told = said(through('GET', '/open/x', None, forged))
        self.assertEqual((told['user'], told['role'], told['kind'], told['session']), ('', '', 'anonymous', ''))
        told = said(through('GET', '/mine/x', ann, forged))
        self.assertEqual((told['user'], told['role']), (ann.id, 'user'))

    def test_a_client_cannot_speak_for_the_proxy(self):
        for name, value in (('X-Original-URI', '/open/x'), ('X-Forwarded-Uri', '/open/x'),
                            ('X-Original-Method', 'GET'), ('X-Forwarded-Method', 'GET'),
                            ('X-Forwarded-Host', 'app.example')):
            with self.subTest(name):
                self.assert_status(through('POST', '/startups/secret', ann, {name: value}), 403)
                self.assert_status(through('GET', '/startups/secret', None, {name: value}), 401)

    def test_no_second_spelling_leads_around_a_rule(self):
        for target in ('/open/../startups/secret', '/open/%2e%2e/startups/secret', '/open/..%2fstartups/secret',
                       '/open/%2f..%2fstartups/secret', '/open/..;/startups/secret', '/open/x%5c..', '/open//x',
                       '/open/%252e%252e/x'):
            with self.subTest(target):
                self.assert_status(through('GET', target, ann), 403)

    def test_401_says_how(self):
        reply = through('GET', '/mine/x')
        self.assert_status(reply, 401)
        self.assertEqual(reply.get('WWW-Authenticate'), 'Bearer')
        self.assert_status(through('GET', '/open/x', headers={'Authorization': 'Bearer nonsense'}), 401)

    def test_a_session_that_has_ended(self):
        one = register(server)
        self.assert_status(through('GET', '/mine/x', one), 200)
        self.assert_status(one.post('auth/logout'), 204, 200)
        self.assert_status(through('GET', '/mine/x', one), 401)

    def test_a_limit_passes_through(self):
        one = register(server)
        found = [through('GET', '/few/x', one) for _ in range(11)]
        self.assertEqual([reply.status for reply in found], [200] * 10 + [429])
        self.assertGreater(int(found[-1].get('Retry-After')), 0)
        self.assert_status(through('GET', '/mine/x', one), 200)
        self.assert_status(through('GET', '/few/x', ann), 200)

    def test_503_passes_through(self):
        """Never taken for a no."""
        mode = boss.call('PUT', 'mode', {'mode': 'lockdown', 'reason': 'test'})
        self.assert_status(mode, 200)
        try:
            reply = through('GET', '/mine/x', ann)
        finally:
            self.assert_status(boss.call('PUT', 'mode', {'mode': 'normal'}), 200)
        self.assert_status(reply, 503)
        self.assertGreater(int(reply.get('Retry-After')), 0)
        self.assert_status(through('GET', '/mine/x', ann), 200)

    def test_read_only_lets_reads_through(self):
        self.assert_status(boss.call('PUT', 'mode', {'mode': 'read_only', 'reason': 'test'}), 200)
        try:
            found = [through(method, '/mine/x', ann).status for method in ('GET', 'HEAD', 'OPTIONS', 'POST', 'DELETE')]
        finally:
            self.assert_status(boss.call('PUT', 'mode', {'mode': 'normal'}), 200)
        self.assertEqual(found, [200, 200, 200, 503, 503])

    def test_a_body_goes_to_the_service_alone(self):
        self.assert_status(through('POST', '/startups/x', ann, body={'name': 'x' * 50000}), 200)
        chunked = {'Transfer-Encoding': 'chunked'}
        self.assert_status(through('POST', '/startups/x', ann, chunked, b'1\r\nx\r\n0\r\n\r\n'), 200)

    def test_a_rule_is_in_force_at_once(self):
        self.assert_status(through('GET', '/new/x', ann), 403)
        row = rule(path='/new/', permission='signed-in')
        self.assert_status(through('GET', '/new/x', ann), 200)
        for change, status in (({'permission': 'users:manage'}, 403), ({'permission': 'anyone'}, 200),
                               ({'status': 'paused'}, 403), ({'status': 'active', 'methods': ['POST']}, 403),
                               ({'methods': []}, 200)):
            with self.subTest(change):
                self.assert_status(boss.patch('upstreams/' + row['id'], change), 200)
                found = {through('GET', '/new/x', ann).status for _ in range(6)}     # of every worker
                self.assertEqual(found, {status})
        self.assert_status(boss.delete('upstreams/' + row['id']), 204)
        self.assert_status(through('GET', '/new/x', ann), 403)

    def test_many_at_once(self):
        statuses = together([lambda who=who: through('GET', '/mine/x', who).status for who in (ann, None) * 8])
        self.assertEqual(statuses, [200, 401] * 8)


class Traefik(Case):
    def ask(self, uri, method='GET', who=None, headers=(), host='app.example'):
        told = {'X-Forwarded-Uri': uri, 'X-Forwarded-Method': method, 'X-Forwarded-Host': host,
                'X-Forwarded-Proto': 'https', 'X-Forwarded-For': '203.0.113.9'}
        return asked('GET', '/forward-auth', {**told, **bearer(who), **dict(headers)})

    def test_is_answered(self):
        self.assert_status(self.ask('/open/x?y'), 200)
        self.assert_status(self.ask('/mine/x', who=ann), 200)
        self.assert_problem(self.ask('/mine/x'), 401, 'not_authenticated')
        self.assert_problem(self.ask('/startups/x', 'POST', viewer), 403, 'forbidden')
        self.assert_problem(self.ask('/nothing', who=boss), 403, 'forbidden')
        self.assert_problem(self.ask('/open/x', host='other.example', who=ann), 403)

    def test_the_headers_of_who_it_is(self):
        reply = self.ask('/mine/x', who=ann)
        self.assertEqual((reply.get('X-Auth-User'), reply.get('X-Auth-Role'), reply.get('X-Auth-Kind')),
                         (ann.id, 'user', 'user'))
        self.assertEqual(reply.get('X-Decision-Id'), reply.get('Decision-Id'))
        self.assertNotIn(ann.email, reply.head.decode())
        reply = self.ask('/open/x', headers={'X-Auth-User': ann.id})
        self.assertEqual((reply.get('X-Auth-User'), reply.get('X-Auth-Kind')), ('', 'anonymous'))

    def test_what_is_missing_or_said_twice(self):
        whole = {'X-Forwarded-Uri': '/open/x', 'X-Forwarded-Method': 'GET', 'X-Forwarded-Host': 'app.example'}
        self.assert_status(asked('GET', '/forward-auth', whole), 200)
        for name in whole:
            with self.subTest(name):
                without = {key: value for key, value in whole.items() if key != name}
                self.assert_problem(asked('GET', '/forward-auth', without), 403)
                twice = [*whole.items(), (name, whole[name])]
                with Conn(server.port) as conn:
                    conn.send(request('GET', '/forward-auth', twice))
                    self.assert_problem(conn.final(), 403)
        self.assert_problem(asked('GET', '/forward-auth', {**whole, 'X-Original-URI': '/open/x'}), 403)
        self.assert_problem(asked('GET', '/forward-auth', {'X-Original-URI': '/open/x'}), 403)
        self.assert_problem(asked('GET', '/forward-auth'), 403)


class Envoy(Case):
    """The request itself, behind the prefix."""

    def test_is_answered(self):
        for method in ('GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'):
            with self.subTest(method):
                self.assert_status(asked(method, '/forward-auth/open/x?y=1&y=2', HOST), 200)
                self.assert_status(asked(method, '/forward-auth/mine/x', HOST), 401)
                self.assert_status(asked(method, '/forward-auth/mine/x', {**HOST, **bearer(ann)}), 200)
                self.assert_status(asked(method, '/forward-auth/', {**HOST, **bearer(boss)}), 403)
        self.assert_problem(asked('POST', '/forward-auth/startups/x', {**HOST, **bearer(viewer)}), 403)
        self.assert_status(asked('GET', '/forward-auth/open/a%20b', HOST), 200)

    def test_no_header_speaks_for_the_path(self):
        told = {'X-Original-URI': '/open/x', 'X-Original-Method': 'GET', 'X-Forwarded-Uri': '/open/x',
                'X-Forwarded-Method': 'GET', 'X-Forwarded-Host': 'app.example'}
        self.assert_status(asked('POST', '/forward-auth/startups/secret', {**HOST, **told, **bearer(ann)}), 403)

    def test_no_second_spelling(self):
        for target in ('/open/../mine/x', '/open/%2e%2e/x', '//open/x', '/open/a%2fb', '/open/a%5cb', '/open/%00'):
            with self.subTest(target):
                self.assert_status(asked('GET', '/forward-auth' + target, HOST), 403, 400)

    def test_near_misses_are_no_route(self):
        for target in ('/forward-authx', '/forward-aut', '/forward-auth%2fopen'):
            self.assert_problem(asked('GET', target, HOST), 404)

    def test_a_body_is_not_read(self):
        with Conn(server.port) as conn:
            conn.send(b'POST /forward-auth/open/x HTTP/1.1\r\nHost: app.example\r\nContent-Length: 5000000\r\n\r\n')
            self.assert_status(conn.final(), 200)
        with Conn(server.port) as conn:        # a short one is passed over, and the connection goes on
            for _ in range(2):
                self.assert_status(conn.ask('POST', '/forward-auth/open/x', HOST, b'{"not": json'), 200)


class Believed(Case):
    def test_only_a_proxy_is_listened_to(self):
        """Not on loopback and not in TRUSTED_PROXIES: the machine's own other address, where it has one."""
        address = os.popen('hostname -I').read().split()
        if not address:
            self.skipTest('this machine has no address but loopback')
        with Server(HOST='0.0.0.0') as other:
            import socket
            with socket.create_connection((address[0], other.port), 10) as sock:
                sock.sendall(b'GET /forward-auth/open/x HTTP/1.1\r\nHost: app.example\r\nConnection: close\r\n\r\n')
                self.assertIn(b' 403 ', sock.recv(65536).split(b'\r\n')[0])
            other.wait_for_line(lambda line: line.get('reason') == 'not a proxy that is believed')


class Rules(Case):
    def test_what_a_rule_may_not_say(self):
        for field, value in (('host', 'A.example'), ('host', '*.example'), ('host', 'a:80'), ('host', ''),
                             ('path', 'x'), ('path', '/a//b'), ('path', '/../a'), ('path', '/a%20b'), ('path', '/a?b'),
                             ('path', '/a*b'), ('permission', 'no:such'), ('permission', 'none'), ('methods', ['get']),
                             ('methods', ['HEAD']), ('rate_class', 'no such'), ('priority', 1001), ('status', 'x')):
            with self.subTest(f'{field} {value}'):
                body = {'path': '/refused/', 'permission': 'anyone', field: value}
                self.assert_fault(boss.post('upstreams', body), field)
        self.assert_fault(boss.post('upstreams', {'path': '/x'}), 'permission')
        row = rule(path='/changed/', permission='signed-in')
        self.assert_fault(boss.patch('upstreams/' + row['id'], {'path': '/a/../b'}), 'path')

    def test_they_are_the_operators(self):
        row = rule(path='/not-yours/', permission='signed-in')
        for reply in (ann.get('upstreams'), ann.get('upstreams/' + row['id']), ann.delete('upstreams/' + row['id']),
                      ann.patch('upstreams/' + row['id'], {'permission': 'anyone'}),
                      ann.post('upstreams', {'path': '/', 'permission': 'anyone'})):
            self.assert_problem(reply, 403, 'forbidden')
        with Api(server) as nobody:
            self.assert_problem(nobody.get('upstreams'), 401)

    def test_are_rows_like_any(self):
        row = rule(path='/row/', permission='startup:read', host='row.example', priority=5)
        self.assertEqual([row[name] for name in ('methods', 'rate_class', 'status', 'priority')],
                         [[], 'default', 'active', 5])
        self.assertEqual([one['id'] for one in boss.walk('upstreams', host='row.example')], [row['id']])
        self.assertIn(row['id'], [one['id'] for one in boss.walk('upstreams', limit=3, status='active')])
        self.assert_problem(boss.patch('upstreams/' + row['id'], {'priority': 1}, {'If-Match': '"v9"'}), 412)


class Full(Case):
    """As many rules as a worker holds."""

    MOST = 1000

    def test_no_more_are_in_force(self):
        now = 1_700_000_000_000_000
        common = {'host': '*', 'methods': '[]', 'permission': 'anyone', 'rate_class': 'default', 'priority': 0,
                  'metadata': '{}', 'version': 1, 'created_at': now, 'updated_at': now}
        with Server(TRUSTED_PROXIES='127.0.0.1') as other, person(other, 'admin') as chief:
            other.store.load({'upstreams': [
                {'id': uuid.UUID(uuid7()), 'path': f'/{n}/', 'status': 'paused' if n == 0 else 'active', **common}
                for n in range(self.MOST)]})
            paused = next(chief.walk('upstreams', status='paused'))['id']
            made = [chief.post('upstreams', {'path': f'/more/{n}', 'permission': 'anyone'}) for n in range(2)]
            self.assert_status(made[0], 201)
            self.assert_problem(made[1], 409, 'too_many_rules')
            self.assertEqual(len(list(chief.walk('upstreams', status='active'))), self.MOST)
            self.assert_problem(chief.patch(f'upstreams/{paused}', {'status': 'active'}), 409, 'too_many_rules')
            self.assert_status(chief.patch(f'upstreams/{paused}', {'priority': 3}), 200)
            self.assert_status(chief.post('upstreams', {'path': '/z', 'permission': 'anyone', 'status': 'paused'}), 201)
            mine = made[0].json['id']
            for path, status in (('/7/x', 200), (f'/{self.MOST - 1}/', 200), ('/more/0', 200), ('/0/', 403)):
                self.assert_status(asked('GET', '/forward-auth', {'X-Original-URI': path, 'X-Original-Method': 'GET'},
                                         port=other.port), status)
            self.assert_status(chief.patch(f'upstreams/{mine}', {'priority': 1, 'status': 'active'}), 200)
            self.assert_status(chief.patch(f'upstreams/{mine}', {'status': 'paused'}), 200)
            self.assert_status(chief.patch(f'upstreams/{paused}', {'status': 'active'}), 200)

    def test_many_at_once_make_no_more(self):
        now = 1_700_000_000_000_000
        common = {'host': '*', 'methods': '[]', 'permission': 'anyone', 'rate_class': 'default', 'priority': 0,
                  'metadata': '{}', 'version': 1, 'created_at': now, 'updated_at': now, 'status': 'active'}
        with Server() as other, person(other, 'admin') as chief:
            other.store.load({'upstreams': [{'id': uuid.UUID(uuid7()), 'path': f'/{n}/', **common}
                                            for n in range(self.MOST - 3)]})

            def make(n):
                with Api(other, token=chief.token) as api:
                    return api.post('upstreams', {'path': f'/more/{n}', 'permission': 'anyone'}).status
            found = together([lambda n=n: make(n) for n in range(12)])
            self.assertEqual(sorted(found), [201] * 3 + [409] * 9)


if __name__ == '__main__':
    unittest.main()
