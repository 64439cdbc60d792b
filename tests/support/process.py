"""Ports and processes, for whoever starts programs of their own."""
import os
import random
import socket


class Port:
    """A port below those that the kernel hands out, held against the other tests by the name of a socket."""

    def __init__(self):
        for _ in range(200):
            self.number = random.SystemRandom().randrange(15000, 32000)
            self.claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            try:
                self.claim.bind(f'\0gatehouse-test-port-{self.number}')
                with socket.socket() as probe:
                    probe.bind(('127.0.0.1', self.number))
                return
            except OSError:
                self.claim.close()
        raise AssertionError('no free port')

    def give(self):
        self.claim.close()


def parents():
    """{pid: parent} of every process that runs."""
    found = {}
    for entry in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open(f'/proc/{entry}/stat') as file:
                state, parent = file.read().rpartition(')')[2].split()[:2]
            if state not in 'ZX':
                found[int(entry)] = int(parent)
        except OSError:
            pass
    return found


def family(pid):
    """The process, if it runs, and all below it."""
    tree = parents()
    group = [pid] if pid in tree else []
    for member in group:
        group += [child for child, parent in tree.items() if parent == member]
    return group


def alive(pid):
    try:
        with open(f'/proc/{pid}/stat') as file:
            return file.read().rpartition(')')[2].split()[0] not in 'ZX'
    except OSError:
        return False
