"""What the flow and fault tests share: a server to talk to, HTTP byte by byte, JSON, and people."""
from .client import (API, Api, Person, b64, claims, fresh_email, fresh_source, header_of, login, on_every_worker,
                     path_of, person, register, together, unb64, uuid7)
from .load import Writers
from .server import PASSWORD, Case, Server, alive, shared
from .services import PgBouncer, Postgres, Redis, Sentinel
from .store import ENGINE, about
from .wire import Conn, Framing, Gone, Reply, request, strict_json

__all__ = ['API', 'Api', 'Case', 'Conn', 'ENGINE', 'Framing', 'Gone', 'PASSWORD', 'Person', 'PgBouncer', 'Postgres',
           'Redis', 'Reply', 'Sentinel', 'Server', 'Writers', 'about', 'alive', 'b64', 'claims', 'fresh_email',
           'fresh_source', 'header_of', 'login', 'on_every_worker', 'path_of', 'person', 'register', 'request',
           'shared', 'strict_json', 'together', 'unb64', 'uuid7']
