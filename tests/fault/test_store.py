"""The store does not answer: a write lock held from outside. What cannot be done is 503, what can be answered is, and
it passes."""
import resource
import threading
import time
import unittest

from support import Api, Case, Server, on_every_worker, person, register, together

server = me = None
TIMEOUT = 1.0


def setUpModule():
    global server, me
    server = Server(DATABASE_TIMEOUT=int(TIMEOUT * 1000)).start()
    me = register(server)


def tearDownModule():
    me.close()
    server.finish()


class Held:
    """The write lock of the file, in another's hands."""

    def __enter__(self):
        self.base = server.database(isolation_level=None)
        self.base.execute('begin immediate')
        return self

    def __exit__(self, *_):
        self.base.execute('rollback')
        self.base.close()


class Locked(Case):
    def names(self):
        return {row['name'] for row in server.query('select name from startups')}

    def test_a_change_is_503_in_time_and_is_not_made(self):
        with Held():
            begun = time.monotonic()
            reply = me.post('startups', {'name': 'while locked'})
            took = time.monotonic() - begun
            self.assert_problem(reply, 503)
            self.assertGreaterEqual(int(reply.get('Retry-After')), 1)
            self.assertLess(took, TIMEOUT + 2)
        self.assert_status(me.post('startups', {'name': 'afterwards'}), 201)
        time.sleep(0.5)
        if reply.code != 'commit_unknown':
            self.assertNotIn('while locked', self.names())
        self.assertEqual(server.query("select count(*) as n from audit where action = 'startup.create'")[0]['n'],
                         server.query('select count(*) as n from startups')[0]['n'])

    def test_reads_go_on(self):
        row = me.made('startups', {'name': 'n'})
        with Held():
            for _ in range(10):
                with Api(server, token=me.token) as api:
                    begun = time.monotonic()
                    self.assert_status(api.get('startups/' + row['id']), 200)
                    self.assert_status(api.get('startups'), 200)
                    self.assertLess(time.monotonic() - begun, 0.5)

    def test_liveness_goes_on(self):
        with Held():
            stop = threading.Event()

            def write():
                with Api(server, token=me.token) as api:
                    while not stop.is_set():
                        api.post('startups', {'name': 'n'})
            writer = threading.Thread(target=write)
            writer.start()
            try:
                for _ in range(20):
                    begun = time.monotonic()
                    with Api(server) as api:
                        self.assert_status(api.get('/health/live'), 200)
                    self.assertLess(time.monotonic() - begun, 0.5)
                    time.sleep(0.05)
            finally:
                stop.set()
                writer.join()

    def test_a_short_one_is_waited_out(self):
        held = Held().__enter__()
        result = []

        def ask():
            with Api(server, token=me.token) as api:
                result.append(api.post('startups', {'name': 'waited'}))
        asker = threading.Thread(target=ask)
        asker.start()
        time.sleep(0.3)
        held.__exit__()
        asker.join()
        self.assert_status(result[0], 201)

    def test_it_recovers_within_a_second(self):
        with Held():
            self.assert_problem(me.post('startups', {'name': 'n'}), 503)
        until = time.monotonic() + 1
        while me.post('startups', {'name': 'n'}).status != 201:
            self.assertLess(time.monotonic(), until)
        for _ in range(8):
            with Api(server, token=me.token) as api:
                self.assert_status(api.post('startups', {'name': 'n'}), 201)

    def test_a_queue_of_writers_is_answered_whole(self):
        def write(n):
            with Api(server, token=me.token) as api:
                return api.post('startups', {'name': f'queued {n}'}).status
        with Held():
            begun = time.monotonic()
            found = together([lambda n=n: write(n) for n in range(60)])
            self.assertLess(time.monotonic() - begun, TIMEOUT + 4)
        self.assertEqual(set(found), {503})

    def test_nobody_is_signed_out_by_it(self):
        """Not 401: that would make clients throw their tokens away."""
        other = register(server)
        with Held():
            found = on_every_worker(server, other.token, times=10)
        self.assertEqual(set(found), {200})
        other.close()

    def test_a_sign_in_is_503_not_401(self):
        with Held():
            with Api(server) as api:
                reply = api.post('auth/login', {'email': me.email, 'password': me.password})
            self.assert_problem(reply, 503)
        self.assertEqual(me.again().id, me.id)

    def test_an_idempotent_change_is_made_once_in_the_end(self):
        key = {'Idempotency-Key': 'through-the-lock'}
        with Held():
            self.assert_problem(me.post('startups', {'name': 'once in the end'}, key), 503)
        for _ in range(50):
            reply = me.post('startups', {'name': 'once in the end'}, key)
            if reply.status == 201:
                break
            time.sleep(0.1)
        self.assert_status(reply, 201)
        self.assertEqual(len(server.query("select 1 from startups where name = 'once in the end'")), 1)

    def test_a_reader_from_outside_disturbs_nobody(self):
        base = server.database(isolation_level=None)
        base.execute('begin')
        base.execute('select count(*) from startups').fetchone()
        try:
            for _ in range(20):
                self.assert_status(me.post('startups', {'name': 'n'}), 201)
        finally:
            base.execute('rollback')
            base.close()

    def test_the_file_is_whole_afterwards(self):
        server.store.verify(self)


class Full(Case):
    def test_decisions_say_what_the_api_does(self):
        with Server(WORKERS=1) as other, person(other, 'admin') as boss:
            mine = boss.made('projects', {'name': 'p'})['id']

            def ask(action):
                reply = boss.post('/access/v1/evaluation', {
                    'subject': {'type': 'user', 'id': boss.id}, 'action': {'name': action},
                    'resource': {'type': 'project', 'id': mine}})
                self.assert_status(reply, 200)
                return reply.json['decision'], reply.json['context'].get('reason')
            self.assertEqual(ask('update'), (True, None))
            worker, = other.workers()
            soft, hard = resource.prlimit(worker, resource.RLIMIT_FSIZE)
            resource.prlimit(worker, resource.RLIMIT_FSIZE, (0, hard))      # as if the disk were full
            try:
                self.assert_problem(boss.patch(f'projects/{mine}', {'name': 'q'}), 503)
                self.assertEqual(ask('update'), (False, 'its audit row could not be written'))
                self.assertEqual(ask('read'), (True, None))
                self.assert_status(boss.get(f'projects/{mine}'), 200)
            finally:
                resource.prlimit(worker, resource.RLIMIT_FSIZE, (soft, hard))
            self.assert_status(boss.patch(f'projects/{mine}', {'name': 'q'}), 200)
            self.assertEqual(ask('update'), (True, None))


if __name__ == '__main__':
    unittest.main()
