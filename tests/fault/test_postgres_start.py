"""PostgreSQL cannot be used when the server starts, and PostgreSQL moves to another host. The server starts, lives, is
not ready, and serves as soon as the database is there, whose schema it makes then."""
import time
import unittest

from support import Api, Case, Framing, Gone, Postgres, on_every_worker, register
from support.dependencies import ANSWER, HELD_UP, RECOVERY, TIMEOUT, Crowd, Hogs, Services, Stand, read_only

MIGRATION = 2.0         # seconds more at a start, in which the schema is made

SILENT = TIMEOUT + 1.0 + 3.0    # seconds until asks, connections and attempts to connect are given up

services = None


def setUpModule():
    global services
    services = Services(max_connections=60).start()


def tearDownModule():
    services.finish()


class AtStart(Case):
    def start(self, harm, mend):
        stand = Stand(services.postgres, services.redis)
        self.addCleanup(stand.close)
        harm(stand)
        stand.server.launch()
        self.until_it_lives(stand)
        for _ in range(2):
            self.while_it_lasts(stand)
            time.sleep(0.3)
        mend(stand)
        back = time.monotonic()
        me = self.until_served(stand, back + RECOVERY + MIGRATION)
        print(f'\nat start {self.id().rpartition(".")[2]}: schema, account and first change '
              f'{time.monotonic() - back:.2f} s after the return', flush=True)
        self.assertTrue(stand.server.is_ready())
        me.close()
        stand.finish()

    def until_it_lives(self, stand):
        until = time.monotonic() + 10
        while True:
            try:
                with Api(stand.server, timeout=ANSWER) as api:
                    return self.assert_status(api.get('/health/live'), 200)
            except (OSError, Gone, Framing):
                self.assertIsNone(stand.server.process.poll(), stand.server.text()[-2000:])
                self.assertLess(time.monotonic(), until, 'it does not listen')
                time.sleep(0.02)

    def while_it_lasts(self, stand):
        with Api(stand.server, timeout=ANSWER) as api:
            self.assert_status(api.get('/health/live'), 200)
            self.assert_status(api.get('/health/ready'), 503)
            body = {'email': 'a@example.com', 'password': 'correct horse battery'}
            begun = time.monotonic()
            for path in ('auth/register', 'auth/login'):
                self.assert_come_again(api.post(path, body))
            self.assert_come_again(api.get('auth/me', {'X-API-Key': 'gh_abcdefgh_' + 'x' * 43}))
            self.assertLess(time.monotonic() - begun, 3 * (TIMEOUT + 1))

    def assert_come_again(self, reply):
        """Who it is cannot be known: not 401."""
        self.assert_problem(reply, 503)
        self.assertGreaterEqual(int(reply.get('Retry-After')), 1)

    def until_served(self, stand, until):
        """Somebody for whom every worker does everything."""
        while True:
            try:
                me = register(stand.server)
                me.made('startups', {'name': 'n'})
                if set(on_every_worker(stand.server, me.token, 'startups', 8)) == {200}:
                    return me
            except AssertionError:
                pass
            self.assertIsNone(stand.server.process.poll(), stand.server.text()[-2000:])
            self.assertLess(time.monotonic(), until, f'it does not serve\n{stand.server.text()[-2000:]}')
            time.sleep(0.02)

    def test_down(self):
        self.start(lambda stand: stand.database.cut(), Stand.heal)

    def test_paused(self):
        self.start(lambda stand: stand.database.pause(), Stand.heal)

    def test_slow(self):
        self.start(lambda stand: stand.database.slow(2), Stand.heal)

    def test_it_takes_no_change(self):
        postgres = services.postgres
        self.addCleanup(read_only, postgres, False)
        self.start(lambda _: read_only(postgres, True), lambda _: read_only(postgres, False))

    def test_no_connection_is_left(self):
        hogs = Hogs(services.postgres)
        self.addCleanup(hogs.leave)
        self.start(lambda _: hogs.take(), lambda _: hogs.leave())

    def test_the_database_is_not_made_yet(self):
        postgres = services.postgres

        def harm(stand):
            postgres.psql(f'drop database {stand.store.name}')

        def mend(stand):
            postgres.psql(f'create database {stand.store.name} template template0')
        self.start(harm, mend)

    def test_it_stops_while_it_waits(self):
        stand = Stand(services.postgres, services.redis)
        self.addCleanup(stand.close)
        stand.database.pause()
        stand.server.launch()
        self.until_it_lives(stand)
        begun = time.monotonic()
        stand.server.stop()
        self.assertLess(time.monotonic() - begun, 5)


class Fallback(Case):
    def test_it_serves_and_says_so(self):
        stand = Stand(services.postgres, services.redis, DATABASE_FALLBACK='sqlite')
        self.addCleanup(stand.close)
        stand.database.cut()
        stand.server.start()
        me = register(stand.server)
        self.assert_status(me.post('startups', {'name': 'n'}), 201)
        whole = self.assert_status(me.get('/health'), 200).json
        self.assertIn('SQLite', whole['store']['engine'])
        self.assertIn('warning', str(whole['store']).lower(), 'health says nothing of it')
        loud = [line for line in stand.server.lines()
                if line.get('level') in ('warn', 'error') and 'embedded store is used' in str(line)]
        self.assertTrue(loud, stand.server.text()[-2000:])
        me.close()
        stand.finish()

    def test_it_is_not_used_while_postgres_answers(self):
        with Stand(services.postgres, services.redis, DATABASE_FALLBACK='sqlite') as stand:
            me = register(stand.server)
            self.assertIn('PostgreSQL', me.get('/health').json['store']['engine'])
            self.assertEqual(stand.server.query('select count(*) as n from users')[0]['n'], 1)
            me.close()


class Failover(Case):
    def pair(self):
        """A primary, and a standby that misses nothing of what is acknowledged."""
        primary = Postgres(services.path('primary')).start()
        self.addCleanup(primary.destroy)
        standby = Postgres.standby_of(primary, services.path('standby'), synchronous_standby_names='').start()
        self.addCleanup(standby.destroy)
        primary.psql("alter system set synchronous_standby_names = '*'")
        primary.psql('select pg_reload_conf()')
        return primary, standby

    def fail_over(self, harm, within=RECOVERY):
        primary, standby = self.pair()
        with Stand(primary, services.redis, hosts=[primary, standby]) as stand:
            with Crowd(stand.server) as crowd:
                def mend():
                    standby.promote()
                    stand.store.postgres = standby
                crowd.suffer(lambda: harm(primary, stand.database), 1, mend, after=within + 0.5)
            crowd.assert_recovered(self, within)
            crowd.assert_sane(self)
            crowd.assert_served(self, 'read', share=HELD_UP)

    def test_to_a_standby_that_is_promoted(self):
        def harm(primary, proxy):
            primary.kill()
            proxy.cut()
        self.fail_over(harm)

    def test_the_dead_one_still_accepts(self):
        """As behind a balancer: a connection is made, and ends before a word was said."""
        self.fail_over(lambda primary, _: primary.kill())

    def test_the_dead_one_is_silent(self):
        """Whether it will answer after all is not known before its time is over."""
        def harm(primary, proxy):
            proxy.pause()
            primary.kill()
        self.fail_over(harm, SILENT + RECOVERY)

    def test_the_first_host_is_the_standby(self):
        """Of several hosts the one that takes changes is found, whatever their order."""
        primary, standby = self.pair()
        with Stand(primary, services.redis, hosts=[standby, primary]) as stand:
            me = register(stand.server)
            row = me.made('startups', {'name': 'n'})
            self.assertEqual(self.assert_status(me.get(f'startups/{row["id"]}'), 200).json, row)
            self.assertEqual(set(on_every_worker(stand.server, me.token, 'startups')), {200})
            me.close()


if __name__ == '__main__':
    unittest.main()
