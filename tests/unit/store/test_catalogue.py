"""Every statement of sql/ against a migrated database of both engines: it prepares, with the types and columns that it
declares; and on PostgreSQL, with many rows, none reads a large table from end to end.

The plans are kept in tests/golden/explain.txt: after a change that is meant, GOLDEN=write ./dev test golden
"""
import json
import os
import secrets
import sqlite3
import subprocess
import sys
import unittest

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', '..')
sys.path[0:0] = [os.path.join(ROOT, 'sql'), os.path.join(ROOT, 'tests')]
import grammar
from support.services import postgres_program, psql, run_as
from support.store import service_url

GOLDEN = os.path.join(ROOT, 'tests', 'golden', 'explain.txt')
TYPES = {'uuid': 'uuid', 'text': 'text', 'json': 'text', 'bytes': 'bytea', 'int': 'bigint', 'time': 'bigint',
         'bool': 'boolean', 'real': 'double precision'}

ROWS = 100_000
OWNERS = 100
SMALL = {'roles', 'signing_keys', 'duties', 'modes', 'schema_migrations'}

# Statements that may read a large table from end to end: each runs seldom, without a request, and wants most rows.
SWEEPS = {'business_totals', 'outbox_count', 'audit_heads_adrift'}
# The members of all teams of one owner, who here has a good part of them.
SWEEPS |= {f'user_near_{sort}' for sort in ('created_at_asc', 'created_at_desc', 'email_asc', 'email_desc')}

EACH = 20_000               # users, and teams, that are linked to five others each


def one_has_many(table):
    """A link's parent: the first has 2,000 of them, any other five."""
    return f"md5('{table}' || case when n <= 2000 then 1 else n / 5 end)::uuid"


# What a column holds when its type alone would not do; n is the row's number.
VALUES = {
    'users.role': "case when n % 20000 = 0 then 'admin' else 'user' end",
    'users.status': "case when n % 50 = 0 then 'deleted' else 'active' end",
    'tasks.status': "(array['pending', 'in_progress', 'failed'])[n % 40 + 1]",
    'sessions.revoked_at': 'case when n % 10 = 0 then n end',
    'restraints.lifted_at': 'case when n % 10 > 0 then n end',
    'refresh_tokens.successor': "case when n % 1000 = 0 then decode(md5(n::text), 'hex') end",
    'refresh_tokens.used_at': 'case when n % 2 = 0 then n end',
    'invitations.team_id': one_has_many('teams'),
    'team_members.team_id': one_has_many('teams'),
    'team_members.user_id': f"md5('users' || n % {EACH} + 1)::uuid",
    'projects.visibility': "(array['team_restricted', 'team_open', 'public_read', 'public_full'])[n % 40 + 1]",
    'project_teams.project_id': one_has_many('projects'),
    'project_teams.team_id': f"md5('teams' || n % {EACH} + 1)::uuid",
    'project_collaborators.project_id': one_has_many('projects'),
    'project_collaborators.user_id': f"md5('users' || n % {EACH} + 1)::uuid",
    'generations.root_id': "md5('generations' || n / 5 + 1)::uuid",
    'generations.depth': 'n % 10',
    'media.depth': 'n % 10',
    'generations.status': "(array['pending', 'processing', 'failed'])[n % 40 + 1]",
    'generations.is_open': 'n % 20 = 0',
    'generation_ancestors.generation_id': "md5('generations' || n)::uuid",
    'generation_readers.user_id': f"md5('users' || n % {OWNERS} + 1)::uuid",
    'generation_readers.generation_id': "md5('generations' || n)::uuid",
    'generation_restrictions.root_id': "md5('generations' || n)::uuid",
    'models.status': "case when n % 50 = 0 then 'disabled' end",
}
DEFAULTS = {'tasks.status': "'completed'", 'projects.visibility': "'private'", 'generations.status': "'completed'",
            'models.status': "'active'"}
BY_TYPE = {
    'uuid': "md5('{table}' || n)::uuid", 'text': "'{column}' || n", 'bytea': "decode(md5(n::text), 'hex')",
    'bigint': 'n', 'integer': 'n', 'smallint': 'n % 100', 'boolean': 'n % 2 = 0', 'double precision': 'n',
    'jsonb': "'{{}}'", 'json': "'{{}}'",
}
# What lists are filtered by, with a value that few rows have, by table; '' of any other.
FILTERS = {
    'agent_id': {'': "md5('agents1')::uuid"}, 'startup_id': {'': "md5('startups1')::uuid"},
    'email': {'': "'email1'"}, 'industry': {'': "'industry1'"}, 'kind': {'': "'kind1'"}, 'role': {'': "'admin'"},
    'stage': {'': "'stage1'"}, 'provider': {'': "'provider1'"}, 'visibility': {'': "'public_read'"},
    'status': {'': "'status1'", 'tasks': "'failed'", 'users': "'deleted'", 'generations': "'failed'",
               'models': "'disabled'"},
    'team_id': {'': "md5('teams1')::uuid"}, 'project_id': {'': "md5('projects1')::uuid"},
    'parent_id': {'': "md5('generations1')::uuid"},
}
# Lists of what lies below a team; the others of that kind, below a project.
OF_TEAMS = {'team_members', 'invitations'}
# Filters whose few values many rows have, and what they leave is read in order all the same.
COARSE = {('generations', 'kind'), ('projects', 'visibility')}
# Lists that are put together from several sources, each read in order and no further than a page needs, and then
# sorted; of teams, those that one user may be in at the most.
MERGED = {'project_list', 'generation_list', 'media_list', 'team_list', 'user_near'}

catalogue = migrations = base = None


def setUpModule():
    """An own database of PostgreSQL, migrated."""
    global catalogue, migrations, base
    _, statements, migrations = grammar.read(os.path.join(ROOT, 'sql'))
    catalogue = [(statement, variant) for statement in statements for variant in statement.variants]
    name = 'catalogue_' + secrets.token_hex(6)
    psql(service_url('TEST_POSTGRES_URL') + 'postgres', f'create database {name} template template0')
    unittest.addModuleCleanup(psql, service_url('TEST_POSTGRES_URL') + 'postgres',
                              f'drop database {name} with (force)')
    base = service_url('TEST_POSTGRES_URL') + name
    for _, _, texts in migrations:
        psql(base, texts['postgres'])


def script(text):
    """What psql prints for a text of statements and its own commands."""
    done = run_as(None, [postgres_program('psql'), '-XqAt', '-F', '\x1f', '-d', base, '-f', '-'], '/', input=text,
                  text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=120)
    return done.stdout


def each(text_of):
    """{variant's name: (error or None, lines that were printed)}, psql doing text_of(statement, variant) for each."""
    text = ''.join(f'\\echo \x1d{variant.name}\nselect 1 where false;\n{text_of(statement, variant)}\n'
                   '\\if :ERROR\n\\echo \x1e :LAST_ERROR_MESSAGE\n\\endif\n' for statement, variant in catalogue)
    found = {}
    for part in script(text).split('\x1d')[1:]:
        name, *lines = part.rstrip('\n').split('\n')
        errors = [line[2:] for line in lines if line.startswith('\x1e')]
        found[name] = (errors[0] if errors else None, [line for line in lines if not line.startswith('\x1e')])
    return found


class Prepares(unittest.TestCase):
    maxDiff = None

    def test_on_postgres(self):
        found = each(lambda _, variant: f'prepare {variant.name} as {variant.texts["postgres"]};')
        self.assertEqual(len(found), len(catalogue))
        self.assertEqual({name: error for name, (error, _) in found.items() if error}, {})

    def test_its_parameters_have_the_types_that_it_declares(self):
        """What the binary format of the wire depends on."""
        found = each(lambda _, variant: f'prepare {variant.name} as {variant.texts["postgres"]};\nselect '
                     f"parameter_types::text from pg_prepared_statements where name = '{variant.name}';")
        for _, variant in catalogue:
            with self.subTest(variant.name):
                types = [type.strip('"') for type in found[variant.name][1][0].strip('{}').split(',') if type]
                self.assertEqual(types, [TYPES[param.type] for param in variant.params])

    def test_a_read_has_the_columns_that_it_declares(self):
        found = each(lambda _, variant: f'{variant.texts["postgres"]} \\gdesc')
        for statement, variant in catalogue:
            if statement.kind != 'change':
                with self.subTest(variant.name):
                    self.assertEqual([tuple(line.split('\x1f')) for line in found[variant.name][1]],
                                     [(slot.name, TYPES[slot.type]) for slot in statement.columns.slots])

    def test_on_sqlite(self):
        embedded = sqlite3.connect(':memory:')
        for _, _, texts in migrations:
            embedded.executescript(texts['sqlite'])
        for statement, variant in catalogue:
            with self.subTest(variant.name):
                values = [0 if param.type in ('int', 'time') else None for param in variant.params]
                embedded.execute('explain ' + variant.texts['sqlite'], values)
                if statement.kind != 'change':
                    columns = embedded.execute(variant.texts['sqlite'], values).description
                    self.assertEqual([column[0] for column in columns], [slot.name for slot in statement.columns.slots])
        embedded.close()

    def test_both_engines_have_the_same_tables(self):
        embedded = sqlite3.connect(':memory:')
        for _, _, texts in migrations:
            embedded.executescript(texts['sqlite'])
        rows = embedded.execute("select t.name, c.name from sqlite_master t, pragma_table_info(t.name) c "
                                "where t.type = 'table' and t.name not like 'sqlite_%'").fetchall()
        embedded.close()
        here = psql(base, 'select table_name, column_name from information_schema.columns '
                          "where table_schema = 'public'")
        self.assertEqual(sorted(rows), sorted(tuple(row) for row in here))


class Plans(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        fill()
        cls.plans = planned(lambda _, variant: explained(variant))

    def test_each_statement_has_one(self):
        self.assertEqual(sorted(self.plans), sorted(variant.name for _, variant in catalogue))

    def test_golden(self):
        """Node types and index names; another PostgreSQL may well plan otherwise."""
        version = f'PostgreSQL {psql(base, "show server_version")[0][0].split(".")[0]}\n'
        text = version + ''.join(f'\n{name}\n{drawn(self.plans[name])}' for name in sorted(self.plans))
        if os.environ.get('GOLDEN') == 'write':
            with open(GOLDEN, 'w') as file:
                file.write(text)
        with open(GOLDEN) as file:
            kept = file.read()
        if kept.startswith(version):
            self.assertMultiLineEqual(kept, text)

    def test_none_reads_a_large_table_from_end_to_end(self):
        read = {name: [node['Relation Name'] for node in nodes(plan) if node['Node Type'] == 'Seq Scan'
                       and node['Relation Name'] not in SMALL] for name, plan in self.plans.items()}
        swept = {name: tables for name, tables in read.items() if tables}
        self.assertEqual({name: tables for name, tables in swept.items() if name not in SWEEPS}, {})
        self.assertEqual(SWEEPS - set(swept), set(), 'these need no exception')

    def test_a_page_of_a_list_comes_from_an_index_in_order(self):
        """Without filters, that is; planned for its values, as PostgreSQL does as long as it pays."""
        plans = planned(lambda statement, variant: explained(variant, page_of(variant), 'custom')
                        if statement.sorts else '')
        self.assertGreater(len(plans), 20)
        sort = {name for name, plan in plans.items() if any(node['Node Type'] == 'Sort' for node in nodes(plan))
                and not any(node.get('Relation Name') in SMALL for node in nodes(plan))}
        merged = {variant.name for statement, variant in catalogue if statement.name in MERGED}
        self.assertEqual(sort - merged, set())
        self.assertEqual(merged - sort, set(), 'these need no exception')

    def test_a_filter_of_a_list_is_looked_up_in_an_index(self):
        """When few rows have the value; in the order of most lists, by their creation."""
        tried = 0
        for filter in sorted({param.name for _, variant in catalogue for param in variant.params} & set(FILTERS)):
            plans = planned(lambda statement, variant: explained(variant, page_of(variant, filter), 'custom')
                            if statement.sorts and variant.name.endswith('created_at_desc')
                            and filter in [param.name for param in variant.params] else '')
            for name, plan in plans.items():
                if (name.partition('_list')[0] + 's', filter) in COARSE:
                    continue
                tried += 1
                with self.subTest(f'{name} by {filter}'):
                    self.assertIn(f'{filter} = ', ' '.join(node.get('Index Cond', '') for node in nodes(plan)))
        self.assertGreater(tried, 8)

    def test_what_a_row_refers_to_finds_it_by_an_index(self):
        """Else the end of a row reads every table that might refer to it."""
        rows = psql(base, """
            select c.conrelid::regclass || ' (' || string_agg(a.attname, ', ') || ')' as what from pg_constraint c
            join pg_attribute a on a.attrelid = c.conrelid and a.attnum = any(c.conkey)
            where c.contype = 'f' and not exists (
                select 1 from pg_index i where i.indrelid = c.conrelid and i.indpred is null
                    and (i.indkey::smallint[])[0:cardinality(c.conkey) - 1] @> c.conkey)
            group by c.oid, c.conrelid""")
        self.assertEqual([row['what'] for row in rows], [])


def explained(variant, values=None, kind='generic'):
    values = ', '.join(values or ['null'] * len(variant.params))
    return (f'deallocate all;\nset plan_cache_mode = force_{kind}_plan;\nset max_parallel_workers_per_gather = 0;\n'
            f'prepare {variant.name} as {variant.texts["postgres"]};\n'
            f'explain (costs off, format json) execute {variant.name}{values and f"({values})"};')


def planned(text_of):
    """{variant's name: its plan}, of those that text_of explains."""
    return {name: json.loads('\n'.join(lines))[0]['Plan'] for name, (error, lines) in each(text_of).items()
            if lines and not error}


def page_of(variant, filter=None):
    """The values for the first page of somebody's rows; with one filter, for a value that few rows have."""
    known = {'viewer': "md5('users1')::uuid", 'now': '0', 'skip': '0', 'limit': '21'}
    table = variant.name.partition('_list')[0] + 's'
    known['id'] = "md5('teams1')::uuid" if table in OF_TEAMS else "md5('projects1')::uuid"
    if filter:
        known[filter] = FILTERS[filter].get(table) or FILTERS[filter]['']
    return [known.get(param.name, 'null') for param in variant.params]


def nodes(plan):
    yield plan
    for below in plan.get('Plans', ()):
        yield from nodes(below)


def drawn(plan, depth=1):
    words = [plan.get('Operation', '') if plan['Node Type'] == 'ModifyTable' else plan['Node Type']]
    if 'Index Name' in plan:
        words += [plan['Index Name'], 'backward' if plan.get('Scan Direction') == 'Backward' else '']
    elif 'Relation Name' in plan:
        words.append(plan['Relation Name'])
    line = '  ' * depth + ' '.join(filter(None, words)) + '\n'
    return line + ''.join(drawn(below, depth + 1) for below in plan.get('Plans', ()))


# ---- many rows ----

def fill():
    """Every table that is not small, by the types of its columns; the foreign keys hold."""
    tables = {}
    for row in psql(base, "select table_name, column_name, data_type from information_schema.columns "
                          "where table_schema = 'public' order by table_name, ordinal_position"):
        tables.setdefault(row[0], []).append(row)
    parents = {(row[0], row[1]): row[2] for row in psql(base, """
        select c.conrelid::regclass, a.attname, c.confrelid::regclass from pg_constraint c
        join pg_attribute a on a.attrelid = c.conrelid and a.attnum = c.conkey[1] where c.contype = 'f'""")}
    text = "set session_replication_role = replica;\n"
    for table in tables.keys() - SMALL:
        names = ', '.join(row['column_name'] for row in tables[table])
        values = ', '.join(value_of(table, row, parents) for row in tables[table])
        text += (f'insert into {table} ({names}) overriding system value '
                 f'select {values} from generate_series(1, {ROWS}) n;\n')
    psql(base, text, seconds=300)
    psql(base, 'vacuum analyze', seconds=300)       # as autovacuum would, whose time nobody knows


def value_of(table, row, parents):
    column, type = row['column_name'], row['data_type']
    name = f'{table}.{column}'
    if name in VALUES:
        value = VALUES[name]
        return f'coalesce({value}, {DEFAULTS[name]})' if name in DEFAULTS else value
    parent = parents.get((table, column)) or ('users' if column in ('owner_id', 'principal_id') else None)
    if parent and type == 'uuid':
        return f"md5('{parent}' || n % {OWNERS} + 1)::uuid"
    return BY_TYPE[type].format(table=table, column=column)


if __name__ == '__main__':
    unittest.main()
