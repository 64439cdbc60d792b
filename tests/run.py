#!/usr/bin/env python3
"""Runs every test there is and ends with one line: N passed, N failed.

    tests/run.py <build folder> [filter]
    tests/run.py --programs <build folder> <filter>     what must be built for that
    tests/run.py --services <command>...                any command, beside a PostgreSQL and a Redis

Jobs are the cmocka and fuzz-replay programs that meson declares, and each tests/**/test_*.py: those of
flow once for each engine, as flow/test_http and flow/test_http@postgres, unless the module says
otherwise in its ENGINES; LONG=1 leaves none of them out. A job has a folder of its own (TMPDIR, removed
afterwards), a time limit, and a sanitizer log that must stay empty; what it leaves running is ended and
counted as a failure. When one of the jobs wants it, a private PostgreSQL and Redis run meanwhile:
TEST_POSTGRES_URL (a database's name is to be appended) and TEST_REDIS_URL.
"""
import concurrent.futures
import contextlib
import faulthandler
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, 'tests'))
from support.process import parents
from support.services import Postgres, Redis
PARALLEL, FAULTS = 4, 2     # jobs at once, and how many of them may be faults, which wait for most of their time
PROGRAM_SECONDS = 120
CASE_SECONDS = 180
ALL_SECONDS = (25 if os.environ.get('LONG') else 13) * 60
MEMORY = 4 << 30            # bytes free that the whole run wants of a folder in memory
SERVICES = ('TEST_POSTGRES_URL', 'TEST_REDIS_URL')

printing = threading.Lock()


class Job:
    """One program, and what came of its cases: (name, problem or None)."""

    def __init__(self, name, command, engine=''):
        self.name, self.command, self.engine = name, command, engine
        self.cases, self.skipped, self.output = [], [], ''
        self.figures = []       # what it measured, one line each

    def fail(self, name, problem):
        self.cases.append((f'{self.name}: {name}', problem))


def read(path):
    try:
        with open(path, errors='replace') as file:
            return file.read()
    except FileNotFoundError:
        return ''


# ---- the parent: jobs, their processes, what they say -----------------------------------------

def find_programs(build, wanted):
    with open(os.path.join(build, 'meson-info', 'intro-tests.json')) as file:
        declared = json.load(file)
    jobs = [Job(f"{test['suite'][0].split(':')[-1]}/{test['name']}", test['cmd']) for test in declared]
    return sorted((job for job in jobs if wanted in job.name), key=lambda job: job.name)


def find_jobs(build, wanted):
    jobs = find_programs(build, wanted)
    for path in sorted(glob.glob(os.path.join(ROOT, 'tests', '**', 'test_*.py'), recursive=True)):
        module = os.path.relpath(path, os.path.join(ROOT, 'tests'))[:-len('.py')]
        for engine in engines_of(path, module):
            name = module if engine == 'sqlite' else f'{module}@{engine}'
            if wanted in name or wanted.rpartition('.')[2] in read(path):   # else none of its cases has that name
                command = [sys.executable, os.path.abspath(__file__), '--cases', path, name, wanted]
                jobs.append(Job(name, command, engine))
    return jobs


def engines_of(path, module):
    """The module's ENGINES = 'sqlite postgres'; what stands in brackets is of the long suite: LONG=1."""
    said = re.search(r"^ENGINES = '([a-z ()]+)'", read(path), re.M)
    if not said:
        return ['sqlite', 'postgres'] if module.startswith('flow/') else ['sqlite']
    return re.sub(r'[()]' if os.environ.get('LONG') else r'\(.*\)', '', said[1]).split()


def wants_services(job):
    path = job.command[job.command.index('--cases') + 1] if '--cases' in job.command else job.command[0]
    try:
        with open(path, 'rb') as file:
            text = file.read()      # of a program too: a name it looks up stands in it
    except FileNotFoundError:       # it did not build, which the job will say
        return False
    return job.engine == 'postgres' or any(name.encode() in text for name in SERVICES)


def make_top():
    """The folder of all that is made: in memory where that has the room, unless TMPDIR says where."""
    memory = '/dev/shm'
    roomy = 'TMPDIR' not in os.environ and os.path.isdir(memory) and os.access(memory, os.W_OK) \
        and shutil.disk_usage(memory).free >= MEMORY
    folder = os.path.realpath(tempfile.mkdtemp(prefix='gatehouse-test-', dir=memory if roomy else None))
    os.chmod(folder, 0o711)     # a database may run as another user
    return folder


@contextlib.contextmanager
def services(wanted=True):
    """A PostgreSQL and a Redis in a folder of their own; gives their addresses by the names of the environment."""
    folder = make_top()
    started = []
    try:
        if wanted:
            started += [Postgres(os.path.join(folder, 'postgres')), Redis(os.path.join(folder, 'redis'))]
            base, cache = [service.start() for service in started]
        yield dict(zip(SERVICES, (base.url(''), cache.url()))) if wanted else {}
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for service in started:
            service.stop()
            service.destroy()
        shutil.rmtree(folder, ignore_errors=True)


def environment(build, folder):
    log = os.path.join(folder, 'sanitizer')
    return dict(os.environ, TMPDIR=folder, GATEHOUSE=os.path.join(os.path.abspath(build), 'gatehouse'),
                PYTHONDONTWRITEBYTECODE='1',
                # handle_segv=2: cmocka would catch the signal and hide the report.
                ASAN_OPTIONS=f'detect_leaks=1:abort_on_error=0:handle_segv=2:log_path={log}',
                UBSAN_OPTIONS=f'print_stacktrace=1:log_path={log}')


def processes_of(folder):
    """Ids of the processes that were started, however indirectly, with this TMPDIR or one below."""
    mark = f'TMPDIR={folder}'.encode()
    tree, found = parents(), []
    for pid in tree:
        try:
            with open(f'/proc/{pid}/environ', 'rb') as file:
                values = file.read().split(b'\0')
        except OSError:
            continue
        if any(v == mark or v.startswith(mark + b'/') for v in values):
            found.append(pid)
    for pid in found:       # a backend of PostgreSQL writes its title over its environment
        found += [child for child, parent in tree.items() if parent == pid and child not in found]
    return found


def end_processes_of(folder, patience):
    """Ends what is left, at first by waiting; returns the command lines of what did not go by itself."""
    until = time.monotonic() + patience
    while (left := processes_of(folder)) and time.monotonic() < until:
        time.sleep(0.05)
    stayed = []
    for pid in left:
        try:
            stayed.append(read(f'/proc/{pid}/cmdline').replace('\0', ' ').strip())
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    return stayed


def run_job(job, build, top, stop):
    if stop.is_set():
        return job
    folder = tempfile.mkdtemp(dir=top)
    output = os.path.join(folder, 'output')
    results = os.path.join(folder, 'results')
    python = '--cases' in job.command
    begun = time.monotonic()
    with open(output, 'wb') as out, open(results if not python else os.devnull, 'wb') as tap:
        try:
            own = dict(environment(build, folder), RESULTS=results, ENGINE=job.engine or 'sqlite')
            process = subprocess.Popen(job.command, env=own,
                                       stdin=subprocess.DEVNULL, stdout=out if python else tap, stderr=out)
            status = process.wait(None if python else PROGRAM_SECONDS)
        except OSError as why:
            status = why
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            status = f'not done after {PROGRAM_SECONDS} s'

    stayed = end_processes_of(folder, patience=2)
    job.output = read(output)
    if python:
        read_cases(job, read(results), status)
    elif job.name.startswith('fuzz/'):
        job.cases.append((job.name, f'ended with {status}' if status else None))
    else:
        read_tap(job, read(results), status)
    if stayed:
        job.fail('processes left behind', '\n'.join(stayed))
    for path in sorted(glob.glob(os.path.join(folder, '**', 'sanitizer.*'), recursive=True)):
        job.fail('sanitizer', read(path))
    shutil.rmtree(folder, ignore_errors=True)
    if not stop.is_set():
        report(job, time.monotonic() - begun)
    return job


def read_tap(job, text, status):
    planned, notes = sum(int(n) for n in re.findall(r'^1\.\.(\d+)$', text, re.M)), []
    seen = 0
    for line in text.splitlines():
        case = re.match(r'(not )?ok \d+ (?:- )?(# SKIP )?(.*)', line)
        if case:
            seen += 1
            notes = []
            if case[2]:
                job.skipped.append(f'{job.name}: {case[3]}')
            else:
                job.cases.append((f'{job.name}: {case[3]}', notes if case[1] else None))
        elif line.startswith('#'):
            notes.append(line[1:].strip())
            if not re.match(r'# (not )?ok ', line):
                job.figures.append(line[1:].strip())
    job.cases = [(name, None if problem is None else '\n'.join(problem)) for name, problem in job.cases]
    if seen < planned or not planned or (status and not any(p is not None for _, p in job.cases)):
        job.fail(f'case {seen + 1} of {planned}', f'the program ended with {status}')


def read_cases(job, text, status):
    running = None
    job.figures = [line for line in job.output.splitlines() if line.strip()]
    for line in text.splitlines():
        event = json.loads(line)
        if event['what'] == 'start':
            running = event['name']
        elif event['what'] == 'skip':
            job.skipped.append(f"{event['name']}: {event['problem']}")
            running = None
        else:
            job.cases.append((event['name'], event['problem']))
            running = None
    if running or status:
        job.fail(running or 'module', f'the interpreter ended with {status} (limit: {CASE_SECONDS} s a case)')


def report(job, seconds):
    failed = [(name, problem) for name, problem in job.cases if problem is not None]
    with printing:
        if failed:
            print(f'FAIL  {job.name}: {len(failed)} of {len(job.cases)}')
            for name, problem in failed:
                print(f'  --- {name}\n' + '\n'.join('      ' + line for line in problem.splitlines()))
            if job.output.strip():
                print('  --- output\n' + '\n'.join('      ' + line for line in job.output.splitlines()[-200:]))
        elif job.cases:
            print(f'ok    {job.name}: {len(job.cases)} ({seconds:.1f} s)')
            for line in job.figures:
                print(f'      {line}')
        for name in job.skipped:
            print(f'skip  {name}')
        sys.stdout.flush()


class Line:
    """The jobs that wait: faults first, as many at once as may be, and the programs, which are short, last."""

    def __init__(self, jobs):
        self.lock, self.faults, self.others, self.running = threading.Lock(), [], [], 0
        for job in jobs:
            (self.faults if job.name.startswith('fault/') else self.others).append(job)
        self.others.sort(key=lambda job: '--cases' not in job.command)

    def run_next(self, *where):
        with self.lock:
            fault = bool(self.faults) and (self.running < FAULTS or not self.others)
            job = (self.faults if fault else self.others).pop(0)
            self.running += fault
        try:
            return run_job(job, *where)
        finally:
            with self.lock:
                self.running -= fault


def run_all(build, wanted):
    top = make_top()
    stop = threading.Event()
    done = []
    jobs = find_jobs(build, wanted)
    try:
        with services(any(wants_services(job) for job in jobs)) as urls, \
                concurrent.futures.ThreadPoolExecutor(PARALLEL) as pool:
            os.environ.update(urls)
            line = Line(jobs)
            waiting = [pool.submit(line.run_next, build, top, stop) for _ in jobs]
            try:
                for future in concurrent.futures.as_completed(waiting, timeout=ALL_SECONDS):
                    done.append(future.result())
            except (concurrent.futures.TimeoutError, KeyboardInterrupt) as why:
                stop.set()
                while not all(future.done() for future in waiting):
                    end_processes_of(top, patience=0)
                    time.sleep(0.05)
                broken = Job('all', [])
                broken.fail('run', 'interrupted' if isinstance(why, KeyboardInterrupt)
                            else f'not done after {ALL_SECONDS} s')
                report(broken, 0)
                done.append(broken)
    finally:
        end_processes_of(top, patience=0)
        shutil.rmtree(top, ignore_errors=True)

    problems = [problem for job in done for _, problem in job.cases]
    failed = sum(problem is not None for problem in problems)
    print(f'{len(problems) - failed} passed, {failed} failed')
    return 0 if problems and not failed else 1


# ---- the child: the cases of one Python file --------------------------------------------------

class Events(unittest.TestResult):
    """Says in RESULTS what starts and how it ends; a case over its limit ends the interpreter."""

    def __init__(self, prefix):
        super().__init__()
        self.prefix = prefix
        self.file = open(os.environ['RESULTS'], 'a')
        self.problem = self.skip = None

    def say(self, what, test, problem=None):
        name = test.id().partition('.')[2] if isinstance(test, unittest.TestCase) else str(test)
        print(json.dumps({'what': what, 'name': f'{self.prefix}.{name}', 'problem': problem}),
              file=self.file, flush=True)

    def startTest(self, test):
        super().startTest(test)
        self.problem = self.skip = None
        faulthandler.dump_traceback_later(CASE_SECONDS, exit=True)
        self.say('start', test)

    def stopTest(self, test):
        faulthandler.cancel_dump_traceback_later()
        self.say('skip' if self.skip and not self.problem else 'end', test, self.problem or self.skip)
        super().stopTest(test)

    def note(self, test, text):
        if isinstance(test, unittest.TestCase):
            self.problem = (self.problem or '') + text
        else:                                   # setUpClass, setUpModule and the like
            self.say('end', test, text)

    def addError(self, test, err):
        self.note(test, self._exc_info_to_string(err, test))

    addFailure = addError

    def addSubTest(self, test, subtest, err):
        if err is not None:
            self.note(test, f'{subtest._subDescription()}\n{self._exc_info_to_string(err, test)}')

    def addSkip(self, test, reason):
        self.skip = reason

    def addUnexpectedSuccess(self, test):
        self.note(test, 'was expected to fail, and passed')


def run_cases(path, name, wanted):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sys.path.insert(0, os.path.dirname(path))
    module = os.path.splitext(os.path.basename(path))[0]
    chosen = unittest.TestSuite()

    def choose(suite):
        for test in suite:
            if isinstance(test, unittest.TestSuite):
                choose(test)
            elif wanted in f'{name}.{test.id().partition(".")[2]}' and is_of_engine(test):
                chosen.addTest(test)

    def is_of_engine(test):
        """As support.about() marks what is of one engine only."""
        method = getattr(test, getattr(test, '_testMethodName', ''), None)
        engine = os.environ['ENGINE']
        return getattr(method, 'about', engine) == engine == getattr(test, 'about', engine)

    choose(unittest.defaultTestLoader.loadTestsFromName(module))
    chosen.run(Events(name))


def run_beside_services(command):
    with services() as urls:
        return subprocess.run(command, env={**os.environ, **urls}).returncode


def main():
    # A signal must pass through the same clean-up as a failure.
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)
    if sys.argv[1:2] == ['--cases']:
        return run_cases(*sys.argv[2:5])
    if sys.argv[1:2] == ['--programs']:
        build, wanted = sys.argv[2:4]
        programs = [os.path.relpath(job.command[0], build) for job in find_programs(build, wanted)]
        print('gatehouse', *programs, sep='\n')
        return 0
    if sys.argv[1:2] == ['--services'] and sys.argv[2:]:
        return run_beside_services(sys.argv[2:])
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    return run_all(sys.argv[1], sys.argv[2] if len(sys.argv) == 3 else '')


if __name__ == '__main__':
    sys.exit(main())
