"""The two engines as the tests see them: where a server keeps its rows, and the rows from outside."""
import functools
import json
import os
import re
import secrets
import sqlite3
import tempfile
import unittest
import uuid

from .services import Row, postgres_program, psql, run_as

ENGINE = os.environ.get('ENGINE') or 'sqlite'


def about(engine):
    """Marks a test, or a class of them, of one engine: it is not there in the other's job."""
    def mark(what):
        what.about = engine
        return what if engine == ENGINE else unittest.skip(f'is about {engine}')(what)
    return mark


def service_url(name):
    url = os.environ.get(name)
    if not url:
        raise AssertionError(f'{name} is not set: start this by tests/run.py, or below tests/run.py --services')
    return url


class Embedded:
    """The file in DATA_DIR."""

    engine = 'sqlite'
    settings = {}

    def __init__(self, data):
        self.data = data

    def make(self):
        """The server makes it."""

    def database(self, **options):
        base = sqlite3.connect(os.path.join(self.data, 'gatehouse.db'), timeout=10, **options)
        base.row_factory = sqlite3.Row
        return base

    def query(self, sql, *values):
        base = self.database()
        try:
            with base:
                rows = base.execute(sql, [value.bytes if isinstance(value, uuid.UUID) else value for value in values])
                return [Row({name: plain(row[name]) for name in row.keys()}) for row in rows]
        finally:
            base.close()

    def load(self, tables):
        """Rows straight into the store: {table: [{column: value}]}, in an order that foreign keys allow."""
        base = self.database()
        with base:
            for table, rows in tables.items():
                for row in rows:
                    values = [value.bytes if isinstance(value, uuid.UUID) else value for value in row.values()]
                    base.execute(f'insert into {table} ({", ".join(row)}) values ({", ".join("?" * len(row))})', values)
        base.close()

    def dump(self):
        """All that is kept, as it lies on the disk."""
        content = b''
        for name in ('gatehouse.db', 'gatehouse.db-wal'):
            with open(os.path.join(self.data, name), 'rb') as file:
                content += file.read()
        return content.decode('latin-1')

    def verify(self, case):
        case.assertEqual(self.query('pragma integrity_check')[0][0], 'ok')
        case.assertEqual(self.query('pragma foreign_key_check'), [])

    def destroy(self):
        """It goes with its folder."""


def plain(value):
    """Ids as text, as the API writes them: no other value of ours has 16 bytes."""
    return str(uuid.UUID(bytes=value)) if isinstance(value, bytes) and len(value) == 16 else value


class Database:
    """A database of the run's PostgreSQL and a prefix of its Redis. Made when a process first wants it."""

    engine = 'postgres'

    def __init__(self):
        self.name = 'gh_' + secrets.token_hex(6)
        self.made = False

    @property
    def url(self):
        return service_url('TEST_POSTGRES_URL') + self.name

    @property
    def settings(self):
        return {'DATABASE_URL': self.url, 'REDIS_URL': service_url('TEST_REDIS_URL'),
                'REDIS_PREFIX': f'{self.name}:', 'JWT_SECRET': self.secret}

    @functools.cached_property
    def secret(self):
        return secrets.token_hex(24)

    def make(self):
        if not self.made:
            psql(service_url('TEST_POSTGRES_URL') + 'postgres', f'create database {self.name} template template0')
            self.made = True

    def query(self, sql, *values):
        """Rows have their types by way of JSON."""
        text = inserted(sql, values)
        if not re.match(r'\s*(select|with)\b', sql, re.I):
            psql(self.url, text)
            return []
        rows = psql(self.url, f'select row_to_json(q) as row from ({text}) q')
        return [Row({name: unescaped(value) for name, value in json.loads(row['row']).items()}) for row in rows]

    def load(self, tables):
        """As Embedded.load; in one transaction of one psql."""
        text = ''.join(f'insert into {table} ({", ".join(row)}) values ({", ".join(map(literal, row.values()))});\n'
                       for table, rows in tables.items() for row in rows)
        run_as(None, [postgres_program('psql'), '-Xq1', '-v', 'ON_ERROR_STOP=1', '-d', self.url, '-f', '-'],
               tempfile.gettempdir(), input=text, check=True, capture_output=True, text=True)

    def dump(self):
        """All that is kept, in PostgreSQL's own writing: bytes as hexadecimal digits."""
        return run_as(None, [postgres_program('pg_dump'), '--data-only', self.url], tempfile.gettempdir(), check=True,
                      capture_output=True, text=True).stdout

    def verify(self, case):
        """PostgreSQL's own checks are its own."""

    def destroy(self):
        if self.made:
            psql(service_url('TEST_POSTGRES_URL') + 'postgres', f'drop database if exists {self.name} with (force)')
        self.made = False


def unescaped(value):
    """bytea stands in JSON as text."""
    is_bytes = isinstance(value, str) and re.fullmatch(r'\\x(?:[0-9a-f]{2})*', value)
    return bytes.fromhex(value[2:]) if is_bytes else value


def inserted(sql, values):
    """The values in the place of each '?' that stands outside of quotes."""
    left = list(values)
    pieces = re.split(r"('(?:[^']|'')*'|\?)", sql)
    text = ''.join(literal(left.pop(0)) if piece == '?' else piece for piece in pieces)
    if left:
        raise AssertionError(f'{len(left)} values too many: {sql}')
    return text


def literal(value):
    if value is None:
        return 'null'
    if isinstance(value, (bool, int, float)):
        return str(value).lower()
    if isinstance(value, bytes):
        return f"'\\x{value.hex()}'::bytea"
    if isinstance(value, uuid.UUID):
        return f"'{value}'::uuid"
    return "'" + value.replace("'", "''") + "'"
