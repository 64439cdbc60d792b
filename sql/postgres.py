"""sql/postgres.py: what a text becomes for PostgreSQL.

Each parameter carries its type, so that preparing infers nothing. A transaction is sent whole and
its results are read afterwards, so what the store would look at between two statements the text does
itself: where it changes another number of rows than wanted it fails with SQLSTATE GH001 (by the
function changed_rows of migrations/0003_nodes.sql), and the ids that it returned become a row of the
table bumps.
"""
import re

PARAM_TYPES = {'uuid': 'uuid', 'text': 'text', 'json': 'text', 'bytes': 'bytea', 'int': 'bigint',
               'time': 'bigint', 'bool': 'boolean', 'real': 'float8'}

# As in base/epoch.h.
EPOCHS = {'user': 1, 'session': 2, 'apikey': 3, 'roles': 4, 'resource': 5, 'keys': 6,
          'mode': 7, 'restraints': 8, 'upstreams': 9}

CLOCK = '(extract(epoch from clock_timestamp()) * 1000000)::bigint'

QUOTED = re.compile(r"""'(?:[^']|'')*' | "(?:[^"]|"")*" """, re.X)


def words(text):
    """The words of a text, quoted ones left out."""
    return re.findall(r'\w+', QUOTED.sub(' ', text).lower())


def param(number, type, hidden):
    """hidden: no value is put in the place of a subselect when a plan is made."""
    text = f'${number}::{PARAM_TYPES[type]}'
    return f'(select {text})' if hidden else text


def column_types(line):
    """A line of a migration with the type text sorting by code point."""
    pieces = re.split(rf'({QUOTED.pattern})', line, flags=re.X)
    pieces[::2] = [re.sub(r'\btext\b', 'text collate "C"', piece) for piece in pieces[::2]]
    return ''.join(pieces)


def could_miss(statement, text):
    """Whether the text may change another number of rows than the statement wants."""
    if statement.kind != 'change' or statement.rows < 0:
        return False
    said = words(text)
    plain = said[0] == 'insert' and not {'select', 'conflict'} & set(said)
    return not plain or statement.rows != 1


def bumped(statement):
    """The part of a WITH that writes the rows of bumps, '' when nothing returned bumps."""
    ids = [rf"'\x{EPOCHS[kind]:02x}10'::bytea || uuid_send({name})"
           for _, kind, name, returned in statement.bumps if returned]
    if not ids:
        return ''
    what = f"string_agg({' || '.join(ids)}, ''::bytea)"
    return f', bumped as (insert into bumps (at, what) select {CLOCK}, {what} from changed having count(*) > 0)'


def finish(statement, text):
    """(the final text, whether its only column is the number of rows changed)."""
    checked, bumps = could_miss(statement, text), bumped(statement)
    if not checked and not bumps:
        return text, False
    returning = '' if statement.columns else ' returning 1'
    head = f'with changed as ({text}{returning}){bumps} '
    count = f'select changed_rows(count(*), {statement.rows}) as n from changed'
    if not checked:
        return head + 'select * from changed', False
    if not statement.columns:
        return head + count, True
    return (f'{head}select changed.* from ({count}) as counted left join changed on true '
            'where counted.n is not null'), False
