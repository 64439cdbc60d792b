"""Fills a fresh Gatehouse over HTTP: users, each with a token and startups of their own."""
import http.client
import json
import time
from concurrent.futures import ThreadPoolExecutor

USERS, EACH = 100, 10
PASSWORD = 'correct horse battery'
AT_ONCE = 4         # password hashing has a bounded pool


class Client:
    """One keep-alive connection; asks again when told to come back later."""

    def __init__(self, port, address=None):
        """address: where a proxy says that the client is."""
        self.conn = http.client.HTTPConnection('127.0.0.1', port, timeout=30)
        self.headers = {'Content-Type': 'application/json'}
        if address:
            self.headers['X-Forwarded-For'] = address

    def post(self, path, body, wanted):
        for _ in range(100):
            self.conn.request('POST', '/api/v1' + path, json.dumps(body), self.headers)
            reply = self.conn.getresponse()
            text = reply.read()
            if reply.status == wanted:
                return json.loads(text)
            if reply.status not in (429, 503):
                break
            time.sleep(0.1)
        raise SystemExit(f'POST {path}: {reply.status} {text.decode(errors="replace")}')


def populate_one(port, number):
    client = Client(port, f'10.1.0.{number}')
    who = {'email': f'bench{number}@example.com', 'password': PASSWORD}
    client.post('/auth/register', who, 201)
    token = client.post('/auth/login', who, 200)['access_token']
    client.headers['Authorization'] = 'Bearer ' + token
    made = [client.post('/startups', startup(number, i), 201)['id'] for i in range(EACH)]
    client.conn.close()
    return [(f'/api/v1/startups/{id}', token) for id in made]


def startup(user, number):
    return {'name': f'Startup {user}-{number}', 'industry': 'computing', 'stage': 'seed'}


def interleave(owned):
    """Of lists of (path, token), one per user: neighbours belong to different users."""
    return [pair for row in zip(*owned) for pair in row]


def as_requests(work, owned):
    """(path, token, address or -, body) of every request: each row is read, or another one like it is made. In W1b
    they come from many addresses, so that the limit of one may count as it is."""
    if work == 'W3':
        return [('/api/v1/startups', pairs[0][1], '-', json.dumps(startup(user, 'new')))
                for user, pairs in enumerate(owned)]
    asked = [(path, token, '-', '') for path, token in interleave(owned)]
    if work == 'W1b':
        asked = [(path, token, f'10.2.{n // 250}.{n % 250}', '') for n, (path, token, *_) in enumerate(asked * 5)]
    return asked


def populate(port, work):
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return as_requests(work, list(pool.map(lambda number: populate_one(port, number), range(USERS))))
