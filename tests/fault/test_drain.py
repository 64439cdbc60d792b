"""SIGTERM and SIGHUP under load: nobody's request fails."""
import select
import signal
import socket
import threading
import time
import unittest

from support import (API, Api, Case, Conn, Framing, Gone, Server, Writers, login, person, register, request)

ENGINES = '(sqlite) postgres'


class Load:
    """Clients without pause and without a second try. Each stops when it is refused a connection after `ending`."""

    def __init__(self, server, token, keep, clients=8):
        self.server, self.token, self.keep = server, token, keep
        self.ending = self.stop = False
        self.served, self.failed = 0, []
        self.after = 0          # served after the signal
        self.threads = [threading.Thread(target=self.run) for _ in range(clients)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop = True
        for thread in self.threads:
            thread.join()

    def run(self):
        conn = None
        while not self.stop:
            fresh = conn is None
            try:
                if fresh:
                    conn = Conn(self.server.port, timeout=10)
            except OSError as why:
                if not self.ending:
                    self.failed.append(('connect', repr(why)))
                return
            try:
                conn.send(request('GET', API + 'auth/me', {'Authorization': f'Bearer {self.token}'}))
                reply = conn.final()
            except (OSError, Gone, Framing) as why:
                self.failed.append(('fresh' if fresh else 'kept', repr(why)))
                return
            if reply.status != 200:
                self.failed.append(('status', repr(reply)))
                return
            self.served += 1
            self.after += self.ending
            if reply.closes or not self.keep:
                conn.close()
                conn = None
        if conn:
            conn.close()


class Drain(Case):
    def ended(self, server, seconds):
        begun = time.monotonic()
        server.stop(seconds)
        return time.monotonic() - begun

    def check(self, keep):
        server = Server(DRAIN_SECONDS=1).start()
        try:
            me = register(server)
            with Load(server, me.token, keep) as load:
                time.sleep(0.7)
                load.ending = True
                took = self.ended(server, 20)
            self.assertEqual(load.failed, [])
            self.assertGreater(load.served, 50)
            self.assertGreater(load.after, 20, 'it did not go on serving')
            self.assertGreaterEqual(took, 0.9)
            self.assertLess(took, 8)
        finally:
            server.destroy()

    def test_no_request_on_a_kept_connection_fails(self):
        self.check(keep=True)

    def test_no_request_on_a_fresh_connection_fails(self):
        self.check(keep=False)

    def test_writers_lose_nothing(self):
        server = Server(DRAIN_SECONDS=1).start()
        try:
            me = register(server)
            me.close()
            with Writers(server, me.token, patience=2) as writers:
                writers.until(40, 20)
                writers.stop.set()
                self.ended(server, 20)
            writers.wrong.clear()
            rows = {row['name'] for row in server.query('select name from startups')}
            self.assertLessEqual(set(writers.made), rows)
            base = server.query('select count(*) as n from startups')[0]['n']
            audit = server.query("select count(*) as n from audit where action = 'startup.create'")[0]['n']
            self.assertEqual(base, audit)
        finally:
            server.destroy()

    def test_readiness_goes_first_and_the_rest_serves_on(self):
        server = Server(DRAIN_SECONDS=2).start()
        try:
            me = register(server)
            server.signal(signal.SIGTERM)
            time.sleep(0.4)
            for _ in range(6):
                with Api(server, token=me.token) as api:
                    self.assert_status(api.get('/health/ready'), 503)
                    self.assert_status(api.get('/health/live'), 200)
                    self.assert_status(api.get('auth/me'), 200)
                    self.assert_status(api.post('startups', {'name': 'n'}), 201)
            me.close()
            self.assertLess(self.ended(server, 20), 8)
        finally:
            server.destroy()

    def test_what_is_under_way_is_finished(self):
        server = Server(BCRYPT_COST=12).start()
        try:
            me = register(server)
            with Conn(server.port) as conn:
                conn.send(request('POST', API + 'auth/login', (), {'email': me.email, 'password': me.password}))
                time.sleep(0.05)
                server.signal(signal.SIGTERM)
                reply = conn.reply('POST')
                self.assert_status(reply, 200)
                self.assertTrue(reply.closes)
                conn.nothing_but_end()
            me.close()
            self.ended(server, 20)
        finally:
            server.destroy()

    def test_a_thousand_idle_connections_are_closed_in_good_order(self):
        server = Server(DRAIN_SECONDS=0).start()
        socks = []
        try:
            for n in range(1000):
                sock = socket.create_connection(('127.0.0.1', server.port), timeout=10)
                socks.append(sock)
                if n % 2:
                    sock.sendall(b'GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n')
            for sock in socks[1::2]:
                data = b''
                while b'"live"' not in data:
                    data += sock.recv(4096)
            self.assertLess(self.ended(server, 20), 8)
            for sock in socks:
                self.assertTrue(select.select([sock], [], [], 2)[0])
                self.assertEqual(sock.recv(100), b'', 'reset, or bytes that nobody asked for')
        finally:
            for sock in socks:
                sock.close()
            server.destroy()

    def test_half_a_request_does_not_hold_it_up(self):
        server = Server(DRAIN_SECONDS=0).start()
        try:
            me = register(server)
            with Conn(server.port) as head, Conn(server.port) as body:
                head.send(b'GET /health/live HTTP/1.1\r\nHos')
                headers = me.headers({'Content-Length': 100, 'Content-Type': 'application/json'})
                body.send(request('POST', API + 'startups', headers) + b'{"name"')
                time.sleep(0.1)
                me.close()
                self.assertLess(self.ended(server, 30), 20)
        finally:
            server.destroy()

    def test_told_twice(self):
        server = Server(DRAIN_SECONDS=1).start()
        try:
            server.signal(signal.SIGTERM)
            time.sleep(0.1)
            server.signal(signal.SIGTERM)
            self.assertLess(self.ended(server, 20), 8)
        finally:
            server.destroy()

    def test_an_interrupt_ends_it_at_once(self):
        server = Server(DRAIN_SECONDS=60).start()
        try:
            begun = time.monotonic()
            server.signal(signal.SIGINT)
            self.assertEqual(server.process.wait(10), 0)
            self.assertLess(time.monotonic() - begun, 5)
            server.assert_sane()
        finally:
            server.destroy()

    def test_it_leaves_nothing_behind_and_starts_again(self):
        server = Server().start()
        try:
            me = register(server)
            for _ in range(3):
                self.ended(server, 20)
                server.start()
                me.close()
                self.assert_status(me.get('auth/me'), 200)
            me.close()
            self.ended(server, 20)
        finally:
            server.destroy()


class Reload(Case):
    def setUp(self):
        self.server = Server(REGISTRATION=None, CORS_ORIGINS=None)
        self.path = self.server.path('settings')
        self.write('REGISTRATION=open\nCORS_ORIGINS=https://one.example\n')
        self.server.launch('--config', self.path, 'serve')
        self.server.until_ready()

    def tearDown(self):
        self.server.finish()

    def write(self, text):
        with open(self.path, 'w') as file:
            file.write(text)

    def origins(self, origin, times=16):
        found = set()
        for _ in range(times):
            with Api(self.server) as api:
                found.add(api.get('/openapi.json', {'Origin': origin}).get('Access-Control-Allow-Origin'))
        return found

    def reload(self):
        lines = len(self.server.lines())
        self.server.signal(signal.SIGHUP)
        until = time.monotonic() + 5
        while not any(line.get('event') == 'reload' for line in self.server.lines()[lines:]):
            self.assertLess(time.monotonic(), until, 'SIGHUP was not noticed')
            time.sleep(0.05)
        time.sleep(0.3)

    def test_takes_effect_on_every_worker(self):
        self.assertEqual(self.origins('https://one.example'), {'https://one.example'})
        self.write('REGISTRATION=closed\nCORS_ORIGINS=https://two.example\n')
        pids = self.server.workers()
        self.reload()
        self.assertEqual(self.origins('https://one.example'), {None})
        self.assertEqual(self.origins('https://two.example'), {'https://two.example'})
        for _ in range(8):
            with Api(self.server) as api:
                reply = api.post('auth/register', {'email': 'a@example.com', 'password': 'long enough'})
                self.assert_problem(reply, 403)
        self.assertEqual(self.server.workers(), pids)

    def test_a_bad_file_changes_nothing(self):
        self.write('REGISTRATION=maybe\nCORS_ORIGINS=https://two.example\n')
        self.reload()
        self.assertEqual(self.origins('https://one.example'), {'https://one.example'})
        self.assertTrue(any(line.get('event') == 'reload' and 'REGISTRATION' in str(line)
                            for line in self.server.lines()))

    def test_what_cannot_change_is_said(self):
        self.write('REGISTRATION=open\nCORS_ORIGINS=https://one.example\nCACHE_MEGABYTES=7\n')
        self.reload()
        self.assertTrue(any(line.get('event') == 'reload' and 'CACHE_MEGABYTES' in str(line)
                            for line in self.server.lines()))

    def test_nobodys_request_fails(self):
        me = register(self.server)
        with Load(self.server, me.token, keep=True) as load:
            for n in range(10):
                self.write(f'REGISTRATION=open\nCORS_ORIGINS=https://n{n}.example\n')
                self.server.signal(signal.SIGHUP)
                time.sleep(0.1)
        me.close()
        self.assertEqual(load.failed, [])
        self.assertGreater(load.served, 50)

    def test_sessions_stay(self):
        chief = person(self.server, 'admin')
        self.reload()
        self.assert_status(chief.get('users'), 200)
        with Api(self.server) as api:
            self.assert_status(login(api, chief.email, chief.password), 200)
        chief.close()


if __name__ == '__main__':
    unittest.main()
