"""The same statements straight from pgbench: what PostgreSQL gives to a client that does nothing else."""
import os
import re
import subprocess

from servers import PEERS, SERVER_CORE, Failed
from world import postgres_program


class PgBench:
    """In the server's place: on its core, with as many connections as the load has."""

    name = 'pgbench'

    def __init__(self, world, work):
        self.world, self.work = world, work

    def __enter__(self):
        self.database = self.world.database('pgbench_' + self.work.lower(), self.world.peers_template)
        return self

    def __exit__(self, *_):
        pass

    def measure(self, connections, seconds):
        """Its time includes that of making the connections (which does not count), long on a busy machine."""
        for added in (1, 10):
            done = self.run(connections, seconds + added)
            found = re.search(r'^tps = ([\d.]+)', done.stdout, re.M)
            if done.returncode == 0 and found and 'number of failed transactions: 0 (0' in done.stdout:
                return {'rate': float(found[1])}
        raise Failed(f'{done.stderr[-500:]} {done.stdout[-500:]}')

    def run(self, connections, seconds):
        script = os.path.join(PEERS, {'W2': 'pgbench_read.sql', 'W3': 'pgbench_write.sql'}[self.work])
        return subprocess.run(
            ['taskset', '-c', SERVER_CORE, postgres_program('pgbench'), '-n', '-M', 'prepared', '-c', str(connections),
             '-j', '1', '-T', str(seconds), '-f', script, '-D', 'picked=0', self.database],
            capture_output=True, text=True)
