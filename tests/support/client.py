"""A JSON client on top of the wire, and people to be."""
import base64
import itertools
import json
import threading
import time
import uuid

from .server import PASSWORD
from .wire import Conn, Gone, request

API = '/api/v1/'
_sources = itertools.count(1)
_lock = threading.Lock()


def fresh_source():
    """An address that nobody has used yet: windows by address begin empty."""
    with _lock:
        n = next(_sources)
    return f'127.{1 + n // 62500}.{n // 250 % 250}.{1 + n % 250}'


def fresh_email(name='someone'):
    return f'{name}.{uuid.uuid4().hex[:12]}@example.com'


def path_of(path):
    """'startups' is short for '/api/v1/startups'."""
    return path if path.startswith('/') else API + path


class Api:
    """One keep-alive connection and the credentials that go with it. Not for two threads at once."""

    def __init__(self, server, token=None, key=None, source=None, timeout=20):
        self.conn = None
        self.server, self.token, self.key, self.source, self.timeout = server, token, key, source, timeout

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.conn:
            self.conn.close()
        self.conn = None

    __del__ = close

    def headers(self, more=()):
        found = {}
        if self.token:
            found['Authorization'] = f'Bearer {self.token}'
        if self.key:
            found['X-API-Key'] = self.key
        found.update(more)
        return {name: value for name, value in found.items() if value is not None}

    def bytes(self, method, path, body=None, headers=()):
        return request(method, path_of(path), self.headers(headers), body)

    def call(self, method, path, body=None, headers=()):
        data = self.bytes(method, path, body, headers)
        reused = self.conn is not None
        while True:
            if not self.conn:
                self.conn = Conn(self.server.port, source=self.source, timeout=self.timeout)
            try:
                self.conn.try_send(data)
                reply = self.conn.final(method)
                break
            except Gone:
                self.close()        # a kept connection may have ended meanwhile; a fresh one may not
                if not reused:
                    raise
                reused = False
            except BaseException:
                self.close()
                raise
        if reply.closes:
            self.close()
        return reply

    def get(self, path, headers=()):
        return self.call('GET', path, None, headers)

    def post(self, path, body=None, headers=()):
        return self.call('POST', path, body, headers)

    def patch(self, path, body, headers=()):
        return self.call('PATCH', path, body, headers)

    def delete(self, path, headers=()):
        return self.call('DELETE', path, None, headers)

    def made(self, path, body, headers=()):
        """Creates; the row."""
        reply = self.post(path, body, headers)
        assert reply.status == 201, repr(reply)
        return reply.json

    def many(self, requests):
        """Pipelines [(method, path, body)] on a fresh connection; the replies in order."""
        with Conn(self.server.port, source=self.source, timeout=self.timeout) as conn:
            sender = threading.Thread(target=conn.try_send,
                                      args=(b''.join(self.bytes(*one) for one in requests),))
            sender.start()
            try:
                return [conn.final(one[0]) for one in requests]
            finally:
                sender.join()

    def walk(self, path, limit=100, **query):
        """Every item of a list, page after page by its cursor."""
        after = None
        while True:
            items, after = self.page(path, limit, after, **query)
            yield from items
            if after is None:
                return

    def page(self, path, limit=100, after=None, **query):
        query['limit'] = limit
        if after is not None:
            query['after'] = after
        reply = self.get(path + '?' + '&'.join(f'{name}={value}' for name, value in query.items()))
        assert reply.status == 200, repr(reply)
        return reply.json['items'], reply.json['next']


class Person(Api):
    """A user who is signed in."""

    def __init__(self, server, email, password=PASSWORD, source=None):
        super().__init__(server, source=source or fresh_source())
        self.email, self.password = email, password
        self.sign_in()
        self.id = claims(self.token)['sub']

    def sign_in(self):
        reply = login(self, self.email, self.password)
        assert reply.status == 200, repr(reply)
        self.token, self.refresh_token = reply.json['access_token'], reply.json['refresh_token']
        return self

    def again(self):
        """The same user in another session."""
        return Person(self.server, self.email, self.password)

    def tokens(self):
        return self.token, self.refresh_token


def login(api, email, password, headers=()):
    """Signs in without credentials of any other kind; asks again when the hashing pool is full."""
    for _ in range(100):
        reply = api.call('POST', 'auth/login', {'email': email, 'password': password},
                         {'Authorization': None, 'X-API-Key': None, **dict(headers)})
        if reply.code != 'busy':
            break
        time.sleep(0.1)
    return reply


def register(server, email=None, password=PASSWORD, source=None):
    """A new user by sign-up, signed in."""
    email = email or fresh_email()
    with Api(server, source=source or fresh_source()) as api:
        for _ in range(100):
            reply = api.post('auth/register', {'email': email, 'password': password})
            if reply.code != 'busy':
                break
            time.sleep(0.1)
        assert reply.status == 201, repr(reply)
    return Person(server, email, password, source)


def person(server, role='user'):
    """Somebody of this role, signed in."""
    if role == 'user':
        return register(server)
    return Person(server, server.add_user(role, fresh_email(role)))


def on_every_worker(server, token, path='auth/me', times=24, **more):
    """Statuses of the same request on that many fresh connections: the kernel spreads them over the workers."""
    found = []
    for _ in range(times):
        with Api(server, token=token, **more) as api:
            found.append(api.get(path).status)
    return found


# ---- tokens ----

def b64(data):
    if not isinstance(data, bytes):
        data = json.dumps(data, separators=(',', ':')).encode()
    return base64.urlsafe_b64encode(data).rstrip(b'=').decode()


def unb64(text):
    return base64.urlsafe_b64decode(text + '=' * (-len(text) % 4))


def header_of(token):
    return json.loads(unb64(token.split('.')[0]))


def claims(token):
    return json.loads(unb64(token.split('.')[1]))


def uuid7():
    """A well-formed id that no row has."""
    n = uuid.uuid4().int
    n = n & ~(0xf << 76) | 7 << 76
    return str(uuid.UUID(int=n & ((1 << 80) - 1) | int(time.time() * 1000) << 80))


def together(works):
    """Runs the callables at once, each in a thread; their results in order. The first exception is raised."""
    results, gate = [None] * len(works), threading.Barrier(len(works))

    def run(i):
        try:
            gate.wait(30)
            results[i] = works[i]()
        except BaseException as why:        # handed to the caller below
            results[i] = why
    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results
