"""A program: a client that has nothing to do with anybody, and how long it waits for its answers.

It asks for the time every millisecond on a connection of its own. For each line on its input it prints the longest
wait since the last one, in microseconds.
"""

from __future__ import annotations

import os
import select
import sys
import time
from typing import Final

from benchmarks.crowd import Crowd, frame

PAUSE: Final = 0.001
QUESTION: Final = frame({"type": "REQUEST", "cmd": "GET", "path": "/clock", "tunnel": 1})


def main(port: int) -> None:
    """Ask until the input ends."""
    with Crowd(port, 1, b"") as crowd:
        crowd.greet()
        print(f"port {port}", flush=True)
        longest = 0.0
        while True:
            start = time.perf_counter()
            crowd.clients[0].sock.sendall(QUESTION)
            crowd.clients[0].read_until(b'"ok":true')
            longest = max(longest, time.perf_counter() - start)
            if select.select([0], [], [], PAUSE)[0]:
                if not os.read(0, 1 << 16):
                    return
                print(longest * 1e6, flush=True)
                longest = 0.0


if __name__ == "__main__":
    main(int(sys.argv[1]))
