#!/usr/bin/env python3
"""Gatehouse beside its peers: speed, tasks, memory, start.

    ./dev bench [W0|W1a|W1b|W2|W3|tasks|idle|start|gates|lists|speed]...

W0    a fixed reply of 300 bytes, on a bare libuv and nginx; beside it Gatehouse's W1a
W1a   authorized GET of one startup, all in memory: token verified, request counted, row of this user
W1b   the same with facts, limit and row in Redis
W2    the same with facts and row in PostgreSQL, nothing remembered
W3    POST of a startup: validated; row and audit row in one transaction
gates instructions between parse and handler of a warm authorized GET, counted by callgrind
lists pages of lists and a row, in a house of 10^3 generations and in one of 10^6, for who is in few and in many teams
speed is all five. The work is the same or it does not count: see checks.py.

The server has core 0; the load, PostgreSQL and Redis have core 1; only loopback. CPU-us per request (user and system
time of the server's processes) comes first, because the load generator tires before a good server does. Rounds are
interleaved over all servers of a work; shown are medians, and the worst round in brackets.
"""
import contextlib
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile

import checks
import gates as counted
import lists as grown
import targets
from idle import WANTED, bytes_per_connection, raise_descriptors
from people import EACH, USERS
from peers import FastApi, Fastify, FastifyTokens, Go, NginxLua
from pgbench import PgBench
from servers import BINARY, CHANGING, LOAD_CORE, Failed, Gatehouse, Libuv, Nginx
from tasks import BATCH, TASKS, GatehouseTasks, Graphile
from world import World

ROUNDS, TASK_ROUNDS = 5, 3
WARM_SECONDS, SECONDS = 2, 3
CONNECTIONS = 64
STARTS = 9
HERE = os.path.dirname(os.path.abspath(__file__))
OURS = 'Gatehouse'
ALLOTTED = 'Gatehouse, memory and allotments'


def table(head, rows):
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    for row in [head, *rows]:
        print('  '.join(cell.ljust(width) if i < 2 else cell.rjust(width)
                        for i, (cell, width) in enumerate(zip(row, widths))).rstrip())
    print(flush=True)


# ---- one server under load ----

class Runner:
    """A server in its place, with its requests, its rounds, and why it does not count if it does not."""

    def __init__(self, server):
        self.server, self.name, self.work = server, server.name, server.work
        self.rounds, self.failure, self.answered, self.runs, self.calls = [], None, 0, 0, {}

    def attempt(self, what, *args):
        """What fails takes this server out of the rest, and nobody else."""
        if self.failure:
            return
        try:
            what(*args)
        except (Failed, OSError, subprocess.SubprocessError) as why:
            self.failure = ' '.join(str(why).split()) or repr(why)

    def enter(self, stack, world):
        self.world = world
        stack.enter_context(self.server)
        if isinstance(self.server, PgBench):
            return
        asked = self.server.populate()
        checks.before(self.server, asked)
        self.requests = os.path.join(world.folder('requests'), str(self.server.port))
        with open(self.requests, 'w') as file:
            file.writelines(' '.join(request) + '\n' for request in asked)
        self.had = checks.counts(self.server)

    def wrk(self, seconds):
        said = subprocess.run(
            ['taskset', '-c', LOAD_CORE, 'wrk', '-t', '1', '-c', str(CONNECTIONS), '-d', f'{seconds}s',
             '--timeout', '5s', '-s', os.path.join(HERE, 'cycle.lua'), f'http://127.0.0.1:{self.server.port}',
             '--', self.requests],
            check=True, capture_output=True, text=True, timeout=seconds + 30).stdout
        got = json.loads(said.splitlines()[-1])
        if got['errors'] or not got['requests']:
            raise Failed(f"{got['errors']} of {got['requests']} requests failed")
        self.answered, self.runs = self.answered + got['requests'], self.runs + 1
        return got

    def warm(self):
        if not isinstance(self.server, PgBench):
            self.wrk(WARM_SECONDS)

    def measure(self):
        if isinstance(self.server, PgBench):
            self.rounds.append(self.server.measure(CONNECTIONS, SECONDS))
            return
        before = self.server.cpu_seconds()
        got = self.wrk(SECONDS)
        cpu = self.server.cpu_seconds() - before
        self.rounds.append({'cpu': cpu / got['requests'] * 1e6, 'rate': got['requests'] / got['seconds'],
                            'p50': got['p50'], 'p99': got['p99']})

    def count_redis(self):
        """Scripts that Redis ran for each request, and what else was asked of it."""
        if self.work != 'W1b':
            return
        had = redis_calls(self.world.redis)
        asked = self.wrk(1)['requests']
        now = redis_calls(self.world.redis)
        self.calls = {name: (now[name] - had.get(name, 0)) / asked for name in now}

    def prove(self):
        if self.work in ('W2', 'W3') and not isinstance(self.server, PgBench):
            checks.after(self.server, self.had, self.answered, self.answered + self.runs * CONNECTIONS)


def redis_calls(redis):
    """{command: how often so far}, but for those of a connection's beginning."""
    found = re.findall(r'^cmdstat_(\w+):calls=(\d+)', redis.ask('INFO', 'commandstats'), re.M)
    return {name: int(calls) for name, calls in found if name not in ('info', 'hello', 'client', 'script')}


class TaskRunner(Runner):
    """Tasks prove themselves in each round."""

    def enter(self, stack, world):
        stack.enter_context(self.server)

    def warm(self):
        self.server.measure()

    def measure(self):
        self.rounds.append(self.server.measure())


def run(world, runners, rounds):
    """All servers of a work: each stands in its place while the rounds go over all of them."""
    with contextlib.ExitStack() as stack:
        for runner in runners:
            runner.attempt(runner.enter, stack, world)
        for runner in runners:
            runner.attempt(runner.warm)
        for _ in range(rounds):
            for runner in runners:
                runner.attempt(runner.measure)
        for runner in runners:
            runner.attempt(runner.count_redis)
    for runner in runners:
        runner.attempt(runner.prove)
    return runners


def group_memory(world, wanted):
    """W0 and W1a in one group: Gatehouse's W1a is held against both."""
    servers = [Gatehouse(world, 'W1a')]
    if 'W0' in wanted:
        servers += [Libuv(world), Nginx(world)]
    if 'W1a' in wanted:
        servers += [kind(world, 'W1a') for kind in (NginxLua, Go, FastifyTokens, Fastify, FastApi)]
    return servers


def group_redis(world, _):
    """A limit below 600 is asked for at each request, as the peers do; of a larger one permits are taken ahead."""
    return [Gatehouse(world, 'W1b', CACHE_MEGABYTES='0', RATE_LIMIT_REQUESTS='599', RATE_LIMIT_WINDOW='1'),
            Gatehouse(world, 'W1b', ALLOTTED, RATE_LIMIT_REQUESTS='120000', RATE_LIMIT_WINDOW='60'),
            *(kind(world, 'W1b') for kind in (NginxLua, Go, Fastify, FastApi))]


# As many connections as serve each best: reads of one turn share a flush, changes run beside each other.
READING = {'CACHE': 'off', 'LANE_AUTH': '1/1', 'LANE_READ': '1/1'}


def group_read(world, _):
    return [Gatehouse(world, 'W2', **READING), *(kind(world, 'W2') for kind in (Go, Fastify, FastApi, PgBench))]


def group_write(world, _):
    return [Gatehouse(world, 'W3', **CHANGING), *(kind(world, 'W3') for kind in (Go, Fastify, FastApi, PgBench))]


GROUPS = [({'W0', 'W1a'}, group_memory), ({'W1b'}, group_redis), ({'W2'}, group_read), ({'W3'}, group_write)]


# ---- the table ----

def middle(runner, what):
    figures = [result[what] for result in runner.rounds if what in result]
    return statistics.median(figures) if figures else None


def compared(runner, ours):
    """How Gatehouse stands beside this peer: the ratio with its worst, the target, whether it is met."""
    kind, bound = targets.TARGETS.get((runner.work, runner.name), (None, None))
    if not kind:
        return '', '', ''
    if not ours or ours.failure:
        return '-', targets.bound_words(kind, bound), '-'
    ratios = [targets.ratio(kind, a, b) for a, b in zip(ours.rounds, runner.rounds)]
    value = statistics.median(ratios)
    return (f'{targets.words(kind, value)} ({targets.worst(kind, ratios):.2f})', targets.bound_words(kind, bound),
            'yes' if targets.is_met(kind, value, bound) else 'NO')


def line(runner, ours):
    cpu = [result['cpu'] for result in runner.rounds if 'cpu' in result]
    figures = [f'{statistics.median(cpu):.2f} ({max(cpu):.2f})' if cpu else '']
    for what, form in (('rate', ',.0f'), ('p50', '.0f'), ('p99', '.0f')):
        value = middle(runner, what)
        figures.append('' if value is None else format(value, form))
    return [runner.work, runner.name, *figures, *compared(runner, ours)]


def show(runners):
    """One table of all works; what does not count stands below it with its reason."""
    ours = {runner.work: runner for runner in runners if runner.name == OURS}
    ours['W0'] = ours.get('W1a')        # all gates, held against none
    table(['work', 'server', 'CPU-us/request', 'req/s', 'p50 us', 'p99 us', 'Gatehouse takes', 'target', 'met'],
          [line(runner, ours.get(runner.work)) for runner in runners if not runner.failure])
    for runner in runners:
        if runner.failure:
            print(f'{runner.work} {runner.name} does not count: {runner.failure[:600]}')
    for runner in runners:
        if runner.calls:
            print(f'{runner.work} {runner.name} asks Redis for each request: ' + ', '.join(
                f'{number:.2f} {name}' for name, number in sorted(runner.calls.items()) if number >= 0.005))
    allotted = [runner for runner in runners if runner.name == ALLOTTED and not runner.failure]
    if allotted and ours.get('W1a') and not ours['W1a'].failure:
        print(f"{ALLOTTED}, takes {middle(allotted[0], 'cpu') / middle(ours['W1a'], 'cpu'):.2f} x the CPU of its W1a.")


def speed(world, wanted):
    runners = []
    for works, group in GROUPS:
        if works & wanted:
            runners += run(world, [Runner(server) for server in group(world, wanted)], ROUNDS)
    if 'tasks' in wanted:
        runners += run(world, [TaskRunner(kind(world)) for kind in (GatehouseTasks, Graphile)], TASK_ROUNDS)
    print(f'{USERS} users, {USERS * EACH} startups, {CONNECTIONS} connections, {ROUNDS} rounds of {SECONDS} s; worst '
          'round in brackets.')
    if 'tasks' in wanted:
        print(f'Tasks: {TASKS} empty ones, claimed in batches of {BATCH}, {TASK_ROUNDS} rounds; each counts as a '
              'request, from the first claim to the last completion.')
    show(runners)
    print()


# ---- start and size ----

def start_once(server):
    server.start()
    try:
        return server.until_ready() * 1000
    finally:
        server.stop()


def stripped_size(world):
    path = os.path.join(world.top, 'stripped')
    subprocess.run(['strip', '-o', path, BINARY], check=True)
    return os.path.getsize(path)


def start(world):
    again = Gatehouse(world, 'start')
    first, later = [], []
    for _ in range(STARTS):
        shutil.rmtree(os.path.join(again.folder, 'data'), ignore_errors=True)
        first.append(start_once(again))
        later.append(start_once(again))
    with again:
        rss = again.worker_rss()

    table(['gatehouse', '', 'median', 'worst'],
          [['exec to ready, empty folder', 'ms', f'{statistics.median(first):.1f}', f'{max(first):.1f}'],
           ['exec to ready, again', 'ms', f'{statistics.median(later):.1f}', f'{max(later):.1f}'],
           ['RSS of a worker at rest', 'MB', f'{rss / 1e6:.1f}', ''],
           ['binary, stripped', 'MB', f'{stripped_size(world) / 1e6:.2f}', '']])


# ---- idle connections ----

def idle(world):
    rows = []
    for server in (Libuv(world), Nginx(world), Go(world, 'W1a'), Fastify(world, 'W1a'), FastApi(world, 'W1a'),
                   Gatehouse(world, 'idle')):
        try:
            with server:
                rows.append([server.name, '', f'{bytes_per_connection(server):,.0f}'])
        except (Failed, OSError) as why:
            rows.append([server.name, '', f'failed: {why}'[:200]])
    table([f'{WANTED} idle connections', '', 'bytes each'], rows)


# ---- instructions ----

def gates(world):
    rows, sum_of_all, allocations = counted.gates(world)
    met = sum_of_all <= counted.BOUND and allocations == 0
    table(['stage', '', 'instructions/request'], rows)
    print(f'driver and gates: {sum_of_all:,.0f} instructions a request (target <= {counted.BOUND:,}), '
          f'{allocations:g} allocations a request (target 0): {"met" if met else "NOT met"}\n')


# ---- growth ----

def lists(world):
    table(*grown.lists(world))


def main():
    works = {'W0', 'W1a', 'W1b', 'W2', 'W3'}
    known = works | {'tasks', 'idle', 'start', 'gates', 'lists', 'speed'}
    wanted = set(sys.argv[1:]) or known
    if wanted - known:
        sys.exit(__doc__)
    if 'speed' in wanted:
        wanted |= works
    if os.cpu_count() < 2:
        sys.exit('the bench needs two cores: one for the server, one for the load')
    if os.getloadavg()[0] > 0.5:
        print(f'The machine is busy (load {os.getloadavg()[0]:.1f}): figures are worse than they could be.\n')
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    os.sched_setaffinity(0, {int(LOAD_CORE)})
    if raise_descriptors() < 3 * WANTED:
        sys.exit(f'the bench needs {3 * WANTED} file descriptors (ulimit -n)')
    with tempfile.TemporaryDirectory(prefix='gatehouse-bench-') as top, contextlib.ExitStack() as stack:
        world = World(top, stack)
        if wanted & (works | {'tasks'}):
            speed(world, wanted)
        for name, part in (('idle', idle), ('start', start), ('gates', gates), ('lists', lists)):
            if name in wanted:
                part(world)


if __name__ == '__main__':
    main()
