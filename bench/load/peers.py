"""The peers that do what Gatehouse does: how each is built, installed and started. Their code is in bench/peers."""
import functools
import os
import platform
import shutil
import subprocess

from servers import BUILD, PEERS, Failed, Nginx, Server

INSTALLED = os.path.join(BUILD, 'bench', 'fastify')     # kept, so that a package is fetched once
OUT_OF_REACH = '100000000'                              # limits are counted, but refuse nobody


@functools.lru_cache(None)
def once(*command, cwd=None, **settings):
    """Builds or installs; a failure is told each time."""
    try:
        done = subprocess.run(command, cwd=cwd, env={**os.environ, **settings}, capture_output=True, text=True)
    except FileNotFoundError as missing:
        return str(missing)
    return (done.stderr or done.stdout)[-1000:] if done.returncode else ''


def must(failure):
    if failure:
        raise Failed(failure)


class Peer(Server):
    ready_path = live_path = '/health'

    def prepare(self):
        self.database = None
        if self.work in ('W2', 'W3'):
            self.database = self.world.database(f'peer_{self.port}', self.world.peers_template)

    def settings(self):
        return {'WORK': self.work, 'PORT': str(self.port), 'PEERS': PEERS, 'DATA': self.world.data_file,
                'LIMIT': OUT_OF_REACH, 'DATABASE_URL': self.database or '',
                'REDIS_URL': self.world.redis.url() if self.work == 'W1b' else ''}


class NginxLua(Nginx):
    name = 'nginx + Lua'
    conf = 'nginx_lua.conf'
    ready_path = live_path = '/health'

    def words(self):
        return {'modules': '/usr/lib/nginx/modules', 'machine': platform.machine(), 'peers': PEERS, 'work': self.work,
                'data': self.world.data_file, 'limit': OUT_OF_REACH,
                'redis_port': self.world.redis.port if self.work == 'W1b' else 0}


class Go(Peer):
    name = 'Go'
    program = os.path.join(BUILD, 'bench', 'go')

    def prepare(self):
        super().prepare()
        must(once('go', 'build', '-o', self.program, os.path.join(PEERS, 'go', 'main.go'), GO111MODULE='off',
                  GOPATH='/usr/share/gocode', GOFLAGS='', GOCACHE=os.path.join(BUILD, 'bench', 'go-cache')))

    def command(self):
        return [self.program]

    def settings(self):
        return {**super().settings(), 'GOMAXPROCS': '1', 'GOGC': '400'}


def install_fastify():
    """Beside its packages, where node looks for them; again when one has another version."""
    os.makedirs(INSTALLED, exist_ok=True)
    wanted, have = (os.path.join(folder, 'package.json') for folder in (os.path.join(PEERS, 'fastify'), INSTALLED))
    if not os.path.exists(have) or open(wanted).read() != open(have).read():
        pending = os.path.join(INSTALLED, 'pending')
        shutil.rmtree(pending, ignore_errors=True)
        os.makedirs(pending)
        shutil.copy(wanted, pending)
        must(once('npm', 'install', '--no-package-lock', '--no-audit', '--no-fund', '--ignore-scripts',
                  '--loglevel=error', cwd=pending))
        shutil.rmtree(os.path.join(INSTALLED, 'node_modules'), ignore_errors=True)
        os.rename(os.path.join(pending, 'node_modules'), os.path.join(INSTALLED, 'node_modules'))
        os.rename(os.path.join(pending, 'package.json'), have)      # last: it says that all is there
        os.rmdir(pending)
    for script in ('server.js', 'tasks.js'):
        shutil.copy(os.path.join(PEERS, 'fastify', script), INSTALLED)


class Fastify(Peer):
    name = 'Fastify'
    token_cache = '0'

    def prepare(self):
        super().prepare()
        install_fastify()

    def command(self):
        return ['node', os.path.join(INSTALLED, 'server.js')]

    def settings(self):
        return {**super().settings(), 'TOKEN_CACHE': self.token_cache, 'NODE_ENV': 'production'}


class FastifyTokens(Fastify):
    name = 'Fastify, token cache'
    token_cache = '1'


class FastApi(Peer):
    name = 'FastAPI'

    def command(self):
        return ['/usr/bin/python3', '-m', 'uvicorn', 'server:app', '--app-dir', os.path.join(PEERS, 'fastapi'),
                '--host', '127.0.0.1', '--port', str(self.port), '--backlog', '4096', '--loop', 'uvloop',
                '--http', 'httptools', '--no-access-log', '--log-level', 'error']

    def settings(self):
        return {**super().settings(), 'PYTHONDONTWRITEBYTECODE': '1'}
