"""A TCP proxy that misbehaves when it is told to, between a server and what it depends on.

    with Proxy(postgres.port) as proxy:
        Server(DATABASE_URL=proxy.url(postgres.url('postgres')))
        proxy.pause()       # hangs: connections are accepted and kept, no byte passes
        proxy.heal()        # what was kept back passes now

It runs as a process of its own, so that the threads of a test do not slow it, and ends with that test. Each
call returns when the change is in force. Modes add up until heal().
"""
import collections
import heapq
import itertools
import json
import os
import selectors
import signal
import socket
import struct
import subprocess
import sys
import time

BOTH = ('to_server', 'to_client')
KEPT = 1 << 20          # bytes of one direction, before no more are read
READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


class Proxy:
    """The end that a test holds. .port is where it listens, on 127.0.0.1, from the beginning to close()."""

    def __init__(self, target_port, target_host='127.0.0.1'):
        from .process import Port
        self.port_held = Port()
        self.port = self.port_held.number
        self.target_port = target_port
        command = [sys.executable, os.path.abspath(__file__), str(self.port), target_host, str(target_port)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.tell()         # it listens when it answers

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.process.poll() is None:
            self.process.stdin.close()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        self.port_held.give()

    def tell(self, **words):
        self.process.stdin.write(json.dumps(words) + '\n')
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise AssertionError('the proxy has ended')
        return json.loads(answer)

    def url(self, url):
        """The target's URL, by way of this proxy."""
        return url.replace(f'127.0.0.1:{self.target_port}', f'127.0.0.1:{self.port}')

    # ---- modes ----

    def cut(self):
        """Down: resets every connection, refuses new ones."""
        self.tell(refuse=True, reset=True)

    def refuse_new(self):
        """Connections that are there stay."""
        self.tell(refuse=True)

    def reset_once(self):
        """Resets every connection; new ones work."""
        self.tell(reset=True)

    def pause(self, *ways):
        """No byte passes, in one direction ('to_server', 'to_client') or in both; nothing is closed or refused."""
        self.tell(hold=ways or BOTH)

    def slow(self, seconds):
        """Every chunk arrives so much later, in each direction."""
        self.tell(delay=seconds)

    def retarget(self, target_port):
        """New connections go there."""
        self.target_port = target_port
        self.tell(target=target_port)

    def heal(self):
        self.tell(refuse=False, hold=(), delay=0)

    def counts(self):
        """{'open': connections now, 'accepted': ever}"""
        return self.tell()


# ---- the process ------------------------------------------------------------------------------

class Way:
    """One direction of a pair."""

    def __init__(self, name):
        self.name = name
        self.chunks = collections.deque()       # (when it may leave, bytes); b'' is the end
        self.size = 0
        self.ended = False                      # the source has sent its end
        self.done = False                       # and it was passed on


class Pair:
    def __init__(self, client):
        self.client, self.server, self.connecting = client, None, False
        self.up, self.down = Way('to_server'), Way('to_client')

    def hurry(self):
        """What was to arrive later may arrive now."""
        for way in (self.up, self.down):
            way.chunks = collections.deque((0, data) for _, data in way.chunks)

    def sides(self):
        """(socket, the way it feeds, the way that feeds it)"""
        return [(self.client, self.up, self.down), (self.server, self.down, self.up)]


class Relay:
    def __init__(self, port, host, target):
        self.port, self.host, self.target = port, host, target
        self.selector = selectors.DefaultSelector()
        self.pairs, self.due, self.order = set(), [], itertools.count()
        self.hold, self.delay, self.accepted, self.listener = (), 0, 0, None
        self.listen()

    def listen(self):
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(('127.0.0.1', self.port))
        self.listener.listen(512)
        self.listener.setblocking(False)
        self.selector.register(self.listener, READ, self.accept)

    def command(self, words):
        if words.get('refuse') and self.listener:
            self.selector.unregister(self.listener)
            self.listener.close()
            self.listener = None
        elif words.get('refuse') is False and not self.listener:
            self.listen()
        self.target = words.get('target', self.target)
        self.hold = words.get('hold', self.hold)
        self.delay = words.get('delay', self.delay)
        for pair in list(self.pairs):
            if words.get('delay') == 0:
                pair.hurry()
            if words.get('reset'):
                self.end(pair)
            elif words:
                self.settle(pair)
        return {'open': len(self.pairs), 'accepted': self.accepted}

    # ---- pairs ----

    def accept(self, _):
        try:
            client, _ = self.listener.accept()
        except OSError:
            return
        self.accepted += 1
        pair = Pair(client)
        self.pairs.add(pair)
        client.setblocking(False)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.settle(pair)

    def dial(self, pair):
        pair.server = socket.socket()
        pair.server.setblocking(False)
        pair.server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        pair.server.connect_ex((self.host, self.target))
        pair.connecting = True

    def end(self, pair):
        """Both sides see a reset."""
        if pair not in self.pairs:
            return
        self.pairs.discard(pair)
        for sock, _, _ in pair.sides():
            if sock:
                self.watch(sock, 0, pair)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
                sock.close()

    def settle(self, pair):
        """What is waited for, after anything has changed."""
        if pair not in self.pairs:
            return
        if not pair.server and 'to_server' not in self.hold:
            self.dial(pair)
        if pair.connecting:
            return self.watch(pair.server, WRITE, pair)
        if pair.up.done and pair.down.done:
            return self.end(pair)
        for sock, feeds, fed in pair.sides():
            events = 0
            if pair.server and feeds.name not in self.hold and not feeds.ended and feeds.size < KEPT:
                events |= READ
            if fed.chunks and fed.name not in self.hold and fed.chunks[0][0] <= time.monotonic():
                events |= WRITE
            if sock:
                self.watch(sock, events, pair)

    def watch(self, sock, events, pair):
        known = self.selector.get_map().get(sock)
        if known and not events:
            self.selector.unregister(sock)
        elif known and known.events != events:
            self.selector.modify(sock, events, lambda happened: self.move(pair, sock, happened))
        elif events and not known:
            self.selector.register(sock, events, lambda happened: self.move(pair, sock, happened))

    def move(self, pair, sock, happened):
        if pair not in self.pairs:
            return
        try:
            if pair.connecting:
                error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if error:
                    raise OSError(error, os.strerror(error))
                pair.connecting = False
            else:
                _, feeds, fed = next(side for side in pair.sides() if side[0] is sock)
                if happened & READ:
                    self.read(pair, sock, feeds)
                if happened & WRITE:
                    self.write(sock, fed)
        except BlockingIOError:
            pass
        except OSError:
            return self.end(pair)
        self.settle(pair)

    def read(self, pair, sock, way):
        data = sock.recv(65536)
        way.ended = not data
        way.size += len(data)
        when = time.monotonic() + self.delay if self.delay else 0
        way.chunks.append((when, data))
        if when:
            heapq.heappush(self.due, (when, next(self.order), pair))

    def write(self, sock, way):
        while way.chunks and way.chunks[0][0] <= time.monotonic():
            when, data = way.chunks[0]
            if not data:
                way.chunks.popleft()
                way.done = True
                return sock.shutdown(socket.SHUT_WR)
            sent = sock.send(data)
            way.size -= sent
            if sent < len(data):
                way.chunks[0] = (when, data[sent:])
                return
            way.chunks.popleft()

    # ---- the loop ----

    def run(self):
        """Until whoever gives the commands is gone."""
        os.set_blocking(0, False)
        self.selector.register(0, READ, None)
        text = b''
        while True:
            wait = max(0, self.due[0][0] - time.monotonic()) if self.due else None
            for key, events in self.selector.select(wait):
                if key.fd != 0:
                    key.data(events)
                    continue
                more = os.read(0, 65536)
                if not more:
                    return
                *lines, text = (text + more).split(b'\n')
                for line in lines:
                    print(json.dumps(self.command(json.loads(line))), flush=True)
            while self.due and self.due[0][0] <= time.monotonic():
                self.settle(heapq.heappop(self.due)[2])


if __name__ == '__main__':
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Relay(int(sys.argv[1]), sys.argv[2], int(sys.argv[3])).run()
