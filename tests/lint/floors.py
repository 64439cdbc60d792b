"""The floors of the house: a room includes only rooms below it, a library only one room includes."""
import os
import re

from source import ROOT, Finding, is_c

FLOORS = [
    ['base'],
    ['net'],
    ['crypto', 'store', 'cache'],
    ['http'],
    ['route'],
    ['gate'],
    ['api', 'jobs', 'watch'],
]
ROOF = len(FLOORS)          # main, master, worker, pipeline: they see every room
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
PART_OF = {'gen': 'store'}  # the statements, generated from sql/

LIBRARIES = [    # who may include it: one room, but where a comment says why there are two
    (r'yyjson\.h', 'base'),
    (r'uv\.h', 'net'),
    (r'(mbedtls|psa)/.*', 'crypto'),
    (r'crypt\.h', 'crypto'),
    (r'libpq-.*|postgres_ext\.h', 'store'),
    (r'sqlite3\.h', 'store'),
    (r'hiredis/.*', 'cache'),
    (r'llhttp\.h', 'http'),
    (r'maxminddb\.h', 'gate'),
    (r'zlib\.h', ('http', 'cache')),    # replies, and large entries in Redis
]


def room_of(path):
    """The room of a path below include/ or src/, or None for what stands on the roof."""
    parts = path.split('/')
    return PART_OF.get(parts[0], parts[0]) if len(parts) > 1 else None


def check(path, text):
    if not is_c(path) or not path.startswith(('include/', 'src/')):
        return
    room = room_of(path.split('/', 1)[1])
    floor = FLOOR.get(room, ROOF)

    for number, line in enumerate(text.splitlines(), 1):
        included = re.match(r'\s*#\s*include\s*["<]([^">]+)[">]', line)
        if not included:
            continue
        header = included[1]
        for pattern, owners in LIBRARIES:
            owners = (owners,) if isinstance(owners, str) else owners
            if re.fullmatch(pattern, header) and room not in owners:
                yield Finding(path, number, f'{header} belongs to {" and ".join(owners)}/ alone')
        if '"' not in line or os.path.exists(os.path.join(ROOT, os.path.dirname(path), header)):
            continue        # a library, or a header that lies beside this file
        other = room_of(header)
        if other != room and FLOOR.get(other, ROOF) >= floor and floor < ROOF:
            yield Finding(path, number, f'{room or "the roof"}/ (floor {floor}) includes {header} '
                                        f'(floor {FLOOR.get(other, ROOF)})')
