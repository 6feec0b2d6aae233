"""A program: a client that behaves, and how long it waits to see its own updates.

For each line on its input it prints how many updates it has made since the last one, and the median, the 99th
percentile and the longest of its waits in milliseconds.
"""

from __future__ import annotations

import os
import select
import sys
import time
from statistics import quantiles
from typing import Final

from benchmarks.crowd import Crowd, subscribe, update

PAUSE: Final = 0.002
PATH: Final = "/canary/items/c"


def main(port: int) -> None:
    """Sing until the input ends."""
    with Crowd(port, 1, subscribe(PATH)) as crowd:
        print(f"port {port}", flush=True)
        waits: list[float] = []
        for number in range(1, sys.maxsize):
            start = time.perf_counter()
            crowd.clients[0].sock.sendall(update(f"i{number % 10}", path=PATH))
            crowd.clients[0].read_until(b'"ok":true')
            waits.append(time.perf_counter() - start)
            if select.select([0], [], [], PAUSE)[0]:
                if not os.read(0, 1 << 16):
                    return
                cuts = quantiles(waits, n=100)
                shown = (cuts[49], cuts[98], max(waits))
                print(len(waits), *(f"{1e3 * each:.2f}" for each in shown), flush=True)
                waits = []


if __name__ == "__main__":
    main(int(sys.argv[1]))
