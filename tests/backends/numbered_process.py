"""A process of its own that increments a member of an item, with numbers, and tells of each that was acknowledged.

Arguments: the store's configuration as JSON, and the first number. What it sends first it may have sent before.
"""

from __future__ import annotations

import itertools
import json
import sys

import anyio

from sharedstate_backends.conformance.patches import inc
from sharedstate_backends.items_service import get_service
from sharedstate_core.paths import CollectionPath
from sharedstate_core.storage import Operation, Write

COLLECTION = CollectionPath("app", "items", "collection")


async def main(config: str, first: int) -> None:
    backend = get_service(json.loads(config))
    await backend.open()
    for number in itertools.count(first):
        op = Operation("session", number, number)
        write = Write(inc("n", upsert=True), op=op)
        (outcome,) = (await backend.commit(COLLECTION, [write])).outcomes
        print(number, outcome.version, flush=True)


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], int(sys.argv[2]))
