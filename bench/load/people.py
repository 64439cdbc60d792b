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

    def __init__(self, port):
        self.conn = http.client.HTTPConnection('127.0.0.1', port, timeout=30)
        self.headers = {'Content-Type': 'application/json'}

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
    client = Client(port)
    who = {'email': f'bench{number}@example.com', 'password': PASSWORD}
    client.post('/auth/register', who, 201)
    token = client.post('/auth/login', who, 200)['access_token']
    client.headers['Authorization'] = 'Bearer ' + token
    made = [client.post('/startups', {'name': f'Startup {number}-{i}'}, 201)['id'] for i in range(EACH)]
    client.conn.close()
    return [(f'/api/v1/startups/{id}', token) for id in made]


def populate(port):
    """(path, token) of each startup and its owner; neighbours belong to different users."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        owned = list(pool.map(lambda number: populate_one(port, number), range(USERS)))
    return [pair for row in zip(*owned) for pair in row]
