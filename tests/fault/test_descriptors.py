"""More connections than descriptors: those beyond the cap are closed, nothing spins, and it is over when they leave."""
import os
import resource
import select
import socket
import time
import unittest

from support import Api, Case, Conn, Gone, Server, register

TICK = os.sysconf('SC_CLK_TCK')


def cpu(pids):
    ticks = 0
    for pid in pids:
        with open(f'/proc/{pid}/stat') as file:
            ticks += sum(int(field) for field in file.read().rpartition(')')[2].split()[11:13])
    return ticks / TICK


class Descriptors(Case):
    LIMIT = 100

    def test_exhaustion(self):
        with Server(limits={resource.RLIMIT_NOFILE: self.LIMIT}) as server:
            me = register(server)
            self.assert_status(me.get('auth/me'), 200)
            socks = []
            try:
                for _ in range(3 * self.LIMIT):
                    sock = socket.socket()
                    sock.setblocking(False)
                    sock.connect_ex(('127.0.0.1', server.port))
                    socks.append(sock)
                time.sleep(1)
                self.assertEqual(len(server.workers()), 2)
                with self.subTest('it does not spin'):
                    before = cpu(server.pids())
                    time.sleep(2)
                    self.assertLess(cpu(server.pids()) - before, 0.6)
                with self.subTest('who is in is served'):
                    self.assert_status(me.get('auth/me'), 200)
                    self.assert_status(me.post('startups', {'name': 'n'}), 201)
                with self.subTest('those beyond the cap are closed, not left waiting'):
                    closed = len(select.select(socks, [], [], 0)[0])
                    self.assertGreaterEqual(closed, len(socks) - 2 * self.LIMIT)
            finally:
                for sock in socks:
                    sock.close()
            with self.subTest('and it is over'):
                until = time.monotonic() + 5
                while True:
                    try:
                        with Conn(server.port, timeout=2) as conn:
                            self.assert_status(conn.ask('GET', '/health/live'), 200)
                        break
                    except (OSError, Gone):
                        self.assertLess(time.monotonic(), until)
                        time.sleep(0.05)
                with Api(server, token=me.token) as api:
                    self.assert_status(api.post('startups', {'name': 'n'}), 201)
            me.close()


if __name__ == '__main__':
    unittest.main()
