"""What the servers stand on: folders, the peers' data, a PostgreSQL and a Redis of the bench's own.

Both are started when first asked for, on the core of whoever calls (the load's), and end with the stack.
"""
import functools
import os
import re
import sys

from crowd import Crowd
from servers import ROOT

sys.path += [os.path.join(ROOT, 'tests'), os.path.join(ROOT, 'sql')]
from grammar import read_migrations
from support.services import Postgres, Redis, postgres_program, psql


class World:
    def __init__(self, top, stack):
        self.top, self.stack = top, stack

    def folder(self, name):
        path = os.path.join(self.top, re.sub('[^a-z0-9]+', '-', name.lower()))
        os.makedirs(path, exist_ok=True)
        return path

    @functools.cached_property
    def crowd(self):
        return Crowd()

    @functools.cached_property
    def data_file(self):
        path = os.path.join(self.top, 'crowd.json')
        self.crowd.write_file(path)
        return path

    @functools.cached_property
    def redis(self):
        redis = self.stack.enter_context(Redis(os.path.join(self.top, 'redis')))
        self.crowd.fill_redis(redis)
        return redis

    @functools.cached_property
    def postgres(self):
        return self.stack.enter_context(Postgres(
            os.path.join(self.top, 'postgres'), fsync='on', full_page_writes='on', shared_buffers='1GB',
            max_wal_size='4GB'))

    def database(self, name, like='template1'):
        self.postgres.psql(f'create database {name} template {like}')
        return self.postgres.url(name)

    @functools.cached_property
    def peers_template(self):
        """A database of Gatehouse's schema with the crowd in it."""
        self.database('peers')
        for _, _, text in read_migrations(os.path.join(ROOT, 'sql', 'migrations')):
            self.postgres.psql(text['postgres'], 'peers')
        for statement in self.crowd.statements():
            self.postgres.psql(statement, 'peers')
        return 'peers'
