"""sql/grammar.py: reads sql/queries and sql/migrations; what is wrong is refused, with its place.

sql/queries/*.sql (a directive is one comment line; indented comment lines continue it):

    -- columns: startup                      a named list of columns, written {startup} in a text
    --   id uuid, name text, industry text?
    -- name: startup_list(after_key any?, after_id uuid?, limit int) many startup
    -- sort: created_at time, name text      two variants for each column: ascending, descending
    -- bumps: resource :id, roles            the epochs that the change moves
    -- lane: auth                            the connections it goes to; else read or write
    -- text: near                            a piece of SQL by name, written {near} in other texts
    -- sqlite: / -- postgres:                the text for one of the two only
    select {startup} from startups where {after} order by {order} limit :limit;

A kind is `one COLUMNS`, `many COLUMNS` or `change ROWS [COLUMNS] [else ERROR]`; COLUMNS is a list's
name or a list in parentheses. Types: uuid text json bytes int time bool real; `?` may be null;
`any?` takes the sort column's type. In a sorted text {order} and {after} stand for the order and for
the rows behind the cursor, {until} for those that are not behind the row of the text's own CTE `final`
(sort column, id), or all where that is empty. `:name?` is a parameter whose value PostgreSQL does not see
when it plans: where planning takes longer than running, one plan for all values shall never look dearer than
one for these; {after} hides its key in such a text too. {clock} is the store's own clock in microseconds.
sql/postgres.py finishes the texts for PostgreSQL. Migrations are NNNN_name.sql, numbered from 1;
`-- sqlite:`, `-- postgres:` and `-- both:` divide them.
"""
import difflib
import os
import re
from dataclasses import dataclass, field, replace

import postgres

TYPES = ('uuid', 'text', 'json', 'bytes', 'int', 'time', 'bool', 'real')
DIALECTS = ('sqlite', 'postgres')
LANES = ('auth', 'read', 'write', 'analytics', 'admin', 'batch')    # as in store/store.h
DIRECTIVES = ('columns', 'name', 'sort', 'bumps', 'lane', 'text') + DIALECTS
PARAMS_MAX, BUMPS_MAX, COLUMNS_MAX = 24, 4, 64      # as in store/store.h and the rows

# What names the row behind an epoch; None: the kind has no id.
BUMP_TYPES = {'user': 'uuid', 'session': 'uuid', 'resource': 'uuid', 'apikey': 'text',
              'roles': None, 'keys': None, 'mode': None, 'restraints': None,
              'upstreams': None}

# The store's clock. SQLite's has milliseconds: rounded up, so that what the program calls past is.
CLOCKS = {
    'sqlite': "(cast((julianday('now') - 2440587.5) * 86400000000 as integer) + 1100)",
    'postgres': postgres.CLOCK,
}

# What can be sorted by, and what lies below and above all its values.
NUMBERS = ('-9223372036854775807', '9223372036854775807')
EDGES = {
    'int': {'sqlite': NUMBERS, 'postgres': NUMBERS},
    'time': {'sqlite': NUMBERS, 'postgres': NUMBERS},
    'real': {'sqlite': ('-9e999', '9e999'),
             'postgres': ("'-infinity'::float8", "'infinity'::float8")},
    'text': {'sqlite': ("''", "x'ff'"), 'postgres': ("''", 'repeat(chr(1114111), 250)')},
}

# What the generated functions call their own, and what C does.
TAKEN = set('''s a c v w out order auto bool break case char const continue default do double else
    enum extern float for goto if inline int long register restrict return short signed sizeof
    static struct switch typedef union unsigned void volatile while'''.split())

TOKEN = re.compile(r'''
    (?P<comment> --[^\n]* | /\*.*?\*/ )
  | (?P<quoted>  '(?:[^']|'')*' | "(?:[^"]|"")*" )
  | (?P<cast>    :: )
  | :(?P<param>  [A-Za-z_]\w* \??)
  | \{(?P<insert>[^{}\n]*)\}
  | (?P<end>     ; )
  | (?P<blank>   \s+ )
  | (?P<other>   \w+ | . )
''', re.X | re.S)

HIDDEN = re.compile(r':[A-Za-z_]\w*\?')


class Problem(Exception):
    """What is wrong with the input, and where."""

    def __init__(self, where, sentence):
        super().__init__(f'{where[0]}:{where[1]}: {sentence}')


class Text(str):
    """SQL in which braces may stand."""


@dataclass
class Slot:
    """A parameter or a column."""
    name: str
    type: str
    null: bool


@dataclass
class Columns:
    """A list of columns, and the word that its C names carry."""
    name: str
    slots: list


@dataclass
class Statement:
    where: tuple
    name: str
    params: list
    kind: str                   # one, many or change
    columns: object             # Columns, the name of a list, or None
    rows: int = -1
    otherwise: str = 'INTERNAL'
    lane: str = ''
    sorts: list = field(default_factory=list)
    bumps: list = field(default_factory=list)       # (kind, parameter or column or None, returned)
    bodies: dict = field(default_factory=dict)      # dialect or 'both' -> [where, text]
    variants: list = field(default_factory=list)


@dataclass
class Piece:
    """SQL that stands in several statements."""
    where: tuple
    name: str
    bodies: dict = field(default_factory=dict)      # as of a statement


@dataclass
class Variant:
    """One statement as the store sees it: its texts are final."""
    name: str
    params: list
    texts: dict                 # dialect -> text
    counted: bool               # of the text for PostgreSQL: it gives the number of rows changed


# ---- reading -----------------------------------------------------------------------------------

def read_lines(path):
    with open(path, encoding='utf-8') as file:
        return file.read().split('\n')


def read_slots(where, text, what):
    """`id uuid, name text?` as slots."""
    slots = []
    for part in filter(None, (part.strip() for part in text.split(','))):
        found = re.fullmatch(r'([a-z_][a-z0-9_]*)\s+([a-z]+)(\??)', part)
        if not found:
            raise Problem(where, f"'{part}' is not a {what}: it takes a name and a type")
        name, type, null = found[1], found[2], found[3] == '?'
        if type not in TYPES and type != 'any':
            raise Problem(where, f"'{type}' is no type; there are {' '.join(TYPES)}")
        if any(slot.name == name for slot in slots):
            raise Problem(where, f"the {what} '{name}' is there twice")
        slots.append(Slot(name, type, null))
    return slots


def read_columns(where, name, text):
    slots = read_slots(where, text, 'column')
    if not slots:
        raise Problem(where, f"'{name}' has no columns")
    if len(slots) > COLUMNS_MAX:
        raise Problem(where, f"'{name}' has more than {COLUMNS_MAX} columns")
    for slot in slots:
        if slot.type == 'any':
            raise Problem(where, f"the column '{slot.name}' cannot be of type any")
    return Columns(name, slots)


def read_header(where, text):
    """`startup_get(id uuid) one startup` as a statement without its text."""
    found = re.fullmatch(r'([a-z][a-z0-9_]*)\s*\(([^()]*)\)\s*(one|many|change)\b\s*(.*)', text)
    if not found:
        raise Problem(where, 'a statement is NAME(PARAMETERS) one|many|change ...')
    name, kind, rest = found[1], found[3], found[4]
    statement = Statement(where, name, read_slots(where, found[2], 'parameter'), kind, None)
    if len(statement.params) > PARAMS_MAX:
        raise Problem(where, f"'{name}' has more than {PARAMS_MAX} parameters")
    for param in statement.params:
        if param.name in TAKEN:
            raise Problem(where, f"the generated C cannot call a parameter '{param.name}'")

    statement.lane = 'write' if kind == 'change' else 'read'
    columns = r'([a-z][a-z0-9_]*|\([^()]*\))'
    if kind == 'change':
        found = re.fullmatch(rf'(\d+|any)(?:\s+(?!else\b){columns})?(?:\s+else\s+([A-Z_]+))?', rest)
        if not found:
            raise Problem(where, 'a change is: change ROWS|any [COLUMNS] [else ERROR]')
        statement.rows = -1 if found[1] == 'any' else int(found[1])
        if found[3] and statement.rows < 0:
            raise Problem(where, f"'{name}' takes any number of rows, so there is no else")
        statement.otherwise = found[3] or statement.otherwise
        list_of = found[2]
    else:
        found = re.fullmatch(columns, rest)
        if not found:
            raise Problem(where, f'{kind} is followed by its columns and nothing else')
        list_of = found[1]
    if list_of and list_of.startswith('('):
        statement.columns = read_columns(where, name, list_of[1:-1])
    else:
        statement.columns = list_of
    return statement


def read_bumps(where, statement, text):
    for part in (part.strip() for part in text.split(',')):
        found = re.fullmatch(r'([a-z]+)(?:\s+(?::([a-z0-9_]+)|returned\s+([a-z0-9_]+)))?', part)
        if not found:
            raise Problem(where, f"'{part}' is not a bump: KIND, KIND :id or KIND returned id")
        if found[1] not in BUMP_TYPES:
            kinds = ' '.join(BUMP_TYPES)
            raise Problem(where, f"'{found[1]}' is no kind of epoch; there are {kinds}")
        statement.bumps.append((where, found[1], found[2] or found[3], bool(found[3])))
    if statement.kind != 'change':
        raise Problem(where, f"'{statement.name}' is a read: it bumps nothing")
    if len(statement.bumps) > BUMPS_MAX:
        raise Problem(where, f"'{statement.name}' has more than {BUMPS_MAX} bumps")


def read_directives(path):
    """(where, word or None, text): directives whole, lines of SQL one by one, comments left out."""
    lines = read_lines(path)
    at = 0
    while at < len(lines):
        where, line = (path, at + 1), lines[at]
        at += 1
        if not line.startswith('--'):
            yield where, None, line
            continue
        found = re.match(r'-- ([a-z0-9]+):\s*(.*)', line)
        if not found:
            continue
        word, text = found[1], found[2].strip()
        if word not in DIRECTIVES:
            for close in difflib.get_close_matches(word, DIRECTIVES, 1, 0.8):
                raise Problem(where, f"'-- {word}:' is no directive; '-- {close}:' is")
            continue
        while at < len(lines) and re.match(r'--\s{2,}\S', lines[at]):
            text = f'{text} {lines[at][2:].strip()}'.strip()
            at += 1
        yield where, word, text


def read_queries(path):
    """The column lists, statements and pieces of one file."""
    lists, statements, pieces = [], [], []
    statement = None
    dialect = 'both'
    for where, word, text in read_directives(path):
        if word == 'columns':
            name, _, rest = text.partition(' ')
            if not re.fullmatch(r'[a-z][a-z0-9_]*', name):
                raise Problem(where, 'a list of columns has a name')
            lists.append((where, read_columns(where, name, rest)))
            statement = None
        elif word == 'name':
            statement = read_header(where, text)
            statements.append(statement)
            dialect = 'both'
        elif word == 'text':
            if not re.fullmatch(r'[a-z][a-z0-9_]*', text):
                raise Problem(where, 'a piece of SQL has a name')
            statement = Piece(where, text)
            pieces.append(statement)
            dialect = 'both'
        elif word in ('sort', 'bumps', 'lane') and isinstance(statement, Piece):
            raise Problem(where, f"'-- {word}:' belongs to a statement")
        elif word and not statement:
            raise Problem(where, f"'-- {word}:' belongs to a statement")
        elif word == 'sort':
            statement.sorts = read_columns(where, statement.name, text).slots
        elif word == 'bumps':
            read_bumps(where, statement, text)
        elif word == 'lane':
            if text not in LANES:
                raise Problem(where, f"'{text}' is no lane; there are {' '.join(LANES)}")
            statement.lane = text
        elif word:
            if word in statement.bodies or 'both' in statement.bodies:
                raise Problem(where, f"'{statement.name}' has its text for {word} already")
            dialect = word
        elif statement:
            if text.strip() or dialect in statement.bodies:
                statement.bodies.setdefault(dialect, [where, ''])[1] += text + '\n'
        elif text.strip():
            raise Problem(where, 'SQL outside of a statement: a `-- name:` line comes first')
    return lists, statements, pieces


def read_migrations(folder):
    """(number, name, {dialect: text}) in order."""
    migrations = []
    for file in sorted(os.listdir(folder)):
        path = os.path.join(folder, file)
        if not file.endswith('.sql'):
            continue
        found = re.fullmatch(r'(\d{4})_([a-z0-9_]+)\.sql', file)
        if not found:
            raise Problem((path, 1), 'a migration is called NNNN_name.sql')
        if int(found[1]) != len(migrations) + 1:
            raise Problem((path, 1), f'the next migration is number {len(migrations) + 1:04}')
        texts = dict.fromkeys(DIALECTS, '')
        into = DIALECTS
        for line in read_lines(path):
            section = re.fullmatch(r'-- (sqlite|postgres|both):\s*', line)
            if section:
                into = DIALECTS if section[1] == 'both' else (section[1],)
            elif line.strip() and not line.startswith('--'):
                for dialect in into:
                    typed = dialect == 'postgres' and into is DIALECTS
                    texts[dialect] += (postgres.column_types(line) if typed else line).rstrip() + '\n'
        migrations.append((int(found[1]), found[2], texts))
    return migrations


# ---- checking and composing --------------------------------------------------------------------

def resolve(lists, statements):
    """Puts lists in the place of their names; what is declared twice or badly is refused."""
    by_name = {}
    for where, columns in lists:
        if columns.name in by_name:
            raise Problem(where, f"the columns '{columns.name}' are declared twice")
        by_name[columns.name] = columns
    seen = set()
    for statement in statements:
        if statement.name in seen:
            raise Problem(statement.where, f"the statement '{statement.name}' is declared twice")
        seen.add(statement.name)
        if isinstance(statement.columns, str):
            if statement.columns not in by_name:
                raise Problem(statement.where, f"there are no columns called '{statement.columns}'")
            statement.columns = by_name[statement.columns]
        check_sorts(statement)
        check_bumps(statement)
    check_enums(lists, statements)
    return by_name


def check_sorts(statement):
    params = {param.name: param for param in statement.params}
    for param in statement.params:
        is_key = statement.sorts and param.name == 'after_key' and param.null
        if param.type == 'any' and not is_key:
            raise Problem(statement.where, "only 'after_key any?' of a sorted list has type any")
    if not statement.sorts:
        return
    sorted_so = f"'{statement.name}' is sorted, so it"
    if statement.kind != 'many':
        raise Problem(statement.where, f'{sorted_so} gives many')
    for name, type in (('after_key', 'any'), ('after_id', 'uuid')):
        if params.get(name) != Slot(name, type, True):
            raise Problem(statement.where, f"{sorted_so} takes '{name} {type}?'")
    for slot in statement.sorts:
        if slot.null:       # rows would be lost between pages
            raise Problem(statement.where, f"the sort column '{slot.name}' may not be null")
        if slot.type not in EDGES:
            raise Problem(statement.where,
                          f"'{slot.name}' is {slot.type}: nothing is sorted by that")


def check_bumps(statement):
    for where, kind, name, returned in statement.bumps:
        wanted = BUMP_TYPES[kind]
        if wanted is None:
            if name:
                raise Problem(where, f"the epoch '{kind}' has no id")
            continue
        if not name:
            raise Problem(where, f"the epoch '{kind}' takes an id")
        what, slots = 'parameter', statement.params
        if returned:
            what, slots = 'column', statement.columns.slots if statement.columns else []
        found = [slot for slot in slots if slot.name == name]
        if not found:
            raise Problem(where, f"'{statement.name}' has no {what} '{name}' to bump by")
        if found[0].type != wanted or (returned and wanted != 'uuid'):
            raise Problem(where, f"'{name}' is {found[0].type}: it cannot name the epoch '{kind}'")
        if returned and found[0].null:
            raise Problem(where, f"'{name}' may be null: it cannot name the epoch '{kind}'")


def enum_name(columns, slot):
    return f'COL_{columns.name}_{slot.name}'.upper()


def check_enums(lists, statements):
    """Two lists may not meet in one C name, as user + admins_n and user_admins + n would."""
    seen = {}
    inline = [(s.where, s.columns) for s in statements if s.columns and s.columns.name == s.name]
    for where, columns in lists + inline:
        for slot in columns.slots:
            name = enum_name(columns, slot)
            if name in seen:
                raise Problem(where, f"'{name}' would name a column of '{seen[name]}' too")
            seen[name] = columns.name


def tokens(where, text):
    """(place, kind, piece) of each token."""
    line = where[1]
    for token in TOKEN.finditer(text):
        kind = token.lastgroup
        yield (where[0], line), kind, token[kind]
        line += token[0].count('\n')


def expand(where, text, lists, inserts, depth=0):
    """The tokens with what stands in braces put in."""
    if depth > 8:
        raise Problem(where, 'pieces of SQL stand in each other')
    for here, kind, piece in tokens(where, text):
        if kind != 'insert':
            yield here, kind, piece
            continue
        if piece in inserts:
            inner = inserts[piece]
            if isinstance(inner, Text):
                yield from expand(here, inner, lists, inserts, depth + 1)
                continue
        elif piece in lists:
            inner = ', '.join(slot.name for slot in lists[piece].slots)
        elif piece in ('order', 'after', 'until'):
            raise Problem(here, f"'{{{piece}}}' needs a `-- sort:` line")
        else:
            raise Problem(here, f"there are no columns called '{piece}'")
        for _, kind, piece in tokens(here, inner):
            yield here, kind, piece


def render(statement, params, where, text, lists, inserts, dialect):
    """The text in one dialect: parameters numbered, blanks single, no comments."""
    numbers = {param.name: n + 1 for n, param in enumerate(params)}
    used, out, ended = set(), [], False
    for here, kind, piece in expand(where, text, lists, {'clock': CLOCKS[dialect], **inserts}):
        if kind in ('comment', 'blank'):
            piece = ' ' if out and out[-1] != ' ' else ''
        elif ended:
            raise Problem(here, f"there is more behind the ';' of '{statement.name}'")
        elif kind == 'end':
            ended, piece = True, ''
        elif kind == 'param':
            piece, hidden = piece.rstrip('?'), piece.endswith('?')
            if piece not in numbers:
                raise Problem(here, f"'{statement.name}' has no parameter '{piece}'")
            used.add(piece)
            number = numbers[piece]
            piece = f'?{number}' if dialect == 'sqlite' else postgres.param(number, params[number - 1].type, hidden)
        if piece:
            out.append(piece)

    final = ''.join(out).strip()
    if not final:
        raise Problem(where, f"'{statement.name}' has no text")
    if not ended:
        raise Problem(where, f"'{statement.name}' does not end in ';'")
    if statement.kind == 'change' and ('returning' in postgres.words(final)) != bool(statement.columns):
        raise Problem(where, f"'{statement.name}' declares columns exactly when its text returns some")
    for param in statement.params:
        if param.name not in used:
            raise Problem(statement.where,
                          f"the parameter '{param.name}' of '{statement.name}' is not used")
    for name in [name for name, insert in inserts.items() if not isinstance(insert, Text)]:
        if f'{{{name}}}' not in text:
            raise Problem(statement.where,
                          f"'{statement.name}' is sorted, so its text has {{{name}}}")
    return final


def check_bodies(one):
    if not one.bodies:
        raise Problem(one.where, f"'{one.name}' has no text")
    for dialect in DIALECTS:
        if dialect not in one.bodies and 'both' not in one.bodies:
            raise Problem(one.where, f"'{one.name}' has no text for {dialect}")


def texts_of(pieces, lists):
    """{dialect: {name: text}}."""
    texts = {dialect: {} for dialect in DIALECTS}
    for one in pieces:
        check_bodies(one)
        if one.name in lists or one.name in texts['sqlite'] or one.name in ('clock', 'order', 'after', 'until'):
            raise Problem(one.where, f"'{one.name}' is the name of something else already")
        for dialect in DIALECTS:
            texts[dialect][one.name] = Text((one.bodies.get(dialect) or one.bodies['both'])[1])
    return texts


def variants(statement, lists, pieces):
    """The statement, or its two variants for each sort column."""
    bodies = statement.bodies
    check_bodies(statement)

    def compose(name, params, sort=None, way=None):
        texts = {}
        for dialect in DIALECTS:
            where, text = bodies.get(dialect) or bodies['both']
            inserts = {**pieces[dialect], **(order_and_after(sort, way, dialect, HIDDEN.search(text)) if sort else {})}
            texts[dialect] = render(statement, params, where, text, lists, inserts, dialect)
        texts['postgres'], counted = postgres.finish(statement, texts['postgres'])
        return Variant(name, params, texts, counted)

    if not statement.sorts:
        return [compose(statement.name, statement.params)]
    made = []
    for sort in statement.sorts:
        params = [replace(p, type=sort.type) if p.type == 'any' else p for p in statement.params]
        for way in ('asc', 'desc'):
            made.append(compose(f'{statement.name}_{sort.name}_{way}', params, sort, way))
    return made


def order_and_after(sort, way, dialect, hidden):
    """What {order}, {after} and {until} stand for. The first half of {after} is there for the index: the
    second, which may be about nothing, cannot be looked up in it. Of an empty `final` the key lies beyond
    all, so the id, which must be one, does not matter."""
    least, most = EDGES[sort.type][dialect]
    edge, sign, end, back = (least, '>', most, '<') if way == 'asc' else (most, '<', least, '>')
    return {'order': f'{sort.name} {way}, id {way}',
            'after': f'({sort.name} {sign}= coalesce(:after_key{"?" if hidden else ""}, {edge}) and '
                     f'(:after_id is null or ({sort.name}, id) {sign} (:after_key, :after_id)))',
            'until': Text(f'({sort.name}, id) {back}= (coalesce((select {sort.name} from final), {end}), '
                          'coalesce((select id from final), :viewer))')}


def read(folder):
    """(lists of columns, statements, migrations) of the folder sql/."""
    lists, statements, pieces = [], [], []
    queries = os.path.join(folder, 'queries')
    for file in sorted(os.listdir(queries)):
        if file.endswith('.sql'):
            more_lists, more_statements, more_pieces = read_queries(os.path.join(queries, file))
            lists += more_lists
            statements += more_statements
            pieces += more_pieces
    by_name = resolve(lists, statements)
    texts = texts_of(pieces, by_name)
    for statement in statements:
        statement.variants = variants(statement, by_name, texts)
    migrations = read_migrations(os.path.join(folder, 'migrations'))
    return by_name.values(), statements, migrations
