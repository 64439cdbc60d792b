"""The store is away while nginx asks who may pass: 503 with Retry-After, never a yes and never a no; and as before when
it is back."""
import time
import unittest

from support import Case, Conn, person, register
from support.dependencies import Services, Stand
from support.nginx import Nginx

services = None


def setUpModule():
    global services
    services = Services(max_connections=60).start()


def tearDownModule():
    services.finish()


class Away(Case):
    def setUp(self):
        self.stand = Stand(services.postgres, TRUSTED_PROXIES='127.0.0.1').start()
        self.addCleanup(self.stand.finish)
        server = self.stand.server
        boss, self.ann = person(server, 'admin'), register(server)
        boss.made('upstreams', {'path': '/mine/', 'permission': 'signed-in'})
        boss.made('upstreams', {'path': '/open/', 'permission': 'anyone'})
        boss.close()
        self.addCleanup(self.ann.close)
        self.nginx = Nginx(services.path('nginx'), server.port).start()
        self.addCleanup(self.nginx.destroy)
        self.addCleanup(self.nginx.stop)

    def ask(self, target, token=None):
        headers = {'Host': 'app.example', **({'Authorization': f'Bearer {token}'} if token else {})}
        with Conn(self.nginx.port) as conn:
            return conn.ask('GET', target, headers)

    def on_every_worker(self):
        """Statuses: each connection of nginx may meet another worker, and each recovers by itself."""
        return {self.ask(*asked).status for asked in
                [('/mine/x', self.ann.token), ('/mine/x',), ('/nothing', self.ann.token)] * 8}

    def test_is_503_and_passes(self):
        self.assert_status(self.ask('/mine/x', self.ann.token), 200)
        self.stand.database.cut()
        time.sleep(1.5)         # no news for longer than that, so nothing that is known is used
        for target, token in (('/mine/x', self.ann.token), ('/open/x', None), ('/nothing', None)):
            reply = self.assert_status(self.ask(target, token), 503)
            self.assertGreater(int(reply.get('Retry-After')), 0)
        with Conn(self.stand.server.port) as conn:
            question = {'subject': {'type': 'user', 'id': self.ann.id}, 'action': {'name': 'read'},
                        'resource': {'type': 'startup', 'id': self.ann.id}}
            reply = conn.ask('POST', '/access/v1/evaluation', {'Authorization': f'Bearer {self.ann.token}'}, question)
            self.assert_problem(reply, 503)
        self.stand.database.heal()
        until = time.monotonic() + 5
        while 503 in self.on_every_worker() and time.monotonic() < until:
            time.sleep(0.05)
        self.assertEqual(self.on_every_worker(), {200, 401, 403})
        self.assert_status(self.ask('/mine/x', self.ann.token), 200)
        self.assert_status(self.ask('/mine/x'), 401)
        self.assert_status(self.ask('/nothing', self.ann.token), 403)


if __name__ == '__main__':
    unittest.main()
