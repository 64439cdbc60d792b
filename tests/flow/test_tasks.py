"""Tasks: claimed, held, finished, tried again; no task is ever in two hands, and none is lost."""
import threading
import time
import unittest
import uuid
from datetime import datetime, timezone

from support import Api, Case, Server, register, together, uuid7

server = None


def setUpModule():
    global server
    server = Server().start()


def tearDownModule():
    server.finish()


def seconds_of(text):
    return datetime.fromisoformat(text.replace('Z', '+00:00')).timestamp()


def at(seconds):
    return datetime.fromtimestamp(time.time() + seconds, timezone.utc).strftime('%Y-%m-%dT%H:%M:%S.%fZ')


class Tasks(Case):
    def setUp(self):
        self.me = register(server)
        self.agent = self.me.made('agents', {'name': 'a'})['id']

    def tearDown(self):
        self.me.close()

    def task(self, **fields):
        return self.me.made('tasks', {'agent_id': self.agent, **fields})['id']

    def claim(self, **body):
        reply = self.me.post('tasks/claim', body)
        self.assert_status(reply, 200)
        return reply.json['items']

    def one(self, **body):
        items = self.claim(**body)
        self.assertEqual(len(items), 1, items)
        return items[0]

    def row(self, id):
        return self.me.get('tasks/' + id).json

    def verb(self, id, verb, **body):
        return self.me.post(f'tasks/{id}/{verb}', body)

    def wait_for(self, id, status, seconds):
        until = time.monotonic() + seconds
        while (row := self.row(id))['status'] != status:
            self.assertLess(time.monotonic(), until, f'not {status} after {seconds} s: {row}')
            time.sleep(0.1)
        return row


class Claim(Tasks):
    def test_gives_what_is_to_be_done_and_a_lease(self):
        id = self.task(kind='sum', input={'a': [1, 2]})
        item = self.one(lease_seconds=30)
        self.assertEqual((item['id'], item['status'], item['attempt'], item['input'], item['kind']),
                         (id, 'in_progress', 1, {'a': [1, 2]}, 'sum'))
        self.assertTrue(item['lease'])
        self.assertAlmostEqual(seconds_of(item['lease_until']), time.time() + 30, delta=5)
        self.assertEqual(self.row(id)['status'], 'in_progress')

    def test_the_lease_is_told_to_the_claimer_alone(self):
        id = self.task()
        lease = self.one()['lease']
        for path in ('tasks/' + id, 'tasks'):
            self.assertNotIn(lease, self.me.get(path).body.decode())

    def test_nothing_to_do(self):
        self.assertEqual(self.claim(), [])

    def test_an_idle_claimer_writes_nothing(self):
        def count():
            return server.query('select count(*) as n from audit')[0]['n']
        before = count()
        for _ in range(5):
            self.claim(limit=10)
        self.assertEqual(count(), before)

    def test_batch(self):
        ids = {self.task() for _ in range(25)}
        first, second, third = self.claim(limit=10), self.claim(limit=100), self.claim(limit=10)
        self.assertEqual((len(first), len(second), len(third)), (10, 15, 0))
        self.assertEqual({item['id'] for item in first + second}, ids)

    def test_bounds(self):
        for body in ({'limit': 0}, {'limit': -1}, {'limit': 100000}, {'lease_seconds': 0}, {'lease_seconds': 10 ** 9},
                     {'limit': '5'}, {'agent_id': 'x'}):
            with self.subTest(body):
                self.assert_problem(self.me.post('tasks/claim', body), 422)

    def test_most_urgent_first_then_oldest(self):
        wanted = []
        for priority in (0, 5, -5, 5, 100):
            wanted.append((-priority, len(wanted), self.task(priority=priority)))
        self.assertEqual([item['id'] for item in self.claim(limit=10)], [id for _, _, id in sorted(wanted)])

    def test_one_by_one_most_urgent_first(self):
        wanted = sorted((-priority, self.task(priority=priority)) for priority in (1, 9, 3, 7))
        self.assertEqual([self.one()['id'] for _ in range(4)], [id for _, id in wanted])

    def test_of_one_agent(self):
        other = self.me.made('agents', {'name': 'b'})['id']
        self.task()
        mine = self.me.made('tasks', {'agent_id': other})['id']
        self.assertEqual([item['id'] for item in self.claim(agent_id=other, limit=10)], [mine])

    def test_not_before_its_time(self):
        id = self.task(run_at=at(1.5))
        self.assertEqual(self.claim(), [])
        time.sleep(1.7)
        self.assertEqual(self.one()['id'], id)

    def test_not_anothers(self):
        self.task()
        stranger = register(server)
        reply = stranger.post('tasks/claim', {'limit': 100})
        self.assertEqual(reply.json['items'], [])
        stranger.close()

    def test_no_task_is_in_two_hands(self):
        """Eight claimers at once, on both workers: each task is claimed once."""
        replies = self.me.many([('POST', 'tasks', {'agent_id': self.agent})] * 200)
        ids = {reply.json['id'] for reply in replies}
        claimed, lock = [], threading.Lock()

        def work(size):
            empty = 0
            while empty < 2:
                with Api(server, token=self.me.token) as api:
                    reply = api.post('tasks/claim', {'limit': size, 'lease_seconds': 300})
                self.assert_status(reply, 200)
                items = reply.json['items']
                empty += not items
                with lock:
                    claimed.extend((item['id'], item['lease']) for item in items)
        together([lambda size=size: work(size) for size in (1, 3, 5, 7, 10, 2, 4, 20)])
        self.assertEqual(len(claimed), len(ids))
        self.assertEqual({id for id, _ in claimed}, ids)
        rows = list(self.me.walk('tasks', 1000))
        self.assertEqual({(row['status'], row['attempt']) for row in rows}, {('in_progress', 1)})

    def test_audit(self):
        id = self.task()
        item = self.one()
        self.verb(id, 'complete', lease=item['lease'])
        rows = server.query('select action, target, correlation from audit where principal_id = ?',
                            uuid.UUID(self.me.id))
        actions = [row['action'] for row in rows]
        for action in ('task.create', 'task.claim', 'task.complete'):
            self.assertEqual(actions.count(action), 1, actions)
        self.assertNotIn(item['lease'], str([tuple(row) for row in rows]))


class Finish(Tasks):
    def test_complete(self):
        id = self.task()
        item = self.one()
        reply = self.verb(id, 'complete', lease=item['lease'], result={'sum': 3})
        self.assert_status(reply, 200)
        row = self.row(id)
        self.assertEqual((row['status'], row['result'], row['error']), ('completed', {'sum': 3}, None))
        self.assertEqual(reply.json, row)
        self.assertEqual(self.claim(limit=10), [])

    def test_complete_without_a_result(self):
        id = self.task()
        self.assert_status(self.verb(id, 'complete', lease=self.one()['lease']), 200)
        self.assertIsNone(self.row(id)['result'])

    def test_twice(self):
        id = self.task()
        lease = self.one()['lease']
        self.assert_status(self.verb(id, 'complete', lease=lease, result=1), 200)
        self.assert_problem(self.verb(id, 'complete', lease=lease, result=2), 409, 'lease_lost')
        self.assert_problem(self.verb(id, 'fail', lease=lease, error='x'), 409, 'lease_lost')
        self.assert_problem(self.verb(id, 'heartbeat', lease=lease), 409, 'lease_lost')
        self.assertEqual(self.row(id)['result'], 1)

    def test_a_lease_of_another_task(self):
        a, b = self.task(priority=2), self.task(priority=1)
        lease_a, lease_b = self.one()['lease'], self.one()['lease']
        self.assert_problem(self.verb(a, 'complete', lease=lease_b), 409, 'lease_lost')
        self.assert_status(self.verb(a, 'complete', lease=lease_a), 200)
        self.assert_status(self.verb(b, 'complete', lease=lease_b), 200)

    def test_leases_that_are_none(self):
        id = self.task()
        self.one()
        for lease in ('x', '', None, 5, '00000000-0000-0000-0000-000000000000', "' or 1=1 --", []):
            with self.subTest(lease):
                self.assert_problem(self.verb(id, 'complete', lease=lease), (400, 422))
        self.assert_problem(self.verb(id, 'complete', lease=str(uuid7())), 409, 'lease_lost')
        self.assert_problem(self.verb(id, 'complete'), 422)
        self.assertEqual(self.row(id)['status'], 'in_progress')

    def test_what_was_never_claimed(self):
        id = self.task()
        for verb in ('complete', 'fail', 'heartbeat'):
            self.assert_problem(self.verb(id, verb, lease=uuid7()), 409, 'lease_lost')
        self.assertEqual(self.row(id)['status'], 'pending')

    def test_of_many_finishers_one_wins(self):
        id = self.task()
        lease = self.one()['lease']

        def finish(n):
            with Api(server, token=self.me.token) as api:
                return api.post(f'tasks/{id}/complete', {'lease': lease, 'result': n}).status
        found = together([lambda n=n: finish(n) for n in range(8)])
        self.assertEqual((found.count(200), found.count(409)), (1, 7), found)
        self.assertEqual(self.row(id)['result'], found.index(200))

    def test_the_cache_follows(self):
        id = self.task()
        seen = [self.row(id)['status']]
        lease = self.one()['lease']
        seen.append(self.row(id)['status'])
        self.verb(id, 'complete', lease=lease)
        seen.append(self.row(id)['status'])
        self.assertEqual(seen, ['pending', 'in_progress', 'completed'])
        for _ in range(8):
            with Api(server, token=self.me.token) as api:
                self.assertEqual(api.get('tasks/' + id).json['status'], 'completed')


class FinishMany(Tasks):
    def complete(self, lease, items):
        return self.me.post('tasks/complete', {'lease': lease, 'items': items})

    def batch(self, n):
        """n tasks claimed at once: their ids, and the lease."""
        for _ in range(n):
            self.task()
        items = self.claim(limit=n, lease_seconds=60)
        self.assertEqual(len(items), n)
        return [item['id'] for item in items], items[0]['lease']

    def test_each_with_its_result(self):
        ids, lease = self.batch(4)
        results = [{'words': 3}, 'done', 7, None]
        asked = [{'id': id, 'result': result} for id, result in zip(ids, results)]
        del asked[3]['result']
        reply = self.assert_status(self.complete(lease, asked), 200)
        self.assertEqual(reply.json, {'completed': ids, 'lost': []})
        for id, result in zip(ids, results):
            row = self.row(id)
            self.assertEqual((row['status'], row['result'], row['version']), ('completed', result, 3))

    def test_what_is_not_under_the_lease_is_told_as_lost(self):
        ids, lease = self.batch(3)
        other, _ = self.batch(1)
        pending, stranger = self.task(), register(server)
        theirs = stranger.made('tasks', {'agent_id': stranger.made('agents', {'name': 'b'})['id']})['id']
        asked = [{'id': id} for id in (ids[0], other[0], pending, theirs, uuid7(), ids[1])]
        reply = self.assert_status(self.complete(lease, asked), 200)
        self.assertEqual(reply.json['completed'], [ids[0], ids[1]])
        self.assertEqual(reply.json['lost'], [item['id'] for item in asked[1:5]])
        self.assertEqual(self.row(ids[2])['status'], 'in_progress')
        self.assertEqual((self.row(other[0])['status'], self.row(pending)['status']), ('in_progress', 'pending'))
        again = self.assert_status(self.complete(lease, [{'id': ids[0]}]), 200)
        self.assertEqual(again.json, {'completed': [], 'lost': [ids[0]]})
        stolen = self.assert_status(stranger.post('tasks/complete', {'lease': lease, 'items': [{'id': ids[2]}]}), 200)
        self.assertEqual(stolen.json['completed'], [])
        stranger.close()

    def test_a_lease_that_ran_out_completes_nothing(self):
        self.task()
        item = self.one(lease_seconds=1)
        time.sleep(1.2)
        reply = self.assert_status(self.complete(item['lease'], [{'id': item['id']}]), 200)
        self.assertEqual(reply.json, {'completed': [], 'lost': [item['id']]})

    def test_what_cannot_be_read_changes_nothing(self):
        ids, lease = self.batch(1)
        good = {'id': ids[0]}
        for items in ([], {}, 'x', [good, good], [{'id': 'x'}], [{}], [{'id': ids[0], 'more': 1}], [good, None],
                      [{'id': uuid7()} for _ in range(101)], [{'id': '00000000-0000-0000-0000-000000000000'}]):
            with self.subTest(items=str(items)[:60]):
                self.assert_fault(self.complete(lease, items), 'items')
        self.assert_fault(self.me.post('tasks/complete', {'items': [good]}), 'lease')
        self.assertEqual(self.row(ids[0])['status'], 'in_progress')

    def test_who_may_not_change_tasks_may_not_complete_them(self):
        ids, lease = self.batch(1)
        key = self.me.made('api-keys', {'name': 'k', 'scopes': ['task:read']})['key']
        with Api(server, key=key) as api:
            self.assert_problem(api.post('tasks/complete', {'lease': lease, 'items': [{'id': ids[0]}]}), 403)


class Fail(Tasks):
    def test_is_tried_again_later(self):
        id = self.task()
        reply = self.verb(id, 'fail', lease=self.one()['lease'], error='it hurts')
        self.assert_status(reply, 200)
        row = self.row(id)
        self.assertEqual((row['status'], row['attempt'], row['error']), ('pending', 1, 'it hurts'))
        self.assertEqual(reply.json, row)
        self.assertGreater(seconds_of(row['run_at']), time.time())
        self.assertEqual(self.claim(), [], 'claimed again without a pause')

    def test_pauses_grow(self):
        pauses = {1: [], 2: [], 3: []}
        for _ in range(4):
            id = self.task(max_attempts=9)
            for attempt in pauses:
                # Not what a client can do: the pause is taken out of the row, so that the test need not wait for it.
                server.query('update tasks set run_at = 1 where id = ?', uuid.UUID(id))
                item = self.one()
                self.assertEqual((item['id'], item['attempt']), (id, attempt))
                row = self.verb(id, 'fail', lease=item['lease']).json
                pauses[attempt].append(seconds_of(row['run_at']) - seconds_of(row['updated_at']))
            self.me.post(f'tasks/{id}/cancel')
        means = [sum(pauses[attempt]) / 4 for attempt in (1, 2, 3)]
        self.assertTrue(means[0] < means[1] < means[2], pauses)
        self.assertGreater(len(set(pauses[1])), 1, 'no jitter')
        self.assertLess(max(pauses[1]), 120)

    def test_three_attempts_then_failed(self):
        id = self.task()
        for attempt in (1, 2, 3):
            server.query('update tasks set run_at = 1 where id = ?', uuid.UUID(id))
            item = self.one()
            self.assertEqual(item['attempt'], attempt)
            self.assert_status(self.verb(id, 'fail', lease=item['lease'], error=f'number {attempt}'), 200)
        row = self.row(id)
        self.assertEqual((row['status'], row['attempt'], row['error']), ('failed', 3, 'number 3'))
        self.assertEqual(self.claim(limit=10), [])

    def test_with_one_attempt_it_fails_at_once(self):
        id = self.task(max_attempts=1)
        self.assertEqual(self.verb(id, 'fail', lease=self.one()['lease']).json['status'], 'failed')

    def test_an_attempt_after_a_failure_succeeds(self):
        id = self.task()
        self.verb(id, 'fail', lease=self.one()['lease'], error='first')
        row = self.row(id)
        time.sleep(min(8, max(0, seconds_of(row['run_at']) - time.time() + 0.1)))
        item = self.one()
        self.assertEqual(item['attempt'], 2)
        self.verb(id, 'complete', lease=item['lease'], result='fine')
        row = self.row(id)
        self.assertEqual((row['status'], row['error'], row['result']), ('completed', None, 'fine'))


class Lease(Tasks):
    def test_runs_out_and_the_task_returns(self):
        id = self.task()
        lease = self.one(lease_seconds=1)['lease']
        row = self.wait_for(id, 'pending', 8)
        self.assertEqual(row['attempt'], 1)
        self.assertIn('lease', row['error'])
        for verb in ('complete', 'fail', 'heartbeat'):
            self.assert_problem(self.verb(id, verb, lease=lease), 409, 'lease_lost')

    def test_of_the_last_attempt_runs_out_and_the_task_has_failed(self):
        id = self.task(max_attempts=1)
        self.one(lease_seconds=1)
        self.wait_for(id, 'failed', 8)

    def test_is_lost_on_time_though_nobody_has_noticed(self):
        id = self.task()
        lease = self.one(lease_seconds=1)['lease']
        time.sleep(1.05)
        self.assert_problem(self.verb(id, 'complete', lease=lease), 409, 'lease_lost')

    def test_heartbeats_hold_it(self):
        id = self.task()
        lease = self.one(lease_seconds=2)['lease']
        for _ in range(5):
            time.sleep(0.8)
            reply = self.verb(id, 'heartbeat', lease=lease, lease_seconds=2)
            self.assert_status(reply, 200)
            self.assertAlmostEqual(seconds_of(reply.json['lease_until']), time.time() + 2, delta=1)
        self.assertEqual(self.row(id)['status'], 'in_progress')
        self.assert_status(self.verb(id, 'complete', lease=lease), 200)

    def test_the_next_holder_has_another(self):
        id = self.task()
        first = self.one(lease_seconds=1)['lease']
        row = self.wait_for(id, 'pending', 8)
        time.sleep(min(8, max(0, seconds_of(row['run_at']) - time.time() + 0.1)))
        second = self.one()['lease']
        self.assertNotEqual(first, second)
        self.assert_problem(self.verb(id, 'complete', lease=first), 409, 'lease_lost')
        self.assert_status(self.verb(id, 'complete', lease=second), 200)


class Cancel(Tasks):
    def test_pending(self):
        id = self.task()
        self.assert_status(self.me.post(f'tasks/{id}/cancel'), 200)
        self.assertEqual(self.row(id)['status'], 'cancelled')
        self.assertEqual(self.claim(), [])

    def test_in_progress_takes_the_lease_away(self):
        id = self.task()
        lease = self.one()['lease']
        self.assert_status(self.me.post(f'tasks/{id}/cancel'), 200)
        self.assert_problem(self.verb(id, 'complete', lease=lease), 409, 'lease_lost')
        self.assertEqual(self.row(id)['status'], 'cancelled')

    def test_what_is_over(self):
        id = self.task()
        self.verb(id, 'complete', lease=self.one()['lease'])
        self.assert_problem(self.me.post(f'tasks/{id}/cancel'), 409)
        self.assertEqual(self.row(id)['status'], 'completed')

    def test_twice(self):
        id = self.task()
        self.me.post(f'tasks/{id}/cancel')
        self.assert_problem(self.me.post(f'tasks/{id}/cancel'), 409)


class Change(Tasks):
    def test_while_pending(self):
        id = self.task()
        self.assertEqual(self.me.patch('tasks/' + id, {'priority': 50, 'input': {'x': 1}}).json['priority'], 50)

    def test_not_while_in_progress(self):
        id = self.task()
        self.one()
        self.assert_problem(self.me.patch('tasks/' + id, {'priority': 50}), 409)
        self.assert_problem(self.me.delete('tasks/' + id), 409)

    def test_not_when_over(self):
        id = self.task()
        self.verb(id, 'complete', lease=self.one()['lease'])
        self.assert_problem(self.me.patch('tasks/' + id, {'priority': 50}), 409)
        self.assert_status(self.me.delete('tasks/' + id), 204)

    def test_status_is_not_set_by_hand(self):
        id = self.task()
        self.assert_problem(self.me.patch('tasks/' + id, {'status': 'completed'}), (400, 422))

    def test_list_by_status(self):
        done, open_ = self.task(priority=1), self.task()
        self.verb(done, 'complete', lease=self.one()['lease'])
        for status, wanted in (('completed', [done]), ('pending', [open_]), ('failed', []), ('cancelled', [])):
            found = self.me.get('tasks?status=' + status).json['items']
            self.assertEqual([item['id'] for item in found], wanted)


class Metrics(Tasks):
    def counts(self):
        found = {}
        for line in self.me.get('/metrics').body.decode().splitlines():
            if line.startswith('tasks_total{'):
                name, _, value = line.partition('} ')
                found[name.split('"')[1]] = float(value)
        return found

    def test_each_status_that_is_reached_is_counted(self):
        before = self.counts()
        self.assertEqual(set(before), {'pending', 'in_progress', 'completed', 'failed', 'cancelled'})
        a, b, c = self.task(priority=3), self.task(priority=2, max_attempts=1), self.task(priority=1)
        self.verb(a, 'complete', lease=self.one()['lease'])
        self.verb(b, 'fail', lease=self.one()['lease'])
        self.me.post(f'tasks/{c}/cancel')
        after = self.counts()
        self.assertEqual({name: after[name] - before[name] for name in after},
                         {'pending': 3, 'in_progress': 2, 'completed': 1, 'failed': 1, 'cancelled': 1})


class Throughput(Tasks):
    def test_a_crowd_finishes_everything_exactly_once(self):
        """Workers that claim, sometimes fail, sometimes die with the lease: in the end each task is completed once."""
        n = 60
        replies = self.me.many([('POST', 'tasks', {'agent_id': self.agent, 'max_attempts': 25})] * n)
        ids = {reply.json['id'] for reply in replies}
        self.assertEqual(len(ids), n)
        finished, lock = [], threading.Lock()
        until = time.monotonic() + 30

        def work(number):
            with Api(server, token=self.me.token) as api:
                turn = 0
                while len(finished) < n and time.monotonic() < until:
                    items = api.post('tasks/claim', {'limit': 3, 'lease_seconds': 1}).json['items']
                    for item in items:
                        turn += 1
                        if turn % 13 == number:         # dies with it
                            continue
                        reply = api.post(f'tasks/{item["id"]}/complete', {'lease': item['lease'], 'result': number})
                        if reply.status == 200:
                            with lock:
                                finished.append(item['id'])
                    if not items:
                        time.sleep(0.1)
        together([lambda i=i: work(i) for i in range(4)])
        self.assertEqual(sorted(finished), sorted(ids))


if __name__ == '__main__':
    unittest.main()
