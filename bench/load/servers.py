"""The servers that are measured: how each is started, found ready, weighed and ended."""
import http.client
import os
import shutil
import signal
import socket
import subprocess
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, 'build')
BINARY = os.path.join(BUILD, 'gatehouse')
SERVER_CORE, LOAD_CORE = '0', '1'
TICK = os.sysconf('SC_CLK_TCK')
REPLY_BYTES = 300


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


class Server:
    """A process group on its own core, with a folder of its own. Use as a context."""

    name = work = None
    ready_path = '/'

    def __init__(self, top):
        self.folder = os.path.join(top, self.name)
        os.makedirs(self.folder, exist_ok=True)
        self.port = free_port()

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
            raise SystemExit(f'{self.name} did not become ready:\n{log.read()[-2000:]}')

    def get(self, path, headers=()):
        conn = http.client.HTTPConnection('127.0.0.1', self.port, timeout=5)
        try:
            conn.request('GET', path, headers=dict(headers))
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
    name, work = 'libuv', 'W0'

    def command(self):
        return [os.path.join(BUILD, 'bench', 'peers', 'libuv_w0'), str(self.port)]


class Nginx(Server):
    name, work = 'nginx', 'W0'

    def command(self):
        with open(os.path.join(ROOT, 'bench', 'peers', 'nginx_w0.conf')) as file:
            text = file.read()
        # What nginx adds to the body: status line, Server, Date, type, length, Connection.
        body = 'x' * (REPLY_BYTES - 148)
        for name, value in (('port', self.port), ('folder', self.folder), ('body', body)):
            text = text.replace('{%s}' % name, str(value))
        path = os.path.join(self.folder, 'nginx.conf')
        with open(path, 'w') as file:
            file.write(text)
        return [shutil.which('nginx', path=os.environ['PATH'] + ':/usr/sbin'), '-p', self.folder, '-c', path,
                '-e', os.path.join(self.folder, 'error.log')]


class Gatehouse(Server):
    """As nginx here: one worker, no line per request. Limits are counted, but refuse nobody."""

    name, work = 'gatehouse', 'W1a'
    ready_path = '/health/ready'

    def command(self):
        return [BINARY, 'serve']

    def settings(self):
        return {'HOST': '127.0.0.1', 'PORT': str(self.port), 'WORKERS': '1', 'DRAIN_SECONDS': '0',
                'DATA_DIR': os.path.join(self.folder, 'data'), 'RATE_LIMIT_PROFILE': 'off',
                'BCRYPT_COST': '10', 'LOG_LEVEL': 'warn'}
