"""What an idle connection costs: each has had one request answered, and stays open."""
import resource
import socket
import struct
import time

from servers import Failed

WANTED = 5000


def raise_descriptors():
    """As many as we may have; servers started after this inherit them."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = 65536 if hard == resource.RLIM_INFINITY else min(hard, 65536)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return most


def open_one(server):
    conn = socket.create_connection(('127.0.0.1', server.port), timeout=10)
    # Closing resets, so that thousands of ports do not stay in TIME_WAIT.
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    conn.sendall(f'GET {server.live_path} HTTP/1.1\r\nHost: bench\r\n\r\n'.encode())
    reply = conn.recv(65536)
    if not reply.startswith(b'HTTP/1.1 200 '):
        raise Failed(f'refused an idle connection: {reply[:200]!r}')
    return conn


def bytes_per_connection(server, count=WANTED):
    """Growth of the server's anonymous memory, after a warm-up that fills its pools once."""
    for conn in [open_one(server) for _ in range(64)]:
        conn.close()
    time.sleep(0.5)
    before = server.anonymous()
    held = []
    try:
        held += (open_one(server) for _ in range(count))
        time.sleep(0.5)
        return (server.anonymous() - before) / count
    finally:
        for conn in held:
            conn.close()
