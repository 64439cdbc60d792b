"""The servers that are measured: how each is started, found ready, weighed and ended."""
import http.client
import os
import shutil
import signal
import socket
import subprocess
import time

from people import populate

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, 'build')
BINARY = os.path.join(BUILD, 'gatehouse')
PEERS = os.path.join(ROOT, 'bench', 'peers')
SERVER_CORE, LOAD_CORE = '0', '1'
TICK = os.sysconf('SC_CLK_TCK')
REPLY_BYTES = 300
CHANGING = {'LANE_WRITE': '16/16'}      # of Gatehouse: as many connections for changes as its peers have


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


class Failed(Exception):
    """Why a server is not measured."""


class Server:
    """A process group on its own core, with a folder of its own. Use as a context."""

    name = None
    ready_path = live_path = '/'

    def __init__(self, world, work='W0'):
        self.world, self.work = world, work
        self.folder = world.folder(f'{work} {self.name}')
        self.port = free_port()

    def prepare(self):
        """Before the first start: what it is built or installed from."""

    def populate(self):
        """The requests of its work, once it runs."""
        return self.world.crowd.requests(self.work)

    def command(self):
        raise NotImplementedError

    def settings(self):
        return {}

    def start(self):
        log = open(os.path.join(self.folder, 'log'), 'ab')
        self.begun = time.monotonic()
        self.process = subprocess.Popen(['taskset', '-c', SERVER_CORE, *self.command()],
                                        stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder,
                                        env={'PATH': os.environ['PATH'], **self.settings()})
        log.close()

    def until_ready(self, limit=20):
        """Seconds from exec to the first 200."""
        while time.monotonic() - self.begun < limit:
            try:
                if self.get(self.ready_path).status == 200:
                    return time.monotonic() - self.begun
            except (OSError, http.client.HTTPException):
                pass
            if self.process.poll() is not None:
                break
            time.sleep(0.0005)
        with open(os.path.join(self.folder, 'log'), errors='replace') as log:
            raise Failed(f'did not become ready: {log.read()[-2000:].strip()}')

    def get(self, path, headers=(), body=None):
        """A POST if there is a body."""
        conn = http.client.HTTPConnection('127.0.0.1', self.port, timeout=5)
        try:
            conn.request('POST' if body else 'GET', path, body, dict(headers))
            reply = conn.getresponse()
            reply.body = reply.read()
            return reply
        finally:
            conn.close()

    def stop(self):
        group = self.pids()
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            for pid in group:
                end(pid)
            self.process.wait()

    def __enter__(self):
        self.prepare()
        self.start()
        try:
            self.until_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    # ---- weights ----

    def pids(self):
        """The process and all below it."""
        parents = {}
        for entry in filter(str.isdigit, os.listdir('/proc')):
            try:
                with open(f'/proc/{entry}/stat') as file:
                    parents[int(entry)] = int(file.read().rpartition(')')[2].split()[1])
            except OSError:
                pass        # ended meanwhile
        group = [self.process.pid]
        for pid in group:
            group += [child for child, parent in parents.items() if parent == pid]
        return group

    def cpu_seconds(self):
        """User and system time of the group so far, its dead children's included."""
        ticks = 0
        for pid in self.pids():
            with open(f'/proc/{pid}/stat') as file:
                fields = file.read().rpartition(')')[2].split()
            ticks += sum(int(field) for field in fields[11:15])
        return ticks / TICK

    def anonymous(self):
        """Bytes of anonymous memory that the group has in RAM."""
        return sum(rollup(pid, 'Anonymous') for pid in self.pids())

    def worker_rss(self):
        """Bytes of RAM of the largest process below the first (of the first, if it is alone)."""
        group = self.pids()
        return max(rollup(pid, 'Rss') for pid in group[1:] or group)


def rollup(pid, field):
    with open(f'/proc/{pid}/smaps_rollup') as file:
        return sum(int(line.split()[1]) for line in file if line.startswith(field + ':')) * 1024


def end(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


class Libuv(Server):
    name = 'bare libuv'

    def command(self):
        return [os.path.join(BUILD, 'bench', 'peers', 'libuv_w0'), str(self.port)]


class Nginx(Server):
    name = 'nginx'
    conf = 'nginx_w0.conf'

    def words(self):
        # What nginx adds to the body: status line, Server, Date, type, length, Connection.
        return {'body': 'x' * (REPLY_BYTES - 148)}

    def command(self):
        path = os.path.join(self.folder, 'nginx.conf')
        with open(os.path.join(PEERS, self.conf)) as source, open(path, 'w') as file:
            text = source.read()
            for name, value in {'port': self.port, 'folder': self.folder, **self.words()}.items():
                text = text.replace('{%s}' % name, str(value))
            file.write(text)
        return [shutil.which('nginx', path=os.environ['PATH'] + ':/usr/sbin'), '-p', self.folder, '-c', path,
                '-e', os.path.join(self.folder, 'error.log')]


class Gatehouse(Server):
    """As its peers here: one worker, no line per request. Limits are counted, but refuse nobody: but for W1b, all the
    load comes from one address. chosen: settings that make the work."""

    ready_path, live_path = '/health/ready', '/health/live'

    def __init__(self, world, work='W0', name='Gatehouse', **chosen):
        self.name, self.chosen = name, chosen
        super().__init__(world, work)

    def prepare(self):
        """A database and a corner of Redis of its own."""
        own = 'gatehouse_' + str(self.port)
        if self.work in ('W2', 'W3', 'W1b', 'tasks'):
            self.chosen['DATABASE_URL'] = self.database = self.world.database(own)
        if self.work == 'W1b':      # the standard profile, as it binds: only the limit of a user is another
            self.chosen.update(REDIS_URL=self.world.redis.url(), REDIS_PREFIX=own + ':', RATE_LIMIT_PROFILE='standard',
                               TRUSTED_PROXIES='127.0.0.1')

    def populate(self):
        return populate(self.port, self.work)

    def command(self):
        return [BINARY, 'serve']

    def settings(self):
        return {'HOST': '127.0.0.1', 'PORT': str(self.port), 'WORKERS': '1', 'DRAIN_SECONDS': '0',
                'DATA_DIR': os.path.join(self.folder, 'data'), 'RATE_LIMIT_PROFILE': 'off', 'BCRYPT_COST': '10',
                'LOG_LEVEL': 'warn', 'JWT_SECRET': 'of a bench that runs on loopback only', **self.chosen}
