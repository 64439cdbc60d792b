"""PostgreSQL, PgBouncer, Redis and Sentinel of one's own: a folder, a free port, no trace afterwards.

    with Postgres('/tmp/x/pg', statement_timeout='5s') as base:         # created when it does not exist
        base.psql('select 1 as n')[0]['n'] == '1'
        Server(DATABASE_URL=base.url('postgres'))

Each has start(), stop(), kill() (as a crash would), pause() and resume() (SIGSTOP: it hangs, connections
stay), restart(), destroy(); .port and .password outlive a restart. .settings may change while it is down.
The databases refuse root: started by root they run as the system's user postgres.
"""
import atexit
import ctypes
import glob
import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time

from .process import Port, alive, family

START_SECONDS = 30
STOP_SECONDS = 20
running = set()


@atexit.register
def end_all():
    for service in list(running):
        service.destroy()


class Service:
    """A program with a folder and a port. Who inherits says what its command is and when it is ready."""

    def __init__(self, folder, user=None, **settings):
        """user: whom root starts it as. settings: the program's own, by their names there."""
        self.folder, self.settings = os.path.abspath(folder), settings
        self.user = user if os.geteuid() == 0 else None
        self.port_held = Port()
        self.port = self.port_held.number
        self.process = None
        make_folder(self.folder, self.user)
        running.add(self)

    # ---- for who inherits ----

    def prepare(self):
        """Before each start: files that the program reads."""

    def command(self):
        raise NotImplementedError

    def is_ready(self):
        raise NotImplementedError

    stop_signal = signal.SIGTERM

    # ---- life ----

    @property
    def pid(self):
        return self.process.pid if self.process else None

    def path(self, name):
        return os.path.join(self.folder, name)

    def start(self):
        if self.process:
            raise AssertionError(f'{type(self).__name__} runs already')
        self.prepare()
        with open(self.path('log'), 'ab') as log:
            self.process = run_as(self.user, self.command(), self.folder, how=subprocess.Popen, stdout=log, stderr=log,
                                  stdin=subprocess.DEVNULL, start_new_session=True)
        until = time.monotonic() + START_SECONDS
        while not self.is_ready():
            if self.process.poll() is not None or time.monotonic() > until:
                self.kill()
                raise AssertionError(f'{type(self).__name__} does not start:\n{self.text()[-3000:]}')
            time.sleep(0.01)
        return self

    def stop(self, number=None):
        """Asks it to end; kills what does not."""
        if not self.process:
            return
        group = family(self.pid)
        self.process.send_signal(number or self.stop_signal)
        send(signal.SIGCONT, group)
        try:
            self.process.wait(STOP_SECONDS)
            self.process = None
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self):
        """SIGKILL to it and all below it, at once."""
        if not self.process:
            return
        group = family(self.pid)
        send(signal.SIGKILL, group)
        self.process.wait()
        while any(alive(pid) for pid in group):
            time.sleep(0.005)
        self.process = None

    def pause(self):
        """It answers nobody, and no connection is closed."""
        send(signal.SIGSTOP, [self.pid])        # first, so that it starts no more below it
        send(signal.SIGSTOP, family(self.pid)[1:])

    def resume(self):
        send(signal.SIGCONT, reversed(family(self.pid)))

    def restart(self):
        self.stop()
        return self.start()

    def destroy(self):
        running.discard(self)
        try:
            self.kill()
        finally:
            self.port_held.give()
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        try:
            self.stop()
        finally:
            self.destroy()

    def text(self):
        """What it logged."""
        try:
            with open(self.path('log'), errors='replace') as file:
                return file.read()
        except FileNotFoundError:
            return ''


def send(number, pids):
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass


def make_folder(folder, user):
    """The folder, which another user must be able to reach, though not to list what is above."""
    os.makedirs(folder, mode=0o700, exist_ok=True)
    if not user:
        return
    shutil.chown(folder, user)
    top = os.path.realpath(tempfile.gettempdir())
    above = os.path.dirname(os.path.realpath(folder))
    while above.startswith(top + '/') or above == top:
        mode = os.stat(above).st_mode
        if not mode & stat.S_IXOTH:
            os.chmod(above, mode | stat.S_IXOTH)
        above = os.path.dirname(above)


def run_as(user, command, folder, how=subprocess.run, **options):
    """A program in a folder, with no more environment than it needs; as the user when there is one."""
    if user:
        known = pwd.getpwnam(user)
        options.update(user=known.pw_uid, group=known.pw_gid, extra_groups=[])
    own = {'PATH': os.environ['PATH'], 'TMPDIR': folder, 'LC_ALL': 'C.UTF-8', 'TZ': 'UTC'}
    return how([str(word) for word in command], env=own, cwd=folder, **options)


# ---- PostgreSQL ----

def postgres_program(name):
    """Of the newest PostgreSQL here: past Debian's wrapper, which takes longer than the program."""
    found = glob.glob('/usr/lib/postgresql/*/bin/' + name)
    path = max(found, key=lambda path: int(path.split('/')[4])) if found else shutil.which(name)
    if not path:
        raise AssertionError(f'there is no {name}: install postgresql')
    return path


class Row(dict):
    """A row by name or by number; tuple(row) are its values."""

    def __getitem__(self, key):
        return list(self.values())[key] if isinstance(key, int) else super().__getitem__(key)

    def __iter__(self):
        return iter(self.values())


def psql(url, sql, seconds=30):
    """Runs the statements, each on its own; the rows of the last as text, None for null."""
    done = run_as(None, [postgres_program('psql'), '-XqA', '-F', '\x1f', '-R', '\x1e', '-P', 'null=\x1d',
                         '-P', 'footer=off', '-v', 'ON_ERROR_STOP=1', '-d', url, '-c', sql],
                  tempfile.gettempdir(), capture_output=True, text=True, timeout=seconds)
    if done.returncode:
        raise AssertionError(f'psql: {done.stderr.strip()}\n{sql}')
    if not done.stdout:
        return []
    names, *rows = (line.split('\x1f') for line in done.stdout.rstrip('\n').split('\x1e'))
    return [Row(zip(names, (None if value == '\x1d' else value for value in row))) for row in rows]


class Postgres(Service):
    """A cluster. Its sorting is a language's: who needs the order of code points must say so."""

    stop_signal = signal.SIGINT         # without waiting for clients

    def __init__(self, folder, **settings):
        super().__init__(folder, user='postgres', **{
            'fsync': 'off', 'synchronous_commit': 'on', 'full_page_writes': 'off', 'max_connections': 300,
            'shared_buffers': '64MB', 'dynamic_shared_memory_type': 'mmap', 'log_checkpoints': 'off',
            'log_line_prefix': '%m [%p] %a ', **settings})
        self.password = secrets.token_hex(16)
        self.data = self.path('data')
        self.upstream = None

    @classmethod
    def standby_of(cls, primary, folder, **settings):
        """A streaming copy of a primary that runs; start() it, then promote() when its time has come."""
        standby = cls(folder, **{**primary.settings, **settings})
        standby.password, standby.upstream = primary.password, primary
        return standby

    def url(self, database='postgres'):
        return f'postgresql://gatehouse:{self.password}@127.0.0.1:{self.port}/{database}'

    def psql(self, sql, database='postgres', seconds=30):
        return psql(self.url(database), sql, seconds)

    def prepare(self):
        if os.path.exists(self.data):
            return
        if self.upstream:
            self.make('pg_basebackup', '-d', self.upstream.url(), '-D', self.data, '-R', '-X', 'stream',
                      '-c', 'fast', '--no-sync')
            return
        word = self.path('word')
        with open(word, 'w') as file:
            file.write(self.password)
        os.chmod(word, 0o644)           # in a folder that only its owner enters
        self.make('initdb', '-D', self.data, '-U', 'gatehouse', '--pwfile', word, '-A', 'scram-sha-256', '--no-sync',
                  '-E', 'UTF8', '--locale=C', '--locale-provider=icu', '--icu-locale=en-US')
        os.unlink(word)
        with open(os.path.join(self.data, 'pg_hba.conf'), 'w') as file:
            file.write('local all all scram-sha-256\nhost all all 127.0.0.1/32 scram-sha-256\n'
                       'host replication all 127.0.0.1/32 scram-sha-256\n')

    def make(self, program, *words):
        done = run_as(self.user, [postgres_program(program), *words], self.folder, capture_output=True, text=True)
        if done.returncode:
            raise AssertionError(f'{program}: {done.stdout}{done.stderr}')

    def command(self):
        chosen = {'listen_addresses': '127.0.0.1', 'port': self.port, 'unix_socket_directories': self.folder,
                  **self.settings}
        return [postgres_program('postgres'), '-D', self.data,
                *(word for name, value in chosen.items() for word in ('-c', f'{name}={value}'))]

    def is_ready(self):
        try:
            with open(os.path.join(self.data, 'postmaster.pid')) as file:
                lines = file.read().split('\n')
        except FileNotFoundError:
            return False
        return lines[0] == str(self.pid) and lines[7:8] == ['ready   ']

    def promote(self):
        """The standby becomes a primary of its own."""
        self.psql('select pg_promote(true, 20)')

    def destroy(self):
        shared = None
        try:
            with open(os.path.join(self.data, 'postmaster.pid')) as file:
                shared = re.search(r'^ *\d+ +(\d+)$', file.read(), re.M)
        except OSError:
            pass
        super().destroy()
        if shared:                      # a killed server leaves its segment: this removes it (IPC_RMID)
            ctypes.CDLL(None).shmctl(int(shared[1]), 0, None)


class PgBouncer(Service):
    """In front of a Postgres: the same user and password, databases of any name."""

    def __init__(self, folder, postgres, **settings):
        super().__init__(folder, user='postgres', **{
            'pool_mode': 'transaction', 'max_client_conn': 300, 'default_pool_size': 20,
            'auth_type': 'scram-sha-256', **settings})
        self.postgres = postgres

    def url(self, database='postgres'):
        return f'postgresql://gatehouse:{self.postgres.password}@127.0.0.1:{self.port}/{database}'

    def psql(self, sql, database='postgres', seconds=30):
        return psql(self.url(database), sql, seconds)

    def prepare(self):
        chosen = {'listen_addr': '127.0.0.1', 'listen_port': self.port, 'unix_socket_dir': '',
                  'auth_file': self.path('users'), 'admin_users': 'gatehouse', **self.settings}
        with open(self.path('users'), 'w') as file:
            file.write(f'"gatehouse" "{self.postgres.password}"\n')
        with open(self.path('conf'), 'w') as file:
            file.write(f'[databases]\n* = host=127.0.0.1 port={self.postgres.port}\n[pgbouncer]\n')
            file.writelines(f'{name} = {value}\n' for name, value in chosen.items())

    def command(self):
        return [shutil.which('pgbouncer') or '/usr/sbin/pgbouncer', '-q', self.path('conf')]

    def is_ready(self):
        return answers(self.port)


def answers(port):
    with socket.socket() as probe:
        return probe.connect_ex(('127.0.0.1', port)) == 0


# ---- Redis ----

class RedisError(Exception):
    """What Redis says instead of an answer."""


class Redis(Service):
    """Keeps nothing on the disk. users: lines as ACL wants them, 'app on >word ~gh:* +@all'."""

    def __init__(self, folder, password=None, users=(), replica_of=None, **settings):
        super().__init__(folder, **{'save': '""', 'appendonly': 'no', 'set-proc-title': 'no', **{
            name.replace('_', '-'): value for name, value in settings.items()}})
        self.password, self.users, self.replica_of = password, users, replica_of

    def url(self, database=0, user='', password=None):
        word = password or self.password
        return f'redis://{f"{user}:{word}@" if word else ""}127.0.0.1:{self.port}/{database}'

    def lines(self):
        yield from ('bind 127.0.0.1', f'port {self.port}', f'dir {self.folder}', 'daemonize no')
        yield from (f'{name} {value}' for name, value in self.settings.items())
        if self.password:
            yield f'requirepass {self.password}'
        yield from (f'user {line}' for line in self.users)
        if self.replica_of:
            yield f'replicaof 127.0.0.1 {self.replica_of.port}'
            if self.replica_of.password:
                yield f'masterauth {self.replica_of.password}'

    def prepare(self):
        with open(self.path('conf'), 'w') as file:
            file.writelines(line + '\n' for line in self.lines())

    def command(self):
        return ['redis-server', self.path('conf')]

    def is_ready(self):
        try:
            return self.ask('PING') == 'PONG'
        except (OSError, EOFError, RedisError):
            return False

    def ask(self, *words, seconds=10):
        """One command on a connection of its own; its answer: text, int, None or a list of them."""
        return ask_redis(self.port, *words, password=self.password, seconds=seconds)


def ask_redis(port, *words, password=None, database=0, seconds=10):
    commands = ([['AUTH', password]] if password else []) + ([['SELECT', database]] if database else []) + [words]
    with socket.create_connection(('127.0.0.1', port), seconds) as peer, peer.makefile('rb') as file:
        for command in commands:
            data = [str(word).encode() for word in command]
            peer.sendall(b'*%d\r\n' % len(data) + b''.join(b'$%d\r\n%s\r\n' % (len(word), word) for word in data))
            answer = read_redis(file)
    return answer


def read_redis(file):
    line = file.readline()
    if not line.endswith(b'\r\n'):
        raise EOFError('Redis closed the connection')
    kind, rest = line[:1], line[1:-2].decode()
    if kind == b'-':
        raise RedisError(rest)
    if kind == b'+':
        return rest
    if kind == b':':
        return int(rest)
    size = int(rest)
    if size < 0:
        return None
    if kind == b'*':
        return [read_redis(file) for _ in range(size)]
    return file.read(size + 2)[:-2].decode(errors='replace')


class Sentinel(Redis):
    """Watches a Redis and its replicas; fails over by itself."""

    def __init__(self, folder, master, name='main', quorum=1, down_milliseconds=500, **settings):
        super().__init__(folder, **settings)
        for setting in ('save', 'appendonly'):
            self.settings.pop(setting)
        self.master, self.name, self.quorum, self.down = master, name, quorum, down_milliseconds

    def lines(self):
        yield from super().lines()
        yield f'sentinel monitor {self.name} 127.0.0.1 {self.master.port} {self.quorum}'
        yield f'sentinel down-after-milliseconds {self.name} {self.down}'
        yield f'sentinel failover-timeout {self.name} {self.down * 4}'
        if self.master.password:
            yield f'sentinel auth-pass {self.name} {self.master.password}'

    def command(self):
        return ['redis-server', self.path('conf'), '--sentinel']

    def master_port(self):
        """Where the master is, as it believes."""
        return int(self.ask('SENTINEL', 'get-master-addr-by-name', self.name)[1])
