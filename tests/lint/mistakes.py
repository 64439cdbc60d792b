"""Our own past mistakes, so that none is made twice."""
import re

from source import Finding, code_only, is_c

FUNCTION_LINES = 60
FILE_LINES = 500
LINE_COLUMNS = 120      # comments included; clang-format holds code to 100

UNBOUNDED = r'\b(strcpy|strcat|sprintf|vsprintf|strtok|gets|alloca)\s*\('
HEAP = r'(?<![\w.>])(malloc|calloc|realloc|free|strdup|strndup|asprintf)\s*\('
COMPARE = r'\b(memcmp|strcmp|strncmp|str_eq)\s*\(([^;{]*)'
SECRET_WORDS = {'secret', 'mac', 'hash', 'token', 'digest', 'password', 'signature'}
LATER = r'\b(for no[w]|TOD[O]|FIXM[E])\b'

# Who may use the heap, and why. Everything else takes memory from an arena or a slab.
HEAP_USERS = {
    'src/base/arena.c': 'is the allocator',
    'src/base/config.c': 'settings live as long as the process',
    'src/cache/allot.c': 'one table per worker',
    'src/cache/cache.c': 'one per worker, and what is in flight',
    'src/cache/calls.c': 'a slab of calls',
    'src/cache/memory.c': 'entries, bounded in bytes',
    'src/cache/redis.c': 'a slab of asks',
    'src/cache/redis_life.c': 'one per worker',
    'src/cache/redis_link.c': 'one buffer per connection; a name being looked up',
    'src/cache/reply.c': 'a pool of blocks for answers',
    'src/cache/shared.c': 'one per worker, and what is in flight',
    'src/cache/shared_bumps.c': 'bumps that Redis has not confirmed, bounded',
    'src/cache/window.c': 'one per worker',
    'src/crypto/password.c': 'one workspace per hash, which takes a quarter of a second anyway',
    'src/gate/keyring.c': 'one per worker',
    'src/gate/token.c': 'one table per worker',
    'src/http/compress.c': 'a pool of deflate streams',
    'src/http/flow.c': 'a slab, and the bytes of incomplete requests',
    'src/http/ahead.c': 'bytes read ahead of a request that waits',
    'src/net/conn.c': 'connections, and pooled output buffers',
    'src/net/file.c': 'a small pool of buffers, and files that are open',
    'src/net/loop.c': 'tickers: some per worker',
    'src/net/offload.c': 'pools of threads: two per worker',
    'src/net/poll.c': 'one per connection to a dependency',
    'src/net/resolve.c': 'a name being looked up',
    'src/store/pool.c': 'the links of a lane, once',
    'src/store/postgres.c': 'one per worker',
    'src/store/prepare.c': 'the names of statements, once',
    'src/store/db.c': 'per database connection',
    'src/store/rows.c': 'a pool of blocks for answers',
    'src/store/sqlite.c': 'one per worker',
    'src/store/store.c': 'a slab of asks',
    'src/store/writer.c': 'one growing list per worker',
}
# (path, word): comparisons whose operands only sound secret, and why.
NOT_SECRET = {
    ('src/gate/idempotency.c', 'hash'): 'both are of bodies that the same caller sent',
}


def check(path, text):
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        if '\t' in line:
            yield Finding(path, number, 'tab')
        if line != line.rstrip():
            yield Finding(path, number, 'trailing space')
        if re.search(LATER, line):
            yield Finding(path, number, 'promises what is not done')
        if path.endswith(('.c', '.h', '.py')) and len(line) > LINE_COLUMNS:
            yield Finding(path, number, f'{len(line)} columns, more than {LINE_COLUMNS}')
    if text and not text.endswith('\n'):
        yield Finding(path, len(lines), 'no newline at the end')
    if is_c(path):
        yield from check_c(path, text)


def check_c(path, text):
    ours = path.startswith(('src/', 'include/'))
    lines = code_only(text).splitlines()
    if ours and len(lines) > FILE_LINES:
        yield Finding(path, FILE_LINES, f'{len(lines)} lines, more than {FILE_LINES}: two subjects?')

    for number, line in enumerate(lines, 1):
        for call in re.finditer(UNBOUNDED, line):
            yield Finding(path, number, f'{call[1]}() knows no bounds')
        if ours and path not in HEAP_USERS:
            for call in re.finditer(HEAP, line):
                yield Finding(path, number, f'{call[1]}() outside the files that may use the heap')
        for call in re.finditer(COMPARE, line):
            words = set(re.findall(r'[a-z]+', call[2].lower())) & SECRET_WORDS
            if ours and any((path, word) not in NOT_SECRET for word in words):
                yield Finding(path, number, f'{call[1]}() on {"/".join(sorted(words))}: '
                                            'secrets are compared in constant time')
    yield from long_functions(path, lines)


def long_functions(path, lines):
    begun = None
    for number, line in enumerate(lines, 1):
        if line == '{':
            begun = number
        elif line.startswith('}') and begun:
            if number - begun + 1 > FUNCTION_LINES:
                yield Finding(path, begun, f'a function of {number - begun + 1} lines, more than {FUNCTION_LINES}')
            begun = None
