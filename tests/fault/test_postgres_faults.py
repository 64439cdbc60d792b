"""PostgreSQL is down, hangs, is slow, resets, takes no change, has no connection left, in the middle of load. What can
be answered from fresh facts is, the rest is 503 and says when to come again; nobody is signed out or let in by it,
nothing acknowledged is lost, and it passes without a restart."""
import threading
import time
import unittest

from support import Api, Case, on_every_worker, person, register, together
from support.dependencies import ANSWER, HELD_UP, RECOVERY, Crowd, Hogs, Services, Stand, read_only

FAULT = 2.0             # seconds
KNOWN = 1.0 + 0.6       # seconds without news, after which no cached fact is used; and what is under way then

services = None


def setUpModule():
    global services
    services = Services(max_connections=60).start()


def tearDownModule():
    services.finish()


class Fault(Case):
    """One server for all: what a fault leaves behind would meet the next one."""

    redis = True
    before = 0

    @classmethod
    def setUpClass(cls):
        cls.stand = Stand(services.postgres, services.redis if cls.redis else None).start()

    @classmethod
    def tearDownClass(cls):
        cls.stand.finish()

    def setUp(self):
        self.addCleanup(self.stand.heal)
        time.sleep(self.before)

    def suffer(self, harm, mend, seconds=FAULT):
        with Crowd(self.stand.server) as crowd:
            crowd.suffer(harm, seconds, mend)
        crowd.assert_recovered(self)
        crowd.assert_sane(self)
        return crowd


class WithRedis(Fault):
    """The nodes' beats come by way of Redis, so what is known stays known."""

    def gone(self, harm, late, mend=None):
        """Whatever makes it unreachable."""
        crowd = self.suffer(harm, mend or self.stand.database.heal)
        crowd.assert_served(self, 'read', share=HELD_UP)
        crowd.assert_refused(self, 'write', 'list', 'login', 'refresh', 'ready', late=late)

    def test_down(self):
        self.gone(self.stand.database.cut, late=0.3)

    def test_paused(self):
        self.gone(self.stand.database.pause, late=0.1)

    def test_deaf(self):
        self.gone(lambda: self.stand.database.pause('to_server'), late=0.1)

    def test_mute(self):
        """It does what it is told, and nobody hears of it."""
        self.gone(lambda: self.stand.database.pause('to_client'), late=0.1)

    def test_slow(self):
        self.gone(lambda: self.stand.database.slow(2), late=0.1)

    def test_reset(self):
        crowd = self.suffer(self.stand.database.reset_once, lambda: None)
        crowd.assert_served(self, 'read', share=HELD_UP)

    def test_one_reset_after_the_other(self):
        def harm():
            for _ in range(10):
                self.stand.database.reset_once()
                time.sleep(0.1)
        crowd = self.suffer(harm, lambda: None, seconds=0)
        crowd.assert_served(self, 'read', share=HELD_UP)

    def test_it_takes_no_change(self):
        postgres = services.postgres
        self.addCleanup(read_only, postgres, False)
        crowd = self.suffer(lambda: read_only(postgres, True), lambda: read_only(postgres, False))
        crowd.assert_served(self, 'read', share=HELD_UP)
        crowd.assert_refused(self, 'write', 'login', 'refresh', late=0.3)

    def test_a_round_is_under_way(self):
        """The look each second for leases that ran out is cut off, and nobody knows what it did."""
        sql = 'begin; lock table tasks; select pg_sleep(1.5); commit'
        holds_it_up = threading.Thread(target=services.postgres.psql, args=(sql, self.stand.store.name))
        self.addCleanup(holds_it_up.join)

        def harm():
            holds_it_up.start()
            time.sleep(1.2)
            self.stand.database.cut()
        self.gone(harm, late=1.5)

    def test_no_connection_is_left(self):
        hogs = Hogs(services.postgres)
        self.addCleanup(hogs.leave)

        def harm():
            self.stand.database.cut()
            hogs.take()
            self.stand.database.heal()
        self.gone(harm, 0.5, hogs.leave)


class WithoutRedis(Fault):
    """Nobody is heard, so nothing that is remembered counts after a second."""

    redis = False

    def gone(self, harm, late):
        crowd = self.suffer(harm, self.stand.database.heal, FAULT + 1)
        crowd.assert_refused(self, 'read', 'pry', late=KNOWN)
        crowd.assert_refused(self, 'write', 'list', 'login', 'refresh', 'ready', late=late)

    def test_down(self):
        self.gone(self.stand.database.cut, late=0.3)

    def test_paused(self):
        self.gone(self.stand.database.pause, late=0.1)


class Both(Fault):
    def test_down(self):
        def harm():
            self.stand.cache.cut()
            self.stand.database.cut()
        crowd = self.suffer(harm, self.stand.heal, FAULT + 1)
        crowd.assert_refused(self, 'read', 'pry', late=KNOWN)
        crowd.assert_refused(self, 'write', 'list', 'login', 'refresh', 'ready', late=0.3)


class Told(Fault):
    """What operators and orchestrators are told, and what they have said themselves."""

    before = RECOVERY       # of what the last one has done

    def until(self, holds, seconds):
        limit = time.monotonic() + seconds
        while not holds():
            self.assertLess(time.monotonic(), limit, f'not within {seconds} s')
            time.sleep(0.02)

    def test_health_names_what_fails(self):
        with Api(self.stand.server) as api:
            self.until(lambda: api.get('/health').json['status'] == 'ok', RECOVERY)
            self.stand.database.cut()
            time.sleep(0.3)
            whole = self.assert_status(api.get('/health'), 503).json
            self.assertNotEqual(whole['status'], 'ok')
            self.assertNotEqual(whole['store']['status'], 'ok')
            self.assert_status(api.get('/health/ready'), 503)
            self.assert_status(api.get('/health/live'), 200)
            self.stand.database.heal()
            self.until(lambda: api.get('/health/ready').status == 200, RECOVERY)
            self.until(lambda: api.get('/health').json['status'] == 'ok', RECOVERY)

    def test_a_mode_entered_by_hand_outlasts_it(self):
        admin = person(self.stand.server, 'admin')
        self.assert_status(admin.call('PUT', 'mode', {'mode': 'read_only', 'reason': 'by hand'}), 200, 204)
        try:
            self.stand.database.cut()
            time.sleep(1)
            self.stand.database.heal()
            time.sleep(RECOVERY)
            self.assert_problem(admin.post('startups', {'name': 'n'}), 503, 'emergency')
        finally:
            self.assert_status(admin.call('PUT', 'mode', {'mode': 'normal'}), 200, 204)
            admin.close()

    def test_nobody_waits_for_what_is_known_to_fail(self):
        """The breaker opens, and closes by itself."""
        me = register(self.stand.server)

        def ask():
            with Api(self.stand.server, token=me.token, timeout=ANSWER) as api:
                return api.get('startups').status
        on_every_worker(self.stand.server, me.token, 'startups')    # who asks is known: each ask is one of its own
        self.stand.database.pause()
        for _ in range(2):
            self.assertEqual(set(together([ask] * 40)), {503})
        self.assertEqual(self.stand.metric('store_breaker_open'), 2)
        begun = time.monotonic()
        self.assertEqual(set(together([ask] * 40)), {503})
        self.assertLess(time.monotonic() - begun, 1, 'they wait')
        self.stand.database.heal()
        self.until(lambda: set(on_every_worker(self.stand.server, me.token, 'startups', 8)) == {200}, RECOVERY + 0.5)
        self.until(lambda: self.stand.metric('store_breaker_open') == 0, 2)
        me.close()


if __name__ == '__main__':
    unittest.main()
