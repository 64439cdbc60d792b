"""Lists that equal the gates, in a house of a thousand rows and in one of a million: what a page costs may not follow.

Both houses have the same teams, each with a project that is shared with it, the same people, and the same readers: in
ten teams, in a thousand, in all of them. Generations fall on the projects as words do on a text (Zipf): the first ten
have a quarter of them. Some derive from another, some are restricted, a project of fifty is public; each has a medium.
Rounds go over both houses in turn; a page is read whole over HTTP, and PostgreSQL's part is counted apart.
"""
import contextlib
import glob
import http.client
import json
import statistics
import time

from crowd import uuid
from people import PASSWORD, Client
from servers import Failed, Gatehouse
from world import psql

SMALL, LARGE = 1_000, 1_000_000
TEAMS = 10_000
READERS = (10, 1_000, TEAMS)        # how many teams each is in
OWNERS, MEMBERS, EACH = 100, 2_000, 10        # who owns all of it; who else is in teams, and in how many
PAGE = 50
ROUNDS, SECONDS, LEAST = 5, 0.3, 8      # a round is as long, and as many requests
BOUND = 1.5
SKIPPED = 1_000                # at most, on the way to a later page
OWNER, TEAM, PROJECT, GENERATION, MEDIUM, LINK = 1, 5, 6, 7, 8, 9      # kinds of ids, as crowd's


def id_of(kind, number):
    """In SQL; of the time of crowd's, and no more countable than a gate lets pass."""
    word = f"overlay(overlay(left(md5(({number})::text), 20) placing '7' from 1 for 1) placing '8' from 5 for 1)"
    return f"('{uuid(kind, 0)[:13]}-' || {word})::uuid"


def teams():
    """People, teams and projects: alike in both houses."""
    owner = f'n % {OWNERS} + 1'
    yield f"""
        insert into users (id, email, password_hash, role, status, token_version, metadata, version, created_at,
            updated_at)
        select {id_of(OWNER, 'n')}, 'owner' || n || '@example.com', '', 'user', 'active', 1, '{{}}', 1, 0, 0
        from generate_series(1, {MEMBERS}) n"""
    yield f"""
        insert into teams (id, owner_id, name, max_members, metadata, version, created_at, updated_at)
        select {id_of(TEAM, 'n')}, {id_of(OWNER, owner)}, 'team', 1000, '{{}}', 1, n, n
        from generate_series(1, {TEAMS}) n"""
    yield f"""
        insert into projects (id, owner_id, name, visibility, team_id, metadata, version, created_at, updated_at)
        select {id_of(PROJECT, 'n')}, {id_of(OWNER, owner)}, 'project',
            case when n % 50 = 0 then 'public_read' else 'team_restricted' end, {id_of(TEAM, 'n')}, '{{}}', 1, n, n
        from generate_series(1, {TEAMS}) n"""
    yield f"""
        insert into project_teams (id, project_id, team_id, version, created_at, updated_at)
        select {id_of(LINK, 'n')}, {id_of(PROJECT, 'n')}, {id_of(TEAM, 'n')}, 1, n, n
        from generate_series(1, {TEAMS}) n"""
    yield f"""
        insert into team_members (id, team_id, user_id, role, version, created_at, updated_at)
        select {id_of(LINK, 'n')}, {id_of(TEAM, f'n * 7 % {TEAMS} + 1')}, {id_of(OWNER, f'n / {EACH} + 1')},
            'viewer', 1, n, n
        from generate_series(0, {MEMBERS * EACH - 1}) n"""


def memberships(readers):
    """readers: {number of teams: id}."""
    for number, (size, reader) in enumerate(readers.items()):
        yield f"""
            insert into team_members (id, team_id, user_id, role, version, created_at, updated_at)
            select {id_of(LINK, f'{number + 1} * 100000 + n')}, {id_of(TEAM, 'n')}, '{reader}', 'viewer', 1, n, n
            from generate_series(1, {size}) n"""


def rows(count):
    """Generations and what hangs on them; each fourth of a project derives from the one before it."""
    owner = f'* 7 % {OWNERS} + 1'
    yield f"""
        create temporary table falls as
        select n, project, case when row_number() over w % 4 = 0 then lag(n) over w end as parent
        from (select n, floor(exp((n * 0.6180339887498949 % 1) * ln({TEAMS})))::int as project
            from generate_series(1, {count}) n) as fall
        window w as (partition by project order by n)"""
    yield f"""
        insert into generations (id, owner_id, project_id, prompt, parent_id, root_id, depth, kind, parameters, status,
            is_open, metadata, version, created_at, updated_at)
        select {id_of(GENERATION, 'n')}, {id_of(OWNER, f'n {owner}')}, {id_of(PROJECT, 'project')}, 'a moth in a relay',
            case when parent is not null then {id_of(GENERATION, 'parent')} end,
            {id_of(GENERATION, 'coalesce(parent, n)')}, case when parent is null then 0 else 1 end,
            case when parent is null then 'original' else 'remix' end, '{{}}', 'completed', project % 50 = 0,
            '{{}}', 1, n, n
        from falls order by n"""
    yield f"""
        insert into generation_ancestors (generation_id, ancestor_id, distance)
        select {id_of(GENERATION, 'n')}, {id_of(GENERATION, 'parent')}, 1 from falls where parent is not null"""
    yield f"""
        insert into generation_readers (user_id, created_at, generation_id)
        select {id_of(OWNER, f'parent {owner}')}, n, {id_of(GENERATION, 'n')} from falls
        where parent is not null and parent {owner} <> n {owner}"""
    yield f"""
        insert into generation_restrictions (generation_id, root_id, owner_id, user_id, until_at, accesses)
        select {id_of(GENERATION, 'n')}, {id_of(GENERATION, 'n')}, {id_of(OWNER, f'n {owner}')}, {id_of(OWNER, '1')},
            {2 ** 62}, 2
        from falls where parent is null and n % 20 = 0"""
    yield f"""
        insert into media (id, owner_id, generation_id, project_id, root_id, depth, status, sign_version, is_open,
            metadata, version, created_at, updated_at)
        select {id_of(MEDIUM, 'n')}, {id_of(OWNER, f'n {owner}')}, {id_of(GENERATION, 'n')},
            {id_of(PROJECT, 'project')},
            {id_of(GENERATION, 'coalesce(parent, n)')}, case when parent is null then 0 else 1 end, 'empty', 1,
            project % 50 = 0, '{{}}', 1, n, n
        from falls order by n"""


def script(count, readers):
    """All of it, without looking at each key; the indexes of the large tables are made when these are full."""
    each = 'do $$ declare one record; begin for one in select * from made loop execute {}; end loop; end $$'
    yield 'set session_replication_role = replica'
    yield from teams()
    yield from memberships(readers)
    yield """
        create temporary table made as select indexname as name, indexdef as text from pg_indexes
        where tablename in ('generations', 'media') and indexname not like '%_pkey'"""
    yield each.format("'drop index ' || one.name")
    yield from rows(count)
    yield each.format('one.text')


# ---- the two houses ----

class House(Gatehouse):
    """One worker, caches on: what is remembered is who asks, never a page."""

    def __init__(self, world, count, name='caches', **chosen):
        super().__init__(world, 'lists', f'{name} {count}', LANE_READ='1/1', LANE_AUTH='1/1', **chosen)
        self.count = count

    def prepare(self):
        self.chosen['DATABASE_URL'] = self.database = self.world.database(f'house_{self.count}')

    def fill(self):
        self.tokens, readers = {}, {}
        for size in READERS:
            client = Client(self.port)
            who = {'email': f'reader{size}@example.com', 'password': PASSWORD}
            readers[size] = client.post('/auth/register', who, 201)['id']
            self.tokens[size] = client.post('/auth/login', who, 200)['access_token']
            client.conn.close()
        psql(self.database, ';'.join(script(self.count, readers)), 400)
        psql(self.database, 'vacuum analyze', 100)

    def ask(self, conn, size, path):
        conn.request('GET', '/api/v1/' + path, headers={'Authorization': 'Bearer ' + self.tokens[size]})
        reply = conn.getresponse()
        body = reply.read()
        if reply.status != 200:
            raise Failed(f'GET {path}: {reply.status} {body[:300]!r}')
        return json.loads(body)

    def backends(self):
        """Nanoseconds of CPU that the connections to this house's database have had."""
        return sum(cpu_of(row['pid']) for row in psql(
            self.world.postgres.url(), f"select pid from pg_stat_activity where datname = 'house_{self.count}'"))

    def workers(self):
        return sum(cpu_of(pid) for pid in self.pids())


def cpu_of(pid):
    """All its threads', from the scheduler."""
    total = 0
    for path in glob.glob(f'/proc/{pid}/task/*/schedstat'):
        with contextlib.suppress(OSError), open(path) as file:
            total += int(file.read().split()[0])
    return total


class Forgetful(House):
    """Another node of a house, which remembers nothing: each row comes from PostgreSQL."""

    def __init__(self, house):
        super().__init__(house.world, house.count, 'no caches', CACHE='off')
        self.chosen['DATABASE_URL'], self.tokens = house.database, house.tokens

    def prepare(self):
        """The database is there."""


# ---- what is asked ----

class Work:
    """One kind of request of one reader, in both houses."""

    def __init__(self, size, what, paths):
        self.size, self.what, self.paths = size, what, paths     # paths: {house: [path]}
        self.rounds = {house: [] for house in paths}

    def measure(self, house):
        paths, asked = self.paths[house], 0
        conn = http.client.HTTPConnection('127.0.0.1', house.port, timeout=30)
        began, server, store = time.monotonic(), house.workers(), house.backends()
        while asked < LEAST or time.monotonic() - began < SECONDS:
            house.ask(conn, self.size, paths[asked % len(paths)])
            asked += 1
        spent = (house.workers() - server) / asked / 1000, (house.backends() - store) / asked / 1000
        conn.close()
        return spent

    def middles(self):
        """[(server, PostgreSQL)] of each house, in us."""
        return [[statistics.median(figures) for figures in zip(*rounds)] for rounds in self.rounds.values()]

    def ratios(self):
        return [sum(large) / sum(small) for small, large in zip(*self.rounds.values())]

    def line(self):
        cells = [f'{server:,.0f} + {store:,.0f}' for server, store in self.middles()]
        ratio = statistics.median(self.ratios())
        return [self.what, f'{self.size:,}', *cells, f'{ratio:.2f} x ({max(self.ratios()):.2f})',
                'yes' if ratio <= BOUND else 'NO']


def ask_once(house, size, path):
    conn = http.client.HTTPConnection('127.0.0.1', house.port, timeout=60)
    try:
        return house.ask(conn, size, path)
    finally:
        conn.close()


def later(house, size, plural):
    """The path of a page half way through what the reader in ten teams sees, or as far as SKIPPED."""
    before = ask_once(house, size, f'{plural}?limit=1&skip={min(house.count // 8, SKIPPED)}')
    return f"{plural}?limit={PAGE}&after={before['next']}"


def pages(houses):
    for size in READERS:
        for plural in ('generations', 'media', 'projects'):
            yield Work(size, f'{plural}, first page', {house: [f'{plural}?limit={PAGE}'] for house in houses})
            if plural != 'projects':        # of these both houses have as many
                yield Work(size, f'{plural}, a later page', {house: [later(house, size, plural)] for house in houses})


def rows_read(houses):
    """GET of one generation after the other."""
    return Work(READERS[0], 'a generation', {house: [
        f"generations/{row['id']}" for row in ask_once(house, READERS[0], 'generations?limit=200')['items']]
        for house in houses})


def lists(world):
    """(head, rows of a table)."""
    with contextlib.ExitStack() as stack:
        houses = [stack.enter_context(House(world, count)) for count in (SMALL, LARGE)]
        for house in houses:
            house.fill()
        works = [*pages(houses), rows_read([stack.enter_context(Forgetful(house)) for house in houses])]
        for work in works:
            for house in work.paths:
                work.measure(house)         # a connection settles on its plans
        for _ in range(ROUNDS):
            for work in works:
                for house, rounds in work.rounds.items():
                    rounds.append(work.measure(house))
    head = ['CPU-us of server + PostgreSQL', 'teams', f'{SMALL:,} rows', f'{LARGE:,} rows', f'ratio (<= {BOUND})',
            'met']
    return head, [work.line() for work in works]
