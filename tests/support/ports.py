"""Ports that stay free until they are used, again and again."""

from __future__ import annotations

import random
import socket

_LOWEST, _HIGHEST = 20_000, 32_000
"""Below what systems hand out by themselves, to the clients of other tests for instance, while a server is away."""

_random = random.SystemRandom()  # whatever hypothesis does to the common one


def free_port() -> int:
    """Return a port of the loopback interface on which nothing listens.

    Raises:
        OSError: a hundred of them were taken.
    """
    for _ in range(100):
        port = _random.randint(_LOWEST, _HIGHEST)
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                sock.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("no free port found")
