"""A Gatehouse of one's own: a folder, a port, a process and its log; nothing of it is left behind."""
import atexit
import datetime
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

from .process import Port, alive, family, parents
from .store import ENGINE, Database, Embedded
from .wire import Conn, Framing, Gone

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PASSWORD = 'correct horse battery'
BOOT_SECONDS = 30
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
PASSED_ON = ('PATH', 'HOME', 'LANG', 'TMPDIR', 'ASAN_OPTIONS', 'UBSAN_OPTIONS', 'LSAN_OPTIONS', 'LLVM_PROFILE_FILE')
COMPLAINT = re.compile(r'AddressSanitizer|LeakSanitizer|runtime error:|UndefinedBehaviorSanitizer|must\(')

running = set()


@atexit.register
def end_all():
    for server in list(running):
        server.destroy()


def binary():
    path = os.environ.get('GATEHOUSE') or os.path.join(ROOT, 'build-asan', 'gatehouse')
    if not os.access(path, os.X_OK):
        raise AssertionError(f'there is no {path}: build first')
    return path


class Server:
    def __init__(self, limits=None, binary_path=None, engine=None, beside=None, **settings):
        """settings: configuration by name. limits: {resource: value} for setrlimit, soft and hard. engine: sqlite or
        postgres, for a test that is about one. beside: a server whose database, Redis and secret this one shares."""
        self.binary = binary_path or binary()
        self.folder = tempfile.mkdtemp(prefix='gh-')
        self.port_held = Port()
        self.port = self.port_held.number
        self.data = os.path.join(self.folder, 'data')
        self.beside = beside
        self.store = beside.store if beside else Database() if (engine or ENGINE) == 'postgres' else Embedded(self.data)
        self.settings = {'HOST': '127.0.0.1', 'PORT': self.port, 'WORKERS': 2, 'DATA_DIR': self.data,
                         'BCRYPT_COST': 10, 'RATE_LIMIT_PROFILE': 'off', 'DRAIN_SECONDS': 0, **self.store.settings,
                         **settings}
        self.limits = limits or {}
        self.process = None
        self.said = 0           # of what is in `out`, by those before it
        self.known = set()      # every process seen below ours, for the clean-up
        self.users = 0
        running.add(self)

    # ---- life ----

    def environment(self, **settings):
        self.store.make()
        kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        chosen = {**self.settings, **settings}
        return {**kept, **{name: str(value) for name, value in chosen.items() if value is not None}}

    def launch(self, *args, **settings):
        """Starts the process without waiting for it to be ready."""
        def limit():
            import resource
            for what, value in self.limits.items():
                resource.setrlimit(what, (value, value))

        self.said = len(self.text('out'))
        with open(self.path('out'), 'ab') as out, open(self.path('log'), 'ab') as log:
            self.process = subprocess.Popen([self.binary, *(args or ('serve',))], env=self.environment(**settings),
                                            cwd=self.folder, stdin=subprocess.DEVNULL, stdout=out, stderr=log,
                                            preexec_fn=limit if self.limits else None)
        return self

    def start(self, **settings):
        self.launch(**settings)
        try:
            self.until_ready()
        except BaseException:
            self.destroy()
            raise
        return self

    def until_ready(self, seconds=BOOT_SECONDS):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self.process.poll() is not None:
                raise AssertionError(f'the server ended with {self.process.returncode}:\n{self.text()[-4000:]}')
            if len(self.text('out')) > self.said and self.is_ready():    # the first: the last worker is there too
                self.pids()
                return
            time.sleep(0.02)
        raise AssertionError(f'not ready after {seconds} s:\n{self.text()[-4000:]}')

    def is_ready(self):
        try:
            with Conn(self.port, timeout=2) as conn:
                return conn.ask('GET', '/health/ready').status == 200
        except (OSError, Gone, Framing):
            return False

    def pids(self):
        """The master, and all below it."""
        group = family(self.process.pid) if self.process else []
        self.known.update(group)
        return group

    def workers(self):
        tree = parents()
        return sorted(child for child, parent in tree.items() if parent == self.process.pid)

    def rss(self):
        """KiB of memory that the workers have."""
        total = 0
        for pid in self.workers():
            with open(f'/proc/{pid}/status', encoding='ascii') as status:
                total += next(int(line.split()[1]) for line in status if line.startswith('VmRSS'))
        return total

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self, seconds=30):
        """SIGTERM; the exit must be clean in every way."""
        before = self.pids()
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            text = self.text()[-3000:]
            self.kill()
            raise AssertionError(f'still running {seconds} s after SIGTERM:\n{text}') from None
        time.sleep(0.05)
        left = [pid for pid in before if alive(pid)]
        self.end_known()
        if left:
            raise AssertionError(f'{len(left)} processes outlived their master')
        if status != 0:
            raise AssertionError(f'exit status {status}:\n{self.text()[-3000:]}')
        self.assert_sane()

    def kill(self):
        """kill -9 of the master and whatever stays behind it."""
        self.pids()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.end_known()

    def end_known(self):
        for pid in self.known:
            try:
                with open(f'/proc/{pid}/environ', 'rb') as file:
                    ours = f'DATA_DIR={self.data}'.encode() in file.read().split(b'\0')
                if ours:
                    os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
        self.known.clear()

    def destroy(self):
        """Whatever state it is in: gone, with its folder."""
        running.discard(self)
        try:
            if self.process:
                self.kill()
        finally:
            self.port_held.give()
            shutil.rmtree(self.folder, ignore_errors=True)
            if not self.beside:
                self.store.destroy()

    def finish(self):
        """The end of a test: a clean stop, then nothing is left."""
        try:
            if self.process and self.process.poll() is None:
                self.stop()
            else:
                self.assert_sane()
        finally:
            self.destroy()

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, *_):
        if kind is None:
            self.finish()
        else:
            self.destroy()

    # ---- what it says and keeps ----

    def path(self, name):
        return os.path.join(self.folder, name)

    def text(self, name='log'):
        try:
            with open(self.path(name), errors='replace') as file:
                return file.read()
        except FileNotFoundError:
            return ''

    def assert_sane(self):
        found = COMPLAINT.search(self.text())
        if found:
            raise AssertionError(self.text()[max(0, found.start() - 500):found.start() + 6000])

    def lines(self):
        """The log lines that are JSON objects."""
        found = []
        for line in self.text().splitlines():
            try:
                value = json.loads(line)
            except ValueError:
                continue
            if isinstance(value, dict):
                found.append(value)
        return found

    def wait_for_line(self, wanted, seconds=5):
        """The first log line for which wanted(line) holds."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for line in self.lines():
                if wanted(line):
                    return line
            time.sleep(0.05)
        raise AssertionError('no such log line; the last are:\n' + self.text()[-2000:])

    def database(self, **options):
        """The embedded store, read from outside."""
        return self.store.database(**options)

    def query(self, sql, *values):
        """Rows of the store, on either engine: '?' for a value, a uuid.UUID for an id; ids come as text. What is no
        select is done, and gives none."""
        return self.store.query(sql, *values)

    def audit(self, **where):
        """Rows of the audit, oldest first, with what is sealed in them; those whose columns are as given."""
        status, out, err = self.run('audit', 'export', '--format', 'ecs')
        if status:
            raise AssertionError(f'audit export: {status} {err}')
        rows = [audit_row(json.loads(line)) for line in out.splitlines()]
        return [row for row in rows if all(row[name] == value for name, value in where.items())]

    # ---- the command line ----

    def run(self, *args, text='', seconds=30, **settings):
        """(status, stdout, stderr) of a command on the same configuration."""
        done = subprocess.run([self.binary, *args], env=self.environment(**settings), cwd=self.folder,
                              input=text, capture_output=True, text=True, timeout=seconds)
        if COMPLAINT.search(done.stderr):
            raise AssertionError(done.stderr)
        return done.returncode, done.stdout, done.stderr

    def add_user(self, role='user', email=None, password=PASSWORD):
        self.users += 1
        email = email or f'{role}{self.users}@example.com'
        status, out, err = self.run('user', 'add', '--email', email, '--role', role, text=password + '\n')
        if status:
            raise AssertionError(f'user add {email} {role}: {status} {out} {err}')
        return email


def audit_row(line):
    """A line of ECS as the columns of the table; `at` in microseconds."""
    own, at = line['gatehouse'], datetime.datetime.fromisoformat(line['@timestamp'].replace('Z', '+00:00'))
    return {'id': line['event']['id'], 'at': (at - EPOCH) // datetime.timedelta(microseconds=1),
            'action': line['event']['action'], 'outcome': own['outcome'], 'principal_kind': own['principal_kind'],
            'principal_id': line.get('user', {}).get('id'), 'session_id': own.get('session_id'),
            'target': own.get('target'), 'correlation': line['http']['request']['id'], 'detail': own.get('detail'),
            'erased': own['erased']}


def shared(**settings):
    """(setUpModule, tearDownModule, get) for the one server that the tests of a module share."""
    holder = {}

    def set_up():
        holder['server'] = Server(**settings).start()

    def tear_down():
        holder.pop('server').finish()

    return set_up, tear_down, lambda: holder['server']


class Case(unittest.TestCase):
    """What tests say of replies."""

    maxDiff = 4000

    def assert_status(self, reply, *wanted):
        self.assertIn(reply.status, wanted, repr(reply))
        return reply

    def assert_problem(self, reply, status, *codes):
        """An error as RFC 9457 and PRODUCT.md want it; of one of these codes if some are given."""
        wanted = status if isinstance(status, tuple) else (status,)
        self.assertIn(reply.status, wanted, repr(reply))
        self.assertEqual(reply.get('Content-Type'), 'application/problem+json', repr(reply))
        told = reply.json
        self.assertEqual(told.get('status', reply.status), reply.status)
        self.assertIsInstance(told.get('code'), str)
        self.assertIsInstance(told.get('detail'), str)
        self.assertEqual(told.get('correlation_id'), reply.get('X-Request-ID'))
        if codes:
            self.assertIn(told['code'], codes, repr(reply))
        return told

    def assert_fault(self, reply, field, *codes, status=422):
        """errors[] names this field."""
        told = self.assert_problem(reply, status)
        named = [fault for fault in told.get('errors', []) if fault.get('field') == field]
        self.assertTrue(named, f'no fault of {field!r} in {told}')
        for fault in named:
            self.assertEqual(set(fault), {'field', 'code', 'message'})
            if codes:
                self.assertIn(fault['code'], codes, told)
