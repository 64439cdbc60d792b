"""Peers that send or read as slowly as they can, or that leave without a word: the others do not notice."""
import socket
import statistics
import threading
import time
import unittest

from support import API, Api, Case, Conn, Server, register, request, together

SLOW = 500
server = me = None


def setUpModule():
    global server, me
    server = Server().start()
    me = register(server)


def tearDownModule():
    me.close()
    server.finish()


def value(name):
    for line in me.get('/metrics').body.decode().splitlines():
        if line.startswith(name + ' '):
            return float(line.split()[1])
    raise AssertionError(f'no {name}')


def measure(seconds=2.0):
    """Times of ordinary requests, by four clients."""
    def ask():
        times, until = [], time.monotonic() + seconds
        with Api(server, token=me.token) as api:
            while time.monotonic() < until:
                begun = time.monotonic()
                assert api.get('auth/me').status == 200
                times.append(time.monotonic() - begun)
                time.sleep(0.002)
        return times
    return sorted(one for some in together([ask] * 4) for one in some)


def p99(times):
    return times[int(len(times) * 0.99)]


class SlowPeers(Case):
    def test_five_hundred_slow_senders_do_not_slow_the_others(self):
        alone = measure()
        before = value('http_timeouts_total')
        stop = threading.Event()
        socks = [socket.create_connection(('127.0.0.1', server.port)) for _ in range(SLOW)]
        begun = time.monotonic()
        for sock in socks:
            sock.sendall(b'GET /health/live HTTP/1.1\r\nHost: x\r\nX-Slow: ')

        def drip():
            while not stop.is_set():
                for sock in socks:
                    try:
                        sock.send(b'a')
                    except OSError:
                        pass
                stop.wait(0.5)
        dripping = threading.Thread(target=drip)
        dripping.start()
        try:
            beside = measure(4.0)
            self.assertLess(p99(beside), max(3 * p99(alone), 0.1),
                            f'{statistics.median(alone):.4f} {p99(alone):.4f} -> '
                            f'{statistics.median(beside):.4f} {p99(beside):.4f}')
            time.sleep(max(0, begun + 13 - time.monotonic()))
            self.assertGreaterEqual(value('http_timeouts_total') - before, SLOW)
        finally:
            stop.set()
            dripping.join()
            for sock in socks:
                sock.close()

    def test_peers_that_never_read(self):
        row = me.made('startups', {'name': 'n', 'metadata': {'filler': 'x' * 15000}})
        data = request('GET', f'{API}startups/{row["id"]}', me.headers()) * 200
        socks = []
        try:
            for _ in range(40):
                sock = socket.socket()
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                sock.connect(('127.0.0.1', server.port))
                sock.setblocking(False)
                try:
                    sock.send(data)
                except BlockingIOError:
                    pass
                socks.append(sock)
            # What fits into the buffers of the kernel is served like anything else; then they only wait.
            worst = [p99(measure(1.0)) for _ in range(5)]
            self.assertLess(min(worst), 0.1, worst)
        finally:
            for sock in socks:
                sock.close()

    def test_peers_that_reset_at_any_moment(self):
        body = request('POST', API + 'startups', me.headers(), {'name': 'reset'})
        slow = request('POST', API + 'auth/login', (), {'email': me.email, 'password': me.password})
        for data in (body[:5], body[:60], body[:-3], body, body * 5, slow, slow + body):
            for wait in (0, 0.001, 0.02):
                for _ in range(5):
                    conn = Conn(server.port)
                    conn.send(data)
                    time.sleep(wait)
                    conn.reset()
        self.assert_status(me.get('auth/me'), 200)

    def test_peers_that_close_at_any_moment(self):
        slow = request('POST', API + 'auth/login', (), {'email': me.email, 'password': me.password})
        for _ in range(20):
            conn = Conn(server.port)
            conn.send(slow * 3)
            conn.close()
        until = time.monotonic() + 10
        while value('http_connections') > 5 and time.monotonic() < until:
            time.sleep(0.1)
        self.assertLessEqual(value('http_connections'), 5, 'connections leak')
        self.assert_status(me.get('auth/me'), 200)


if __name__ == '__main__':
    unittest.main()
