"""The targets of speed: (work, peer): (what Gatehouse's figure is compared by, its bound)."""

AT_MOST = 'at most'         # Gatehouse's CPU-us per request, as a multiple of the peer's
LESS = 'less'               # how many times less CPU Gatehouse takes than the peer
FASTER = 'faster'           # Gatehouse's requests per second, as a multiple of the peer's

TARGETS = {
    ('W0', 'bare libuv'): (AT_MOST, 1.3),
    ('W0', 'nginx'): (AT_MOST, 1.15),
    ('W1a', 'nginx + Lua'): (LESS, 2.3),
    ('W1a', 'Go'): (LESS, 4.5),
    ('W1a', 'Fastify, token cache'): (LESS, 4.5),
    ('W1a', 'Fastify'): (LESS, 7),
    ('W1a', 'FastAPI'): (LESS, 11),
    ('W1b', 'nginx + Lua'): (LESS, 3.5),
    ('W1b', 'Go'): (LESS, 3.5),
    ('W1b', 'Fastify'): (LESS, 4.5),
    ('W1b', 'FastAPI'): (LESS, 14),
    ('W2', 'Go'): (LESS, 4),
    ('W2', 'Fastify'): (LESS, 6.5),
    ('W2', 'FastAPI'): (LESS, 13),
    ('W2', 'pgbench'): (FASTER, 1.5),
    ('W3', 'Go'): (LESS, 6),
    ('W3', 'Fastify'): (LESS, 9),
    ('W3', 'FastAPI'): (LESS, 16),
    ('W3', 'pgbench'): (FASTER, 1.0),
    ('tasks', 'graphile-worker'): (FASTER, 1.5),
}


def ratio(kind, ours, theirs):
    if kind == AT_MOST:
        return ours['cpu'] / theirs['cpu']
    if kind == LESS:
        return theirs['cpu'] / ours['cpu']
    return ours['rate'] / theirs['rate']


def worst(kind, ratios):
    return max(ratios) if kind == AT_MOST else min(ratios)


def is_met(kind, value, bound):
    return value <= bound if kind == AT_MOST else value >= bound


def words(kind, value):
    return {AT_MOST: f'{value:.2f} x', LESS: f'{value:.2f} x less', FASTER: f'{value:.2f} x req/s'}[kind]


def bound_words(kind, bound):
    return ('<= ' if kind == AT_MOST else '>= ') + {
        AT_MOST: f'{bound:g} x', LESS: f'{bound:g} x less', FASTER: f'{bound:g} x req/s'}[kind]
