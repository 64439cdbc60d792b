"""HTTP/1.1 as bytes: sends exactly what it is given, and reads replies strictly so that sloppy framing is seen."""
import json
import re
import select
import socket
import time

LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+): ?([^\r\n\0]*)")
START = re.compile(rb'HTTP/1\.1 ([1-5]\d\d) [\x20-\x7e]*')


class Framing(AssertionError):
    """The peer's bytes are no reply as RFC 9112 wants it."""


class Gone(Exception):
    """The peer closed before a reply began."""


def strict_json(text):
    """RFC 8259 and nothing more: no NaN, no duplicate keys, no BOM."""
    def object_of(pairs):
        keys = [key for key, _ in pairs]
        if len(set(keys)) != len(keys):
            raise ValueError(f'duplicate key among {keys}')
        return dict(pairs)

    def refuse(word):
        raise ValueError(f'{word} is no JSON')
    if isinstance(text, bytes):
        text = text.decode('utf-8')
    return json.loads(text, object_pairs_hook=object_of, parse_constant=refuse)


class Reply:
    def __init__(self, status, headers, body, head):
        self.status, self.headers, self.body, self.head = status, headers, body, head

    def all(self, name):
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def get(self, name, default=None):
        values = self.all(name)
        if len(values) > 1:
            raise Framing(f'{name} came {len(values)} times: {values}')
        return values[0] if values else default

    @property
    def json(self):
        return strict_json(self.body)

    @property
    def code(self):
        """The stable code of an error, None for anything else."""
        if self.get('Content-Type', '').startswith('application/problem+json'):
            return self.json.get('code')
        return None

    @property
    def closes(self):
        return 'close' in [word.strip().lower() for word in (self.get('Connection') or '').split(',')]

    def __repr__(self):
        return f'<{self.status} {dict(self.headers)} {self.body[:600]!r}>'


class Conn:
    """One TCP connection. source: the address that the server sees, any of 127.0.0.0/8."""

    def __init__(self, port, source=None, timeout=15):
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            self.sock.settimeout(timeout)
            if source:
                # Lets the port be chosen at connect, so that many sources do not use up the ports of one.
                self.sock.setsockopt(socket.IPPROTO_IP, getattr(socket, 'IP_BIND_ADDRESS_NO_PORT', 24), 1)
                self.sock.bind((source, 0))
            self.sock.connect(('127.0.0.1', port))
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            self.sock.close()
            raise
        self.timeout = timeout
        self.rest = b''
        self.ended = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    def reset(self):
        """Closes with RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b'\1\0\0\0\0\0\0\0')
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data)

    def try_send(self, data):
        """False when the peer takes no more: it may refuse before it has read everything."""
        try:
            self.sock.sendall(data)
            return True
        except (BrokenPipeError, ConnectionResetError):
            return False

    def half_close(self):
        self.sock.shutdown(socket.SHUT_WR)

    def fill(self):
        """Reads some bytes; False at the end. A reset is an end."""
        if self.ended:
            return False
        try:
            data = self.sock.recv(262144)
        except (ConnectionResetError, BrokenPipeError):
            data = b''
        if not data:
            self.ended = True
            return False
        self.rest += data
        return True

    def line(self, of_what):
        while b'\r\n' not in self.rest:
            if len(self.rest) > 65536:
                raise Framing(f'{of_what} without end: {self.rest[:200]!r}')
            if not self.fill():
                raise Framing(f'the connection ended inside {of_what}: {self.rest[:200]!r}')
        line, self.rest = self.rest.split(b'\r\n', 1)
        if b'\n' in line or b'\r' in line:
            raise Framing(f'bare CR or LF in {of_what}: {line!r}')
        return line

    def take(self, n):
        while len(self.rest) < n:
            if not self.fill():
                raise Framing(f'the connection ended {n - len(self.rest)} bytes before the end of the body')
        data, self.rest = self.rest[:n], self.rest[n:]
        return data

    def reply(self, method='GET'):
        """The next reply, an interim one included. Gone when the peer closed before its first byte."""
        if not self.rest and not self.fill():
            raise Gone
        start = self.line('a status line')
        match = START.fullmatch(start)
        if not match:
            raise Framing(f'no status line: {start!r}')
        status, headers, head = int(match[1]), [], start + b'\r\n'
        while line := self.line('a head'):
            header = LINE.fullmatch(line)
            if not header:
                raise Framing(f'no header line: {line!r}')
            headers.append((header[1].decode(), header[2].decode('latin-1')))
            head += line + b'\r\n'
        reply = Reply(status, headers, b'', head)
        reply.body = self.body_of(reply, method)
        return reply

    def body_of(self, reply, method):
        length, coding = reply.get('Content-Length'), reply.get('Transfer-Encoding')
        if length is not None and not re.fullmatch(r'0|[1-9]\d*', length):
            raise Framing(f'Content-Length: {length}')
        if reply.status < 200 or reply.status == 204:
            if length is not None or coding is not None:
                raise Framing(f'{reply.status} with a length or transfer coding')
            return b''
        if method == 'HEAD' or reply.status == 304:
            return b''
        if coding is not None:
            if coding.lower() != 'chunked' or length is not None:
                raise Framing(f'Transfer-Encoding: {coding}, Content-Length: {length}')
            return self.chunks()
        if length is None:
            raise Framing('neither Content-Length nor Transfer-Encoding')
        return self.take(int(length))

    def chunks(self):
        body = b''
        while True:
            size = self.line('a chunk size')
            if not re.fullmatch(rb'[0-9a-fA-F]+', size):
                raise Framing(f'chunk size {size!r}')
            if int(size, 16) == 0:
                if self.line('the trailer') != b'':
                    raise Framing('a trailer')
                return body
            body += self.take(int(size, 16))
            if self.take(2) != b'\r\n':
                raise Framing('a chunk without its end')

    def final(self, method='GET'):
        """The next reply that is not interim."""
        while (reply := self.reply(method)).status < 200:
            pass
        return reply

    def ask(self, method, target, headers=(), body=None):
        """Sends one ordinary request and reads its reply."""
        self.send(request(method, target, headers, body))
        return self.final(method)

    def nothing_but_end(self, seconds=5):
        """The peer closes, and sends nothing before it does."""
        if self.rest:
            raise Framing(f'more bytes than one reply: {self.rest[:300]!r}')
        self.sock.settimeout(seconds)
        try:
            more = self.fill()
        except socket.timeout:
            raise Framing(f'the connection is still open after {seconds} s') from None
        finally:
            self.sock.settimeout(self.timeout)
        if more:
            raise Framing(f'more bytes than one reply: {self.rest[:300]!r}')

    def quiet(self, seconds=0.3):
        """True when the peer neither sends nor closes for this long."""
        return not self.rest and not select.select([self.sock], [], [], seconds)[0]

    def until_end(self, seconds):
        """All bytes until the peer closes; Framing when it does not."""
        limit = time.monotonic() + seconds
        try:
            while True:
                self.sock.settimeout(max(0.05, limit - time.monotonic()))
                if not self.fill():
                    data, self.rest = self.rest, b''
                    return data
        except socket.timeout:
            raise Framing(f'the connection is still open after {seconds} s') from None
        finally:
            self.sock.settimeout(self.timeout)


def request(method, target, headers=(), body=None, version='1.1'):
    """The bytes of an ordinary request. A body is given as bytes, or as something that becomes JSON."""
    lines = [f'{method} {target} HTTP/{version}']
    headers = list(headers.items() if isinstance(headers, dict) else headers)
    names = {name.lower() for name, _ in headers}
    if 'host' not in names:
        lines.append('Host: gatehouse.test')
    if body is not None and not isinstance(body, (bytes, bytearray)):
        body = json.dumps(body).encode()
        if 'content-type' not in names:
            lines.append('Content-Type: application/json')
    if body is not None and not names & {'content-length', 'transfer-encoding'}:
        lines.append(f'Content-Length: {len(body)}')
    lines += [f'{name}: {value}' for name, value in headers]
    return '\r\n'.join(lines).encode('latin-1') + b'\r\n\r\n' + (body or b'')
