"""What the flow and fault tests share: a server to talk to, HTTP byte by byte, JSON, and people."""
from .client import (API, Api, Person, b64, claims, fresh_email, fresh_source, header_of, login, on_every_worker,
                     path_of, person, register, together, unb64, uuid7)
from .load import Writers
from .server import PASSWORD, Case, Server, alive, shared
from .wire import Conn, Framing, Gone, Reply, request, strict_json

__all__ = ['API', 'Api', 'Case', 'Conn', 'Framing', 'Gone', 'PASSWORD', 'Person', 'Reply', 'Server', 'Writers', 'alive',
           'b64', 'claims', 'fresh_email', 'fresh_source', 'header_of', 'login', 'on_every_worker', 'path_of', 'person',
           'register', 'request', 'shared', 'strict_json', 'together', 'unb64', 'uuid7']
