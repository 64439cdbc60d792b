"""kill -9 of workers under write load: nothing acknowledged is lost, nothing is done twice, the others serve, and a new
one comes."""
import os
import signal
import time
import unittest

from support import Api, Case, Conn, Gone, Server, Writers, on_every_worker, register, together

ENGINES = 'sqlite (postgres)'

KILLS = int(os.environ.get('KILLS', '10'))


def wait_for_workers(case, server, without=(), n=2, seconds=15):
    """Until n workers are ready, none of them among those that were killed."""
    until = time.monotonic() + seconds
    while True:
        here = server.workers()
        if len(here) == n and not set(here) & set(without) and running(server) == n:
            server.pids()
            return here
        case.assertLess(time.monotonic(), until, f'workers {here} after {seconds} s\n{server.text()[-1500:]}')
        time.sleep(0.02)


def running(server):
    try:
        with Api(server, timeout=3) as api:
            return api.get('/health').json['workers']['running']
    except (OSError, Gone):
        return 0


class WorkerDeath(Case):
    def test_under_write_load_nothing_acknowledged_is_lost(self):
        with Server() as server:
            me = register(server)
            me.close()
            with Writers(server, me.token) as writers:
                for n in range(KILLS):
                    writers.until(len(writers.made) + 10, 30)
                    victim = server.workers()[n % 2]
                    os.kill(victim, signal.SIGKILL)
                    wait_for_workers(self, server, without=(victim,))
                writers.until(len(writers.made) + 30, 30)
            self.assertGreater(writers.retries, 0, 'nobody has noticed')
            writers.verify(self)
            self.assertEqual(set(on_every_worker(server, me.token)), {200})
            ended = [line for line in server.lines() if line.get('event') == 'worker.ended']
            self.assertEqual(len(ended), KILLS, 'somebody died by himself')

    def test_both_workers_at_once(self):
        with Server() as server:
            me = register(server)
            me.close()
            with Writers(server, me.token) as writers:
                for _ in range(3):
                    writers.until(len(writers.made) + 10, 30)
                    victims = server.workers()
                    for victim in victims:
                        os.kill(victim, signal.SIGKILL)
                    wait_for_workers(self, server, without=victims)
                writers.until(len(writers.made) + 20, 30)
            writers.verify(self)

    def test_the_other_serves_meanwhile(self):
        with Server() as server:
            conns = [Conn(server.port, timeout=5) for _ in range(24)]
            try:
                for conn in conns:
                    self.assert_status(conn.ask('GET', '/health/live'), 200)
                victim = server.workers()[0]
                os.kill(victim, signal.SIGKILL)
                served = ended = 0
                begun = time.monotonic()
                for conn in conns:
                    try:
                        conn.try_send(b'GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n')
                        self.assert_status(conn.reply(), 200)
                        served += 1
                    except Gone:
                        ended += 1
                self.assertGreater(served, 0, 'nobody serves')
                self.assertGreater(ended, 0, 'nobody was served by the victim')
                self.assertLess(time.monotonic() - begun, 2)
            finally:
                for conn in conns:
                    conn.close()

    def test_who_comes_meanwhile_waits_and_is_served(self):
        with Server() as server:
            os.kill(server.workers()[0], signal.SIGKILL)

            def come():
                with Conn(server.port, timeout=10) as conn:
                    begun = time.monotonic()
                    status = conn.ask('GET', '/health/live').status
                    return status, time.monotonic() - begun
            found = together([come] * 40)
            self.assertEqual({status for status, _ in found}, {200})
            self.assertLess(max(seconds for _, seconds in found), 5)

    def test_a_new_worker_comes_and_it_is_logged(self):
        with Server() as server:
            victim = server.workers()[0]
            os.kill(victim, signal.SIGKILL)
            here = wait_for_workers(self, server, without=(victim,))
            self.assertEqual(len(here), 2)
            told = server.wait_for_line(lambda line: line.get('event') == 'worker.ended')
            self.assertEqual((told.get('pid'), told.get('signal')), (victim, 9))
            with Api(server) as api:
                page = api.get('/metrics').body.decode()
            self.assertRegex(page, r'(?m)^process_worker_starts_total 3$')

    def test_counters_do_not_go_back(self):
        def count(server):
            with Api(server) as api:
                for line in api.get('/metrics').body.decode().splitlines():
                    if line.startswith('http_connections_total '):
                        return float(line.split()[1])
            return None
        with Server() as server:
            for _ in range(30):
                with Conn(server.port) as conn:
                    conn.ask('GET', '/health/live')
            before = count(server)
            for victim in server.workers():
                os.kill(victim, signal.SIGKILL)
                wait_for_workers(self, server, without=(victim,))
            self.assertGreaterEqual(count(server), before)

    def test_limits_survive(self):
        with Server(RATE_LIMIT_PROFILE='standard', RATE_LIMIT_REQUESTS=10, RATE_LIMIT_WINDOW=60) as server:
            me = register(server)
            found = [me.get('auth/me').status for _ in range(12)]
            self.assertEqual(found, [200] * 10 + [429] * 2)
            victims = server.workers()
            for victim in victims:
                os.kill(victim, signal.SIGKILL)
            wait_for_workers(self, server, without=victims)
            me.close()
            self.assertEqual(set(on_every_worker(server, me.token, times=8)), {429})

    def test_what_was_ended_stays_ended(self):
        with Server() as server:
            me = register(server)
            self.assert_status(me.post('auth/logout'), 204, 200)
            victims = server.workers()
            for victim in victims:
                os.kill(victim, signal.SIGKILL)
            wait_for_workers(self, server, without=victims)
            self.assertEqual(set(on_every_worker(server, me.token, times=8)), {401})

    def test_it_loses_no_task(self):
        """Tasks are claimed and finished while workers die: each is completed once, none is left in a hand."""
        with Server() as server:
            me = register(server)
            agent = me.made('agents', {'name': 'a'})['id']
            n = 60
            replies = me.many([('POST', 'tasks', {'agent_id': agent, 'max_attempts': 25})] * n)
            ids = {reply.json['id'] for reply in replies}
            me.close()
            finished, until = {}, time.monotonic() + 40

            def attempt(method, path, body):
                try:
                    with Api(server, token=me.token, timeout=5) as api:
                        return api.call(method, path, body)
                except (OSError, Gone, AssertionError):
                    return None

            def work():
                while len(finished) < n and time.monotonic() < until:
                    reply = attempt('POST', 'tasks/claim', {'limit': 2, 'lease_seconds': 1})
                    if reply is None or reply.status != 200:
                        continue
                    for item in reply.json['items']:
                        time.sleep(0.02)
                        body = {'lease': item['lease'], 'result': item['lease']}
                        done = attempt('POST', f'tasks/{item["id"]}/complete', body)
                        if done is not None and done.status == 200:
                            assert item['id'] not in finished, 'completed twice'
                            finished[item['id']] = item['lease']
                        elif done is None or done.status == 409:        # it may have been done all the same
                            row = attempt('GET', f'tasks/{item["id"]}', None)
                            if row is not None and row.status == 200 and row.json['result'] == item['lease']:
                                finished[item['id']] = item['lease']
                    if not reply.json['items']:
                        time.sleep(0.1)
                        for id in ids - set(finished):
                            row = attempt('GET', f'tasks/{id}', None)
                            if row is not None and row.status == 200 and row.json['status'] == 'completed':
                                finished.setdefault(id, row.json['result'])

            def kill():
                for turn in range(4):
                    time.sleep(0.4)
                    victim = server.workers()[turn % 2]
                    os.kill(victim, signal.SIGKILL)
                    wait_for_workers(self, server, without=(victim,))
            together([work, work, work, kill])
            self.assertEqual(set(finished), ids)
            rows = {row['id']: row for row in server.query('select id, status, result from tasks')}
            for id, lease in finished.items():
                row = rows[id]
                self.assertEqual((row['status'], row['result']), ('completed', f'"{lease}"'))


if __name__ == '__main__':
    unittest.main()
