"""The same as `send_loop.c`, in Python: `send_loop.py N BYTES`."""

from __future__ import annotations

import socket
import sys


def main(count: int, size: int) -> None:
    """Accept, then send as told."""
    frame = b"y" * size
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        print(f"port {listener.getsockname()[1]}", flush=True)
        socks = [listener.accept()[0] for _ in range(count)]
    for sock in socks:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for line in sys.stdin:
        for _ in range(int(line)):
            for sock in socks:
                if sock.send(frame) != size:
                    raise BlockingIOError
        print("done", flush=True)


main(int(sys.argv[1]), int(sys.argv[2]))
