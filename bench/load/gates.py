"""Instructions that a warm request costs between parse and handler, by stage, and its allocations: callgrind.

The server is built as always, with the names of its functions. It runs twice, with few requests and with many: the
difference is what the further ones cost, without start and first reads. Counted is inside pipeline_start only, less the
stages that compose and send the reply.
"""
import collections
import glob
import http.client
import json
import os
import re

from people import PASSWORD, Client
from servers import Failed, Gatehouse, ROOT

BINARY = os.path.join(ROOT, 'build-callgrind', 'gatehouse')
FEW, MANY = 200, 1200
BOUND = 6000
DRIVER = 'pipeline_start'
BEHIND = ('handle', 'commit', 'compress_reply', 'reply')    # stages that are the handler's and the reply's
SENDS = 'flow_end'
AGENT = 'python-requests/2.31.0'       # as most clients of APIs say who they are
ALLOCATES = re.compile(r'(malloc|calloc|realloc|memalign|aligned_alloc|posix_memalign)\b')


class Counted(Gatehouse):
    def command(self):
        return ['valgrind', '--tool=callgrind', f'--toggle-collect={DRIVER}',
                f'--callgrind-out-file={self.folder}/calls.%p', BINARY, 'serve']

    def until_ready(self, limit=60):
        return super().until_ready(limit)

    def costs(self):
        """What each process wrote down when it ended, summed."""
        sums = Costs()
        for path in glob.glob(os.path.join(self.folder, 'calls.*')):
            with open(path) as file:
                sums.read(file)
        return sums


class Costs:
    """Of callgrind's file (format of valgrind's manual, chapter 6): instructions of each function itself and of its
    calls, and how often each is called."""

    def __init__(self):
        self.inclusive, self.calls = collections.Counter(), collections.Counter()
        self.edges = collections.Counter()      # (file of the caller, name of the called): instructions

    def read(self, lines):
        names, file, function, called, skip = {}, '', '', '', False
        for line in lines:
            spec = re.match(r'(fn|cfn|fl|fi|fe|cfi|cfl|ob|cob)=\((\d+)\)(?: (.*))?', line)
            if spec:
                kind = {'fn': 'fn', 'cfn': 'fn', 'ob': 'ob', 'cob': 'ob'}.get(spec[1], 'fl')
                if spec[3]:     # less what the linker puts behind a name of one file
                    names[kind, spec[2]] = spec[3].strip().split('.lto_priv')[0]
                name = names[kind, spec[2]]
                if spec[1] == 'fn':
                    function = name
                elif spec[1] == 'cfn':
                    called = name
                elif spec[1] == 'fl':
                    file = os.path.basename(name)
            elif line.startswith('calls='):
                self.calls[called] += int(line[6:].split()[0])
                skip = True
            elif re.match(r'[+*-]?\d*[ \t]+\d+', line):
                cost = int(line.split()[1])
                self.inclusive[function] += cost
                if skip:
                    self.edges[file, called] += cost
                skip = False

    def minus(self, other):
        for mine, less in ((self.inclusive, other.inclusive), (self.calls, other.calls), (self.edges, other.edges)):
            mine.subtract(less)
        return self


def stages():
    """The functions that the pipeline's table enters, from top to bottom."""
    with open(os.path.join(ROOT, 'src', 'pipeline.c')) as file:
        table = file.read().split('stages[] = {', 1)[1].split('};', 1)[0]
    return re.findall(r'{ "\w+",\s*(\w+),', table)


def ask(server, times):
    """A user reads a project of its own, over one connection."""
    client = Client(server.port)
    who = {'email': 'counted@example.com', 'password': PASSWORD}
    client.post('/auth/register', who, 201)
    token = client.post('/auth/login', who, 200)['access_token']
    client.headers['Authorization'] = 'Bearer ' + token
    path = '/api/v1/projects/' + client.post('/projects', {'name': 'Counted'}, 201)['id']
    client.conn.close()
    conn = http.client.HTTPConnection('127.0.0.1', server.port, timeout=30)
    for _ in range(times):
        conn.request('GET', path, headers={'Authorization': 'Bearer ' + token, 'User-Agent': AGENT})
        reply = conn.getresponse()
        if reply.status != 200 or json.loads(reply.read())['name'] != 'Counted':
            raise Failed(f'the project was not read: {reply.status}')
    conn.close()


def costs_of(world, times):
    server = Counted(world, f'gates {times}')
    with server:
        ask(server, times)
    costs = server.costs()
    if costs.calls[DRIVER] + costs.inclusive[DRIVER] == 0:
        raise Failed(f'callgrind saw no {DRIVER}')
    return costs


def gates(world):
    """(rows of a table, instructions of driver and gates, allocations), each for one request."""
    costs = costs_of(world, MANY).minus(costs_of(world, FEW))
    more = MANY - FEW
    each = {name: costs.edges['pipeline.c', name] / more for name in (*stages(), SENDS)}
    for name in stages():
        if not each[name] and name not in BEHIND:
            raise Failed(f'callgrind saw no {name}')
    total = costs.inclusive[DRIVER] / more
    behind = sum(each[name] for name in (*BEHIND, SENDS))
    allocations = sum(times for name, times in costs.calls.items() if ALLOCATES.match(name)) / more
    rows = [[name, '', f'{each[name]:,.0f}'] for name in stages() if name not in BEHIND]
    rows.append(['driver', '', f'{total - sum(each.values()):,.0f}'])
    return rows, total - behind, allocations
