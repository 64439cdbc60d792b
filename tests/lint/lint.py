#!/usr/bin/env python3
"""Checks the text of the tree: file:line: message for each finding. `lint.py fix` mends the layout."""
import os
import subprocess
import sys

import floors
import layout
import listed
import mistakes
import readme
from source import ROOT, Finding, files, is_c, read

TEXT = ('.c', '.h', '.tbl', '.py', '.sql', '.build', '.options', '.md', '.lua', '.yml', '.conf')
SCRIPTS = ('dev', '.ci/run')


def scripts():
    for path in SCRIPTS:
        checked = subprocess.run(['bash', '-n', os.path.join(ROOT, path)], capture_output=True, text=True)
        if checked.returncode:
            yield Finding(path, 1, checked.stderr.strip())


def all_findings():
    paths = files()
    for path in paths:
        if path.endswith(TEXT) or path in SCRIPTS:
            text = read(path)
            for check in (mistakes.check, floors.check, layout.check):
                yield from check(path, text)
    yield from listed.check(paths, read)
    yield from scripts()
    if not os.path.exists(os.path.join(ROOT, 'README.md')):
        yield Finding('README.md', 1, 'missing')
    else:
        yield from readme.check(read(readme.SETTINGS), read('README.md'))


def fix():
    for path in filter(is_c, files()):
        text = read(path)
        mended = layout.mend(path, text)
        if mended != text:
            with open(os.path.join(ROOT, path), 'w', encoding='utf-8') as file:
                file.write(mended)
            print(f'mended {path}')


def main():
    if sys.argv[1:] == ['fix']:
        fix()
        return 0
    found = list(all_findings())
    for finding in found:
        print(finding)
    return 1 if found else 0


if __name__ == '__main__':
    sys.exit(main())
