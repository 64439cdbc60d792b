"""The work is the same, or it does not count: what each server must refuse and do before it is measured, and what
must be in its database afterwards."""
import json

from servers import Failed
from world import psql


def spoilt(token):
    """The same token with another first character of its signature."""
    text, _, sign = token.rpartition('.')
    return f"{text}.{'A' if sign[0] != 'A' else 'B'}{sign[1:]}"


def ask(server, path, token=None, body=None):
    headers = {'Authorization': 'Bearer ' + token} if token else {}
    if body:
        headers['Content-Type'] = 'application/json'
    return server.get(path, headers, body)


def expect(server, what, wanted, *request):
    reply = ask(server, *request)
    if reply.status not in wanted:
        raise Failed(f'{what}: {" or ".join(map(str, wanted))} expected, got {reply.status} {reply.body[:300]!r}')
    return reply


def reply_row(reply, what, **wanted):
    row = json.loads(reply.body)
    for name, value in wanted.items():
        if row.get(name) != value:
            raise Failed(f'{what}: {name} {value!r} expected, got {reply.body[:300]!r}')


def before(server, requests):
    if server.work == 'W0':
        return
    (path, token, _, body), (other, *_) = requests[:2]
    expect(server, 'no token', [401], path, None, body)
    expect(server, 'a wrong token', [401], path, spoilt(token), body)
    if body:
        expect(server, 'an unknown field', [400, 422], path, token, '{"name":"x","nmae":"y"}')
        expect(server, 'a name too long', [400, 422], path, token, json.dumps({'name': 'x' * 201}))
        reply_row(expect(server, 'a change', [201], path, token, body), 'a change', **json.loads(body))
    else:
        expect(server, "another user's row", [404], other, token)
        reply_row(expect(server, 'a row', [200], path, token), 'a row', id=path.rpartition('/')[2])


def rows(server):
    """(startups, audit rows of their making) in the server's database."""
    found = psql(server.database, "select (select count(*) from startups) as made, (select count(*) from audit "
                 "where action = 'startup.create' and outcome = 'made') as audited")[0]
    return int(found['made']), int(found['audited'])


def looks(server):
    """(sessions, startups): how often each table was looked at, as far as PostgreSQL has it written down."""
    found = psql(server.database, 'select relname, seq_scan + coalesce(idx_scan, 0) as looks from pg_stat_user_tables '
                 "where relname in ('sessions', 'startups') order by relname")
    return tuple(int(row['looks']) for row in found)


def counts(server):
    """What is to be compared later with what was answered."""
    return {'W2': looks, 'W3': rows}[server.work](server) if server.work in ('W2', 'W3') else None


def after(server, had, answered, most):
    """Once the server has ended. answered: good replies that arrived; most: those and the requests that were on their
    way when the load ended."""
    if server.work == 'W2':
        for table, has, once in zip(('sessions', 'startups'), looks(server), had):
            if has - once < answered:
                raise Failed(f'{answered} replies, but {table} was looked at {has - once} times')
    if server.work == 'W3':
        after_change(server, had, answered, most)


def after_change(server, had, answered, most):
    made, audited = (has - once for has, once in zip(rows(server), had))
    if made != audited:
        raise Failed(f'{made} startups but {audited} audit rows')
    if not answered <= made <= most:
        raise Failed(f'{answered} to {most} rows expected, found {made}')
