#!/usr/bin/env python3
"""Gatehouse beside a bare libuv responder and nginx: speed, start, memory.

    ./dev bench [speed|start|idle]

The server has core 0, the load core 1; only loopback. CPU-us per request (user and system time of the
server's processes) comes first, because the load generator tires before a good server does. Rounds are
interleaved; shown are medians, and the worst round.
"""
import contextlib
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile

from idle import WANTED, bytes_per_connection, raise_descriptors
from people import EACH, USERS, populate
from servers import BINARY, LOAD_CORE, Gatehouse, Libuv, Nginx

ROUNDS = 5
WARM_SECONDS, SECONDS = 1, 5
CONNECTIONS = 64
STARTS = 9
HERE = os.path.dirname(os.path.abspath(__file__))


def table(head, rows):
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    for row in [head, *rows]:
        print('  '.join(cell.ljust(width) if i == 0 else cell.rjust(width)
                        for i, (cell, width) in enumerate(zip(row, widths))))
    print(flush=True)


# ---- speed ----

def wrk(server, requests, seconds):
    said = subprocess.run(['taskset', '-c', LOAD_CORE, 'wrk', '-t', '1', '-c', str(CONNECTIONS),
                           '-d', f'{seconds}s', '--timeout', '5s', '-s', os.path.join(HERE, 'cycle.lua'),
                           f'http://127.0.0.1:{server.port}', '--', requests],
                          check=True, capture_output=True, text=True, timeout=seconds + 30).stdout
    return json.loads(said.splitlines()[-1])


def measure(server, requests):
    wrk(server, requests, WARM_SECONDS)
    before = server.cpu_seconds()
    got = wrk(server, requests, SECONDS)
    cpu = server.cpu_seconds() - before
    if got['errors']:
        raise SystemExit(f"{server.name}: {got['errors']} of {got['requests']} requests failed")
    return {'cpu': cpu / got['requests'] * 1e6, 'rate': got['requests'] / got['seconds'],
            'p50': got['p50'], 'p99': got['p99'], 'size': got['bytes'] / got['requests']}


def speed(top):
    with contextlib.ExitStack() as stack:
        libuv, nginx, gatehouse = (stack.enter_context(kind(top)) for kind in (Libuv, Nginx, Gatehouse))
        asked = populate(gatehouse.port)
        requests = os.path.join(top, 'requests')
        with open(requests, 'w') as file:
            file.writelines(f'{path} {token}\n' for path, token in asked)

        rounds = {server: [] for server in (libuv, nginx, gatehouse)}
        for _ in range(ROUNDS):
            for server, results in rounds.items():
                results.append(measure(server, requests))

    def middle(server, what):
        return statistics.median(result[what] for result in rounds[server])

    def ratio(server, peer):
        ratios = [a['cpu'] / b['cpu'] for a, b in zip(rounds[server], rounds[peer])]
        return f'{statistics.median(ratios):.2f} ({max(ratios):.2f})'

    print(f'W0: fixed reply. W1a: authorized GET of one startup, {USERS} users, {USERS * EACH} startups, token of '
          f'{len(asked[0][1])} bytes.\nThe same requests to all; {CONNECTIONS} connections, {ROUNDS} rounds of '
          f'{SECONDS} s; worst round in brackets.')
    table(['', 'CPU-us/request', 'x libuv', 'x nginx', 'req/s', 'p50 us', 'p99 us', 'reply bytes'],
          [[f'{server.name} {server.work}',
            f"{middle(server, 'cpu'):.2f} ({max(result['cpu'] for result in results):.2f})",
            ratio(server, libuv), ratio(server, nginx), f"{middle(server, 'rate'):,.0f}",
            f"{middle(server, 'p50'):.0f}", f"{middle(server, 'p99'):.0f}", f"{middle(server, 'size'):.0f}"]
           for server, results in rounds.items()])


# ---- start and size ----

def start_once(server):
    server.start()
    try:
        return server.until_ready() * 1000
    finally:
        server.stop()


def stripped_size(top):
    path = os.path.join(top, 'stripped')
    subprocess.run(['strip', '-o', path, BINARY], check=True)
    return os.path.getsize(path)


def start(top):
    again = Gatehouse(top)
    first, later = [], []
    for _ in range(STARTS):
        shutil.rmtree(os.path.join(again.folder, 'data'), ignore_errors=True)
        first.append(start_once(again))
        later.append(start_once(again))
    with again:
        rss = again.worker_rss()

    table(['gatehouse', 'median', 'worst'],
          [['exec to ready, empty folder, ms', f'{statistics.median(first):.1f}', f'{max(first):.1f}'],
           ['exec to ready, again, ms', f'{statistics.median(later):.1f}', f'{max(later):.1f}'],
           ['RSS of a worker at rest, MB', f'{rss / 1e6:.1f}', ''],
           ['binary, stripped, MB', f'{stripped_size(top) / 1e6:.2f}', '']])


# ---- idle connections ----

def idle(top):
    rows = []
    for kind in (Libuv, Nginx, Gatehouse):
        with kind(top) as server:
            rows.append([server.name, f'{bytes_per_connection(server):.0f}'])
    table([f'{WANTED} idle connections', 'bytes each'], rows)


def main():
    parts = {'speed': speed, 'start': start, 'idle': idle}
    wanted = sys.argv[1:] or list(parts)
    if set(wanted) - parts.keys():
        sys.exit(__doc__)
    if os.cpu_count() < 2:
        sys.exit('the bench needs two cores: one for the server, one for the load')
    if os.getloadavg()[0] > 0.5:
        print(f'The machine is busy (load {os.getloadavg()[0]:.1f}): figures are worse than they could be.\n')
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    os.sched_setaffinity(0, {int(LOAD_CORE)})
    if raise_descriptors() < 3 * WANTED:
        sys.exit(f'the bench needs {3 * WANTED} file descriptors (ulimit -n)')
    with tempfile.TemporaryDirectory(prefix='gatehouse-bench-') as top:
        for part in wanted:
            parts[part](top)


if __name__ == '__main__':
    main()
