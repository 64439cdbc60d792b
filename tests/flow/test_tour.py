"""The tour of the README, word for word: what stands in its sh blocks is run by a shell, in order, and what stands in
the block behind each is what comes out. Ids, times, tokens and signatures differ from run to run: each is compared by
its place, so an id must be the same wherever the README shows the same one."""
import os
import re
import subprocess
import tempfile
import unittest

from support import Case, Server
from support.server import ROOT

HEADING = '## A tour of sharing'
BLOCK = re.compile(r'^```(\w*)\n(.*?)^```$', re.M | re.S)
UUID = r'[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}'
CHANGING = re.compile(rf'(?P<id>{UUID})|(?P<time>\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z)|'
                      r'(?P<signature>signature=[\w-]{43})|(?P<expires>expires=\d+)|(?P<us>"us":\d+)')
MARK = '@@ step'


def blocks():
    """[(commands, what they print)] of the tour."""
    with open(os.path.join(ROOT, 'README.md'), encoding='utf-8') as file:
        text = file.read()
    tour = text.partition(HEADING + '\n')[2].partition('\n## ')[0]
    found = BLOCK.findall(tour)
    pairs, at = [], 0
    while at < len(found):
        language, commands = found[at]
        if language != 'sh':
            raise AssertionError(f'a block of the tour that follows no sh block: {commands[:60]}')
        shows = at + 1 < len(found) and found[at + 1][0] != 'sh'
        pairs.append((commands, found[at + 1][1] if shows else ''))
        at += 2 if shows else 1
    return pairs


def by_place(text):
    """The text with each changing piece named by its kind and the order in which it first came."""
    seen = {}

    def named(match):
        kind = match.lastgroup
        known = seen.setdefault(kind, {})
        return f'<{kind} {known.setdefault(match[0], len(known)) if kind == "id" else ""}>'
    return CHANGING.sub(named, text)


class Tour(Case):
    def test_the_shell_prints_what_the_readme_shows(self):
        pairs = blocks()
        self.assertGreater(len(pairs), 7, 'the tour is not there')
        with Server() as server, tempfile.TemporaryDirectory() as folder:
            script = ''.join(f'echo "{MARK}"\n{commands}\n' for commands, _ in pairs)
            script = script.replace('http://127.0.0.1:8000', f'http://127.0.0.1:{server.port}')
            done = subprocess.run(['bash', '-eu', '-c', script], cwd=folder, capture_output=True, text=True, timeout=60,
                                  env={'PATH': os.environ['PATH'], 'HOME': folder})
            self.assertEqual((done.returncode, done.stderr), (0, ''), done.stdout)
        printed = done.stdout.split(MARK + '\n')[1:]
        self.assertEqual(len(printed), len(pairs))
        self.assertMultiLineEqual(by_place('\n'.join(text.strip() for text in printed)),
                                  by_place('\n'.join(text.strip() for _, text in pairs)))


if __name__ == '__main__':
    unittest.main()
