#!/usr/bin/env python3
"""gen/layout.h: LAYOUT, a digest of the sources. What one build writes to Redis as plain bytes no other build reads.

    layout.py <out> <root>
"""
import hashlib
import os
import sys

FOLDERS = ('include', 'sql', 'src')
ENDINGS = ('.c', '.h', '.py', '.sql', '.tbl')


def sources(root):
    for folder in FOLDERS:
        for at, folders, names in os.walk(os.path.join(root, folder)):
            folders.sort()
            yield from (os.path.join(at, name) for name in sorted(names) if name.endswith(ENDINGS))


def digest(root):
    found = hashlib.sha256()
    for path in sources(root):
        with open(path, 'rb') as file:
            text = file.read()
        found.update(f'{os.path.relpath(path, root)} {len(text)}\n'.encode() + text)
    return found.hexdigest()[:12]


def main():
    out, root = sys.argv[1:]
    with open(out, 'w') as file:
        file.write(f'#define LAYOUT "{digest(root)}"\n')


if __name__ == '__main__':
    main()
