"""Writers that never give up: what they were told is done must be there when all is over."""
import threading
import time
import uuid

from .client import Api
from .wire import Framing, Gone

AGAIN = (409, 429, 503)         # in progress, busy, unavailable or commit unknown: ask again with the same key


class Writers:
    """Threads that make startups, each with an Idempotency-Key, and step a counter of their own by PATCH with If-Match.
    A lost connection or a 503 is answered by the same request again. Use as a context."""

    def __init__(self, server, token, threads=6, patience=30):
        self.server, self.token, self.patience = server, token, patience
        self.stop = threading.Event()
        self.lock = threading.Lock()
        self.made = {}          # name: id, as acknowledged
        self.versions = {}      # id of a counter: its version, as acknowledged
        self.wrong = []         # replies that must not be
        self.retries = 0
        self.threads = [threading.Thread(target=self.work, args=(n,)) for n in range(threads)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def until(self, count, seconds):
        """Waits for so many acknowledged changes."""
        limit = time.monotonic() + seconds
        while len(self.made) < count:
            if time.monotonic() > limit or self.wrong:
                raise AssertionError(f'{len(self.made)} of {count} changes after {seconds} s; {self.wrong[:3]}')
            time.sleep(0.02)

    def insist(self, method, path, body, headers=()):
        """The reply to one change, however often it has to be sent; None when the patience is over."""
        headers = {**dict(headers), 'Idempotency-Key': str(uuid.uuid4())}
        limit = time.monotonic() + self.patience
        while time.monotonic() < limit:
            try:
                with Api(self.server, token=self.token, timeout=10) as api:
                    reply = api.call(method, path, body, headers)
                if reply.status not in AGAIN:
                    return reply
            except (OSError, Gone, Framing):
                pass
            self.retries += 1
            time.sleep(0.02)
        return None

    def work(self, number):
        counter, version, turn = None, 1, 0
        while not self.stop.is_set():
            turn += 1
            name = f'writer {number} {turn} {uuid.uuid4()}'
            if turn % 3 or not counter:
                reply = self.insist('POST', 'startups', {'name': name})
            else:
                reply = self.insist('PATCH', f'startups/{counter}', {'metadata': {'n': version}},
                                    {'If-Match': f'"v{version}"'})
            if reply is None or reply.status not in (200, 201):
                self.wrong.append(reply)
                return
            with self.lock:
                if reply.status == 201:
                    self.made[name] = reply.json['id']
                    counter = counter or reply.json['id']
                    self.versions.setdefault(counter, 1)
                else:
                    version = reply.json['version']
                    self.versions[counter] = version

    def verify(self, case):
        """Against the rows of the store."""
        case.assertEqual(self.wrong, [])
        rows = {row['name']: row for row in self.server.query('select * from startups')}
        names = [row['name'] for row in self.server.query('select name from startups')]
        case.assertEqual(len(names), len(set(names)), 'a change with an idempotency key was made twice')
        created = {}
        for row in self.server.query("select target from audit where action = 'startup.create' and outcome = 'made'"):
            created[row['target']] = created.get(row['target'], 0) + 1
        for name, id in self.made.items():
            case.assertIn(name, rows, 'an acknowledged change is lost')
            case.assertEqual(rows[name]['id'], id)
            case.assertEqual(created.get(id), 1, 'the audit row of a change')
        case.assertEqual(sum(created.values()), len(names), 'as many rows as audit rows')
        by_id = {row['id']: row for row in rows.values()}
        for id, version in self.versions.items():
            row = by_id[id]
            case.assertEqual(row['version'], version, 'an acknowledged step is lost, or one was made twice')
            steps = self.server.query("select count(*) as n from audit where action = 'startup.update' and "
                                      "outcome = 'made' and target = ?", uuid.UUID(id))[0]['n']
            case.assertEqual(steps, version - 1)
        self.server.store.verify(case)
