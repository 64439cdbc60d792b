"""Lanes: what is slow in one delays no other; a lane that has too much to do says so; and all of them together open no
more connections than PRODUCT.md allows a node."""
import concurrent.futures
import re
import threading
import time
import unittest

from support import API, Api, Case, Conn, register, request, together
from support.dependencies import Services, Stand

LANES = {'AUTH': '10/50', 'READ': '20/75', 'WRITE': '5/25', 'ANALYTICS': '5/20', 'ADMIN': '2/10', 'BATCH': '5/30'}
LEAST = 44              # of them, halved for two workers
ALL = 210
SHARE = 2               # times the p99 of a quiet moment
MORE = 0.005            # and as many seconds, for a machine with other work
WAVES = 10
FLOOD = 3000            # reads at once, more than a lane of one connection a worker takes
ROUNDS = 4              # noise may spoil some of them, a lane that waits for another spoils all

services = None


def setUpModule():
    global services
    services = Services(max_connections=300).start()


def tearDownModule():
    services.finish()


class Locked:
    """A table in the hands of somebody else, for as long as the context lasts."""

    def __init__(self, stand, table, mode='access exclusive', also='select 1'):
        self.stand, self.table, self.mode, self.also = stand, table, mode, also
        self.thread = threading.Thread(target=self.hold)

    def hold(self):
        try:
            self.psql(f'begin; lock table {self.table} in {self.mode} mode; {self.also}; select pg_sleep(40)')
        except AssertionError:
            pass            # ended by release()

    def psql(self, sql):
        return services.postgres.psql(sql, self.stand.store.name, 60)

    def __enter__(self):
        self.thread.start()
        self.until(lambda: self.holders())
        return self

    def __exit__(self, *_):
        self.psql(f'select pg_terminate_backend(pid) from ({self.HOLDERS}) held')
        self.thread.join()

    HOLDERS = "select pid from pg_stat_activity where query like 'begin; lock table%' and wait_event = 'PgSleep'"

    def holders(self):
        return self.psql(self.HOLDERS)

    def until(self, holds, seconds=10):
        limit = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < limit, f'not within {seconds} s: {waiting(self.stand)}'
            time.sleep(0.02)

    def until_one_waits(self, pattern):
        self.until(lambda: any(re.search(pattern, query) for query in waiting(self.stand)))


def waiting(stand):
    """The statements that wait for a lock."""
    return [row['query'] for row in services.postgres.psql(
        f"select query from pg_stat_activity where datname = '{stand.store.name}' and wait_event_type = 'Lock'")]


class Apart(Case):
    """While a statement of another lane waits."""

    def measure(self, people, seconds):
        """The p99 of the trade of a refresh token: the database's part of a sign-in, without a password's hash."""
        took = []

        def trade(me):
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                begun = time.monotonic()
                reply = self.assert_status(me.post('auth/refresh', {'refresh_token': me.refresh_token}), 200)
                took.append(time.monotonic() - begun)
                me.refresh_token = reply.json['refresh_token']
        together([lambda me=me: trade(me) for me in people])
        return sorted(took)[int(len(took) * 0.99)], len(took)

    def compare(self, stand, table, disturb, pattern):
        """disturb() while the table is locked, until a statement like the pattern waits for it."""
        people = [register(stand.server) for _ in range(2)]
        told = []
        for _ in range(ROUNDS):
            quiet, n = self.measure(people, 1.2)
            with Locked(stand, table) as locked:
                disturb()
                locked.until_one_waits(pattern)
                p99, m = self.measure(people, 1.2)
                self.assertTrue(any(re.search(pattern, query) for query in waiting(stand)), 'it did not wait so long')
            told.append(f'{quiet * 1000:.1f} -> {p99 * 1000:.1f} ms ({n}, {m})')
            if p99 <= SHARE * quiet + MORE:
                break
        else:
            self.fail(f'p99 of a refresh, quiet and while another lane waits: {told}')
        print(f'\n{self.id().rpartition(".")[2]}: p99 of a refresh {"; ".join(told)}', flush=True)
        for person in people:
            person.close()

    def test_a_report_that_waits_delays_no_sign_in(self):
        """The totals for the metrics count every row of a table; they are taken when a node gets the duty to."""
        with Stand(services.postgres, services.redis, DATABASE_TIMEOUT=8000) as stand:
            def disturb():
                psql = stand.store.query
                psql("update duties set node = null, until = until + 3600000000 where name = 'jobs'")
                told = len(stand.server.lines())
                self.wait_for_line(stand, told, 'another node may do')
                psql("update duties set until = 0 where name = 'jobs'")
            self.compare(stand, 'tasks', disturb, r'from users where status')

    def wait_for_line(self, stand, after, text, seconds=12):
        until = time.monotonic() + seconds
        while not any(text in str(line) for line in stand.server.lines()[after:]):
            self.assertLess(time.monotonic(), until, f'no {text!r} in the log')
            time.sleep(0.05)

    def test_a_read_that_waits_delays_no_sign_in(self):
        with Stand(services.postgres, services.redis, DATABASE_TIMEOUT=8000) as stand:
            me = register(stand.server)
            asked = []

            def ask():
                with Api(stand.server, token=me.token) as api:
                    self.assert_status(api.get('tasks'), 200, 503)

            def disturb():
                asked.extend(threading.Thread(target=ask) for _ in range(4))
                for thread in asked[-4:]:
                    thread.start()
            self.compare(stand, 'tasks', disturb, r'from tasks')
            for thread in asked:
                thread.join()
            me.close()


class Bounds(Case):
    def connections(self, stand):
        return int(services.postgres.psql("select count(*) as n from pg_stat_activity where backend_type = "
                                          f"'client backend' and datname = '{stand.store.name}'")[0]['n'])

    def flood(self, server, n, data):
        """The same request so many times at once, each on a connection of its own; the replies."""
        conns = [Conn(server.port, timeout=20) for _ in range(n)]
        try:
            for conn in conns:
                conn.send(data)
            return [conn.final() for conn in conns]
        finally:
            for conn in conns:
                conn.close()

    def read(self, me):
        return request('GET', API + 'startups', {'Authorization': f'Bearer {me.token}'})

    def change(self, me):
        return request('POST', API + 'startups', {'Authorization': f'Bearer {me.token}'}, {'name': 'n'})

    def test_no_more_connections_than_a_node_may_have(self):
        """All lanes as wide as PRODUCT.md has them, asked more than they can do."""
        lanes = {f'LANE_{name}': size for name, size in LANES.items()}
        with Stand(services.postgres, services.redis, DATABASE_TIMEOUT=5000, **lanes) as stand:
            seen, limit = [], time.monotonic() + 15
            while not seen or seen[-1] < LEAST:
                self.assertLess(time.monotonic(), limit, f'{seen[-1:]} connections')
                seen.append(self.connections(stand))
                time.sleep(0.1)
            me = register(stand.server)
            with Locked(stand, 'startups'):
                self.waves(me, lambda: seen.append(self.connections(stand)),
                           (200, 150, self.read(me)), (201, 40, self.change(me)))
            print(f'\nconnections: at most {max(seen)}', flush=True)
            self.assertLessEqual(max(seen), ALL)
            self.assert_metrics(stand)
            me.close()

    def test_a_lane_grows_when_it_has_to(self):
        """Changes of one row that somebody else is changing."""
        with Stand(services.postgres, services.redis, DATABASE_TIMEOUT=5000, LANE_WRITE='2/16') as stand:
            me = register(stand.server)
            row = me.made('startups', {'name': 'n'})
            change = request('PATCH', API + f'startups/{row["id"]}', {'Authorization': f'Bearer {me.token}'},
                             {'stage': 'seed'})
            open_now, seen = 'store_lane_connections{lane="write",use="in_use"}', []
            with Locked(stand, 'startups', 'row share', f"select 1 from startups where id = '{row['id']}' for update"):
                self.waves(me, lambda: seen.append(stand.metric(open_now)), (200, 40, change))
            print(f'\nlane write: {max(seen):.0f} connections of at most 16', flush=True)
            self.assertGreater(max(seen), 2)
            self.assertLessEqual(max(seen), 16)
            me.close()

    def waves(self, me, look, *kinds):
        """(the status when it is served, how many at once, the request), ten times."""
        with concurrent.futures.ThreadPoolExecutor(WAVES * len(kinds)) as pool:
            works = []
            for _ in range(WAVES):
                works += [(status, pool.submit(self.flood, me.server, n, data)) for status, n, data in kinds]
                time.sleep(0.1)
                look()
            for status, work in works:
                self.assertLessEqual({reply.status for reply in work.result()}, {status, 503, 409})
        look()

    def assert_metrics(self, stand):
        with Api(stand.server) as api:
            page = api.get('/metrics').body.decode()
        for lane in map(str.lower, LANES):
            for family in ('connections', 'queued', 'depth', 'wait_seconds'):
                self.assertRegex(page, rf'(?m)^store_lane_{family}\w*{{.*lane="{lane}"', f'{family} of {lane}')
            for use in ('in_use', 'idle'):
                found = re.search(rf'(?m)^store_lane_connections{{lane="{lane}",use="{use}"}} (\S+)$', page)
                self.assertTrue(found, (lane, use))
                self.assertGreaterEqual(float(found[1]), 0)
        open_now = stand.metric('store_lane_connections')
        self.assertGreater(open_now, 0)
        self.assertLessEqual(open_now, ALL)

    def test_a_lane_with_too_much_to_do_says_so(self):
        """And only that lane."""
        with Stand(services.postgres, services.redis, DATABASE_TIMEOUT=5000, LANE_READ='1/1') as stand:
            me = register(stand.server)
            with Locked(stand, 'startups'):
                with Api(stand.server, token=me.token) as api:
                    conns = [Conn(stand.server.port, timeout=20) for _ in range(FLOOD)]
                    for conn in conns:
                        conn.send(self.read(me))
                    begun = time.monotonic()
                    reply = me.post('auth/refresh', {'refresh_token': me.refresh_token})
                    self.assert_status(reply, 200)
                    self.assert_status(api.get('agents'), 200, 503)
                    self.assertLess(time.monotonic() - begun, 1)
            replies = [conn.final() for conn in conns]
            refused = [reply for reply in replies if reply.status != 200]
            print(f'\n{len(replies)} reads at once in a lane of one connection a worker: {len(refused)} refused')
            self.assertTrue(refused)
            for reply in refused:
                self.assert_problem(reply, 503, 'overloaded')
                self.assertGreaterEqual(int(reply.get('Retry-After')), 1)
            for conn in conns:
                conn.close()
            me.close()


if __name__ == '__main__':
    unittest.main()
