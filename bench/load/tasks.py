"""Tasks, from the first claim to the last completion: Gatehouse over HTTP beside graphile-worker in batches, each on
the server's core, on the same PostgreSQL."""
import json
import os
import subprocess

from peers import INSTALLED, install_fastify
from people import PASSWORD, Client
from servers import CHANGING, LOAD_CORE, SERVER_CORE, Failed, Gatehouse
from world import psql

TASKS, BATCH, CONNECTIONS = 20_000, 100, 8
LIMIT = 120         # seconds
HERE = os.path.dirname(os.path.abspath(__file__))


class GatehouseTasks:
    name, work = 'Gatehouse', 'tasks'

    def __init__(self, world):
        self.server = Gatehouse(world, 'tasks', **CHANGING)

    def __enter__(self):
        self.server.__enter__()
        client = Client(self.server.port)
        who = {'email': 'worker@example.com', 'password': PASSWORD}
        self.owner = client.post('/auth/register', who, 201)['id']
        self.token = client.post('/auth/login', who, 200)['access_token']
        client.headers['Authorization'] = 'Bearer ' + self.token
        self.agent = client.post('/agents', {'name': 'worker'}, 201)['id']
        client.conn.close()
        return self

    def __exit__(self, *_):
        self.server.stop()

    def fill(self):
        """Straight into the table: what is measured begins with a claim."""
        psql(self.server.database, 'truncate tasks')
        psql(self.server.database, f"""
            insert into tasks (id, owner_id, agent_id, priority, run_at, max_attempts, status, attempt, metadata,
                version, created_at, updated_at)
            select gen_random_uuid(), '{self.owner}', '{self.agent}', 0, 0, 3, 'pending', 0, '{{}}', 1, 0, 0
            from generate_series(1, {TASKS})""")
        psql(self.server.database, 'vacuum analyze tasks')

    def measure(self):
        self.fill()
        before = self.server.cpu_seconds()
        load = subprocess.run(
            ['taskset', '-c', LOAD_CORE, 'wrk', '-t', '1', '-c', str(CONNECTIONS), '-d', f'{LIMIT}s', '--timeout', '5s',
             '-s', os.path.join(HERE, 'claim.lua'), f'http://127.0.0.1:{self.server.port}', '--', self.token,
             str(TASKS), str(BATCH)], check=True, capture_output=True, text=True).stdout
        cpu = self.server.cpu_seconds() - before
        got = json.loads(load.splitlines()[-1])
        done = int(psql(self.server.database, "select count(*) as n from tasks where status = 'completed'")[0]['n'])
        if got.get('failure') or done != TASKS:
            raise Failed(f"{done} of {TASKS} tasks completed in time: {got.get('failure')}")
        return {'cpu': cpu / TASKS * 1e6, 'rate': TASKS / got['seconds']}


class Graphile:
    name, work = 'graphile-worker', 'tasks'

    def __init__(self, world):
        self.world = world

    def __enter__(self):
        install_fastify()
        self.database = self.world.database('graphile')
        return self

    def __exit__(self, *_):
        pass

    def measure(self):
        done = subprocess.run(
            ['taskset', '-c', SERVER_CORE, 'node', os.path.join(INSTALLED, 'tasks.js')], capture_output=True, text=True,
            timeout=LIMIT, env={'PATH': os.environ['PATH'], 'NODE_ENV': 'production', 'GRAPHILE_LOGGER_DEBUG': '0',
                                'DATABASE_URL': self.database, 'TASKS': str(TASKS)})
        if done.returncode:
            raise Failed(done.stderr[-1000:] or done.stdout[-1000:])
        got = json.loads(done.stdout.splitlines()[-1])
        if got['left']:
            raise Failed(f"{got['left']} of {TASKS} jobs were not completed")
        return {'cpu': got['cpu'] / TASKS * 1e6, 'rate': TASKS / got['seconds']}
