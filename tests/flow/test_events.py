"""Server-sent events: a row as it changes, for as long as its reader may read it."""
import json
import os
import time
import unittest
from datetime import datetime, timedelta, timezone
from unittest import mock

from support import Api, Case, Server, register, uuid7
from support.wire import Conn, request

ENGINES = 'sqlite (postgres)'      # what they tell is tested on both

server = None
people = {}
EACH = 20       # streams of one principal in a worker


def setUpModule():
    global server
    server = Server(WORKERS=1, EVENTS_MAX=EACH + 4, DRAIN_SECONDS=0).start()
    for name in ('ann', 'bob'):
        people[name] = register(server)


def tearDownModule():
    for who in people.values():
        who.close()
    server.finish()


class Stream:
    """One stream that is read event by event."""

    def __init__(self, who, generation, headers=(), on=None):
        self.conn = Conn((on or server).port, source=who.source)
        self.conn.send(request('GET', f'/api/v1/generations/{generation}/events', who.headers(headers)))
        self.head = b''
        while b'\r\n\r\n' not in self.conn.rest and self.conn.fill():
            pass
        self.head, _, self.conn.rest = self.conn.rest.partition(b'\r\n\r\n')
        self.status = int(self.head.split()[1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.conn.close()

    def event(self):
        """(event, id, data) of the next one; comments are passed over. None at the end."""
        while True:
            while b'\n\n' not in self.conn.rest:
                if not self.conn.fill():
                    return None
            text, _, self.conn.rest = self.conn.rest.partition(b'\n\n')
            fields = dict(line.split(': ', 1) for line in text.decode().split('\n') if not line.startswith(':'))
            if fields:
                return fields['event'], fields.get('id'), json.loads(fields['data'])


class Events(Case):
    def setUp(self):
        ann = people['ann']
        self.project = ann.made('projects', {'name': 'p'})['id']
        self.made = ann.made('generations', {'project_id': self.project, 'prompt': 'x'})['id']

    def change(self, prompt):
        self.assert_status(people['ann'].patch(f'generations/{self.made}', {'prompt': prompt}), 200)

    def share(self, access='read'):
        path = f'projects/{self.project}/collaborators/{people["bob"].id}'
        self.assert_status(people['ann'].call('PUT', path, {'access': access}), 200)

    def test_first_the_row_then_each_change(self):
        with Stream(people['ann'], self.made) as stream:
            self.assertEqual(stream.status, 200)
            self.assertIn(b'Content-Type: text/event-stream', stream.head)
            self.assertNotIn(b'Content-Length', stream.head)
            kind, version, row = stream.event()
            self.assertEqual((kind, version, row['id'], row['prompt']), ('generation', '1', self.made, 'x'))
            for n in range(2, 6):
                self.change(f'prompt {n}')
                kind, version, row = stream.event()
                self.assertEqual((kind, version, row['prompt']), ('generation', str(n), f'prompt {n}'))
            self.assertTrue(stream.conn.quiet())

    def test_the_status_of_its_task_arrives(self):
        ann = people['ann']
        with Stream(ann, self.made) as stream:
            stream.event()
            claimed = ann.post('tasks/claim', {'limit': 10, 'lease_seconds': 30}).json
            self.assertEqual(stream.event()[2]['status'], 'processing')
            ann.post(f'tasks/{self.made}/complete', {'lease': claimed['items'][0]['lease'], 'result': {}})
            self.assertEqual(stream.event()[2]['status'], 'completed')

    def test_who_comes_back_is_not_told_the_same_again(self):
        with Stream(people['ann'], self.made, {'Last-Event-ID': '1'}) as stream:
            self.assertTrue(stream.conn.quiet())
            self.change('new')
            self.assertEqual(stream.event()[1], '2')
        with Stream(people['ann'], self.made, {'Last-Event-ID': 'nonsense'}) as stream:
            self.assertEqual(stream.event()[1], '2')

    def test_it_ends_with_the_access(self):
        self.share()
        with Stream(people['bob'], self.made) as stream:
            self.assertEqual(stream.event()[0], 'generation')
            people['ann'].delete(f'projects/{self.project}/collaborators/{people["bob"].id}')
            began = time.monotonic()
            self.assertEqual(stream.event(), ('end', None, {'code': 'not_found'}))
            self.assertIsNone(stream.event())
            self.assertLess(time.monotonic() - began, 2)

    def test_it_ends_with_the_session(self):
        other = people['ann'].again()
        with Stream(other, self.made) as stream:
            stream.event()
            self.assert_status(other.post('auth/logout'), 200, 204)
            self.assertEqual(stream.event(), ('end', None, {'code': 'session_ended'}))
            self.assertIsNone(stream.event())
        other.close()

    def test_it_ends_when_the_credentials_expire(self):
        """With nobody's doing: the clock alone."""
        seconds = 3
        until = datetime.now(timezone.utc) + timedelta(seconds=seconds)
        key = people['ann'].made('api-keys', {'name': 'k', 'scopes': ['generation:read'],
                                              'expires_at': until.isoformat()})['key']
        with Api(server, key=key) as api, Stream(api, self.made) as stream:
            self.assertEqual(stream.event()[0], 'generation')
            self.assertEqual(stream.event(), ('end', None, {'code': 'session_ended'}))
            late = (datetime.now(timezone.utc) - until).total_seconds()
            self.assertIsNone(stream.event())
            self.assertGreaterEqual(late, 0)
            self.assertLess(late, 2)

    def test_it_ends_with_the_row(self):
        with Stream(people['ann'], self.made) as stream:
            stream.event()
            self.assert_status(people['ann'].delete(f'generations/{self.made}'), 204)
            self.assertEqual(stream.event(), ('end', None, {'code': 'not_found'}))

    def test_strangers_get_none(self):
        with Stream(people['bob'], self.made) as stream:
            self.assertEqual(stream.status, 404)
        with Stream(people['ann'], uuid7()) as stream:
            self.assertEqual(stream.status, 404)

    def test_head_is_a_head(self):
        reply = people['ann'].call('HEAD', f'generations/{self.made}/events')
        self.assertEqual(reply.status, 200)

    def test_streams_are_bounded_and_given_back(self):
        ann = people['ann']
        for _ in range(3):      # given back: as many again
            streams = [Stream(ann, self.made) for _ in range(EACH)]
            self.assertEqual([s.status for s in streams], [200] * EACH)
            with Stream(ann, self.made) as one_more:
                self.assertEqual(one_more.status, 429)
            for s in streams:
                s.conn.close()
            self.until_closed()
        self.share()
        streams = [Stream(ann, self.made) for _ in range(EACH)] + [Stream(people['bob'], self.made) for _ in range(4)]
        with Stream(people['bob'], self.made) as one_more:
            self.assertEqual(one_more.status, 503)
            self.assertIn(b'Retry-After', one_more.head)
        for s in streams:
            s.conn.close()
        self.until_closed()

    def until_closed(self):
        for _ in range(100):
            with Stream(people['ann'], self.made) as stream:
                if stream.status == 200:
                    break
            time.sleep(0.05)
        time.sleep(0.3)

    def test_one_line_in_the_log(self):
        with Stream(people['ann'], self.made, {'X-Request-ID': f'stream-{self.made}'}) as stream:
            stream.event()
        line = server.wait_for_line(lambda line: line.get('correlation_id') == f'stream-{self.made}')
        self.assertEqual((line['status'], line['reason']), (200, 'the client left'))


class Memory(Case):
    def setUp(self):
        options = os.environ.get('ASAN_OPTIONS', '') + ':quarantine_size_mb=0:thread_local_quarantine_size_kb=0'
        with mock.patch.dict(os.environ, ASAN_OPTIONS=options):
            self.server = Server(WORKERS=1).start()
        self.addCleanup(self.server.finish)
        self.ann = register(self.server)
        self.addCleanup(self.ann.close)
        project = self.ann.made('projects', {'name': 'p'})['id']
        self.made = self.ann.made('generations', {'project_id': project, 'prompt': 'x'})['id']

    def test_many_changes_do_not_grow_it(self):
        with Stream(self.ann, self.made, on=self.server) as stream:
            def many(n):
                for i in range(n):
                    self.ann.patch(f'generations/{self.made}', {'prompt': f'{i} ' + 'x' * 8000})
                last = None
                while last is None or not last[2]['prompt'].startswith(f'{n - 1} '):
                    last = stream.event()
            many(50)
            before = self.server.rss()
            many(300)
            grown = self.server.rss() - before
            print(f'300 events of 8 KB grew the worker by {grown} KiB')
            self.assertLess(grown, 4096)


class Draining(Case):
    def test_streams_end_at_drain(self):
        with Server(WORKERS=1, DRAIN_SECONDS=0) as other:
            who = register(other)
            project = who.made('projects', {'name': 'p'})['id']
            made = who.made('generations', {'project_id': project, 'prompt': 'x'})['id']
            with Stream(who, made, on=other) as stream:
                stream.event()
                began = time.monotonic()
                other.signal(15)
                self.assertEqual(stream.event(), ('end', None, {'code': 'ending'}))
                self.assertIsNone(stream.event())
                other.stop()
                self.assertLess(time.monotonic() - began, 5)
            who.close()


if __name__ == '__main__':
    unittest.main()
