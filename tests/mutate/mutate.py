#!/usr/bin/env python3
"""Whether the unit tests notice a lie in src/gate: makes each mutant of each file and runs what should catch it.

    ./dev mutate [--fresh] [--flow] [filter]    only files whose path contains the filter

A mutant is compiled by the command that compiles its file, linked in front of the library into each test program
that uses the file, and run: first plainly, then, if it lives, with the sanitizers of ./dev test. A program that fails,
crashes or takes too long has caught it. --flow runs the flow tests on who still lives, which is slow. What is caught
stays caught while the file is as it is, so that an interrupted run goes on where it was; --fresh forgets.

Ends with one line, `N mutants, M caught, S survived`, and 1 if one survives that equivalent.txt does not list, or if
that lists one that does not survive. A mutant that does not compile, or compiles to the same machine code, is none.
"""
import argparse
import collections
import concurrent.futures
import glob
import hashlib
import json
import os
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from mutants import mutants, mutated

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LIST = os.path.join(ROOT, 'tests', 'mutate', 'equivalent.txt')
PLAIN, SANITIZED = 'build-mutate', 'build-asan'
FILES = 'src/gate/*.c'
PROGRAMS = 'tests/unit/gate_*_test'     # of a build folder: whose business these files are
SLOWER, AT_LEAST = 5, 2         # a program may take so many times its own time, and so many seconds
FLOW_SECONDS = 600
MEMORY = 8 << 30                # of a plain program; the sanitizers need address space without bound
NONE, CAUGHT, SURVIVED = 'none', 'caught', 'survived'


def read(path):
    with open(path) as file:
        return file.read()


def run(command, cwd, seconds, **more):
    """The exit status; None when it took too long. What it started ends with it."""
    process = subprocess.Popen(command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, start_new_session=True, **more)
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        return None
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()


class Build:
    """A build folder: how its files are compiled and its test programs linked."""

    def __init__(self, root, folder, sanitized=False):
        self.root, self.folder, self.sanitized = root, os.path.join(root, folder), sanitized
        self.programs = sorted(glob.glob(os.path.join(self.folder, PROGRAMS)))
        names = [os.path.relpath(path, self.folder) for path in self.programs]
        lines = subprocess.run(['ninja', '-t', 'commands', *names], cwd=self.folder, check=True,
                               capture_output=True, text=True).stdout.splitlines()
        self.commands = [[word for word in shlex.split(line) if word != 'ccache'] for line in lines]
        self.seconds, self.symbols, self.catchers = {}, {}, collections.Counter()

    def command_for(self, output):
        """Of the command that makes this file: its words."""
        for words in self.commands:
            if '-o' in words and words[words.index('-o') + 1] == output:
                return list(words)
        raise SystemExit(f'{self.folder} does not make {output}')

    def object_of(self, source):
        wanted = os.path.relpath(os.path.join(self.root, source), self.folder)
        for words in self.commands:
            if '-c' in words and words[words.index('-c') + 1] == wanted:
                return words[words.index('-o') + 1]
        raise SystemExit(f'{self.folder} does not compile {source}')

    def compile(self, source, text, work, *more):
        """The object of this text in the source's place; None when it is no C."""
        path, out = os.path.join(work, os.path.basename(source)), os.path.join(work, 'mutant.o')
        words = self.command_for(self.object_of(source))
        for flag, values in (('-MD', 0), ('-MQ', 1), ('-MF', 1)):
            if flag in words:
                at = words.index(flag)
                del words[at:at + 1 + values]
        words[words.index('-o') + 1], words[words.index('-c') + 1] = out, path
        with open(path, 'w') as file:
            file.write(text)
        beside = os.path.dirname(os.path.join(self.root, source))
        status = run([*words, '-w', '-iquote', beside, *more], self.folder, 60)
        return None if status else out

    def link(self, program, mutant, work):
        """The program with the mutant before the library, which then gives only the rest."""
        name = os.path.relpath(program, self.folder)
        words, out = self.command_for(name), os.path.join(work, os.path.basename(program))
        words[words.index('-o') + 1] = out
        own = next(i for i, word in enumerate(words) if word.endswith('.o'))
        words.insert(own, mutant)
        if run(words, self.folder, 60):
            raise SystemExit(f'{name} does not link with a mutant: {shlex.join(words)}')
        return out

    def defined(self, path):
        """Names of the functions and tables that a file gives to others."""
        if path not in self.symbols:
            said = subprocess.run(['nm', '--defined-only', '--extern-only', path], check=True, capture_output=True,
                                  text=True, cwd=self.folder).stdout
            self.symbols[path] = {line.split()[-1] for line in said.splitlines() if line}
        return self.symbols[path]

    def taken(self, program):
        """Names that a program takes from the library. Those of its own stand-ins are none of them."""
        words = self.command_for(os.path.relpath(program, self.folder))
        own = set().union(*(self.defined(word) for word in words if word.endswith('.o')))
        return self.defined(program) - own

    def programs_of(self, source):
        """Those that the source is part of; who caught most of its mutants first, else that of its own name."""
        given = self.defined(self.object_of(source))
        stem = os.path.basename(source)[:-len('.c')]
        return sorted((path for path in self.programs if given & self.taken(path)),
                      key=lambda path: (-self.catchers[source, path], not path.endswith(f'_{stem}_test')))

    def passes(self, program, work, seconds):
        home = tempfile.mkdtemp(dir=work)
        env = dict(os.environ, TMPDIR=home, ASAN_OPTIONS='detect_leaks=1:abort_on_error=0:handle_segv=2')
        status = run([program], work, seconds, env=env, preexec_fn=None if self.sanitized else self.bounded)
        shutil.rmtree(home, ignore_errors=True)
        return status == 0

    @staticmethod
    def bounded():
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    def measure(self, work):
        """How long each program takes as it is. All must pass, or every mutant would count as caught."""
        for program in self.programs:
            begun = time.monotonic()
            if not self.passes(program, work, 600):
                raise SystemExit(f'{os.path.relpath(program, self.root)} fails without any mutant')
            self.seconds[program] = time.monotonic() - begun

    def catches(self, source, text, work):
        mutant = self.compile(source, text, work)
        for program in self.programs_of(source) if mutant else ():
            linked = self.link(program, mutant, work)
            caught = not self.passes(linked, work, max(AT_LEAST, SLOWER * self.seconds[program]))
            os.unlink(linked)
            if caught:
                self.catchers[source, program] += 1
                return True
        return False


class Judge:
    """What becomes of a mutant: plainly, with the sanitizers, and by the flow tests if they are wanted."""

    def __init__(self, builds, flow=None):
        self.builds, self.flow = builds, flow

    def says(self, source, text, mutant):
        lie = mutated(text, mutant)
        with tempfile.TemporaryDirectory(prefix='gatehouse-mutate-', dir=room()) as work:
            if not self.builds[0].compile(source, lie, work):
                return NONE
            if any(build.catches(source, lie, work) for build in self.builds):
                return CAUGHT
            if self.same_code(source, text, lie, work):
                return NONE
        return CAUGHT if self.flow and self.flow(source, lie) else SURVIVED

    def same_code(self, source, text, lie, work):
        """Whether the optimizer makes the same of both."""
        codes = []
        for one in (text, lie):
            with open(self.builds[0].compile(source, one, work, '-O2'), 'rb') as file:
                codes.append(file.read())
        return codes[0] == codes[1]


def room():
    """Where what a test writes costs no disk."""
    return '/dev/shm' if os.access('/dev/shm', os.W_OK) else None


def flow_tests(source, lie):
    """Whether the flow tests fail on a tree that has the lie in it."""
    with tempfile.TemporaryDirectory(prefix='gatehouse-mutate-') as top:
        tree = os.path.join(top, 'tree')
        shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns('build*', '.git', 'data'))
        with open(os.path.join(tree, source), 'w') as file:
            file.write(lie)
        return run(['./dev', 'test', 'flow/'], tree, FLOW_SECONDS) != 0


# ---- what is known already ----

class Remembered:
    """What was caught, by file, text and change; one line each, so that an interrupted run loses nothing."""

    def __init__(self, path, fresh):
        self.path, self.known = path, {}
        if fresh and os.path.exists(path):
            os.unlink(path)
        if os.path.exists(path):
            self.known = dict(json.loads(line) for line in read(path).splitlines())

    @staticmethod
    def name(source, text, mutant):
        return hashlib.sha256('\0'.join((source, text, *map(str, mutant))).encode()).hexdigest()

    def get(self, *what):
        return self.known.get(self.name(*what))

    def keep(self, verdict, *what):
        with open(self.path, 'a') as file:
            file.write(json.dumps([self.name(*what), verdict]) + '\n')


def read_equivalent(text):
    """{(file, line's text, change): why} of lines `file | line's text | change | why`."""
    listed = {}
    for line in text.splitlines():
        if line.strip() and not line.startswith('#'):
            file, rest = line.split(' | ', 1)
            code, change, why = rest.rsplit(' | ', 2)
            listed[file.strip(), code.strip(), change.strip()] = why.strip()
    return listed


# ---- all of them ----

def collect(root, wanted):
    """[(source, its text, mutant)] of the files whose path contains `wanted`."""
    found = []
    for path in sorted(glob.glob(os.path.join(root, FILES))):
        source = os.path.relpath(path, root)
        if wanted in source:
            text = read(path)
            found += [(source, text, mutant) for mutant in mutants(text)]
    return found


def line_of(text, mutant):
    return text.splitlines()[mutant.line - 1].strip()


def judge_all(chosen, judge, remembered, listed):
    """Verdicts in the order of chosen; survivors that are not listed are said as they are found."""
    def one(what):
        known = remembered.get(*what)
        verdict = known or judge.says(*what)
        if not known and verdict != SURVIVED:       # else a test that catches it may come
            remembered.keep(verdict, *what)
        return verdict
    verdicts = []
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for (source, text, mutant), verdict in zip(chosen, pool.map(one, chosen)):
            verdicts.append(verdict)
            code = line_of(text, mutant)
            if verdict == SURVIVED and (source, code, mutant.change) not in listed:
                print(f'{source}:{mutant.line}: {mutant.change}: {code}', flush=True)
    return verdicts


def report(chosen, verdicts, listed):
    """Prints what the list says wrongly, and the sum; gives the exit status."""
    lives = [(source, line_of(text, mutant), mutant.change)
             for (source, text, mutant), verdict in zip(chosen, verdicts) if verdict == SURVIVED]
    files = {source for source, _, _ in chosen}
    stale = [name for name in listed if name[0] in files and name not in lives]
    for name in stale:
        print(f'not among the survivors, but listed as equivalent: {" | ".join(name)}')
    caught, survived = verdicts.count(CAUGHT), len(lives)
    known = sum(name in listed for name in lives)
    print(f'{caught + survived} mutants, {caught} caught, {survived} survived'
          + (f' ({known} of them listed as equivalent)' if known else ''))
    return 1 if survived > known or stale or not chosen else 0


def main(root, folders, listed, arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--fresh', action='store_true')
    parser.add_argument('--flow', action='store_true')
    parser.add_argument('filter', nargs='?', default='')
    args = parser.parse_args(arguments)
    chosen = collect(root, args.filter)
    remembered = Remembered(os.path.join(root, folders[0], 'mutants.jsonl'), args.fresh)
    builds = [Build(root, folder, sanitized=i > 0) for i, folder in enumerate(folders)]
    with tempfile.TemporaryDirectory(prefix='gatehouse-mutate-', dir=room()) as work:
        for build in builds:
            build.measure(work)
    verdicts = judge_all(chosen, Judge(builds, flow_tests if args.flow else None), remembered, listed)
    return report(chosen, verdicts, listed)


if __name__ == '__main__':
    sys.exit(main(ROOT, (PLAIN, SANITIZED), read_equivalent(read(LIST)), sys.argv[1:]))
