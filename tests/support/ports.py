"""Ports that stay free until they are used, again and again."""

from __future__ import annotations

import os
import random
import socket

_LOWEST, _HIGHEST = 20_000, 32_000
"""Below what systems hand out by themselves, to the clients of other tests for instance, while a server is away."""

_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
_ours = range(_LOWEST + _worker, _HIGHEST, _workers)
"""Those that no other worker of this test run hands out."""

_random = random.SystemRandom()  # whatever hypothesis does to the common one
_given: set[int] = set()


def free_port() -> int:
    """Return a port of the loopback interface on which nothing listens, another one each time.

    Raises:
        OSError: a hundred of them were taken.
    """
    for _ in range(100):
        port = _random.choice(_ours)
        if port in _given:
            continue
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                sock.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        return port
    raise OSError("no free port found")
