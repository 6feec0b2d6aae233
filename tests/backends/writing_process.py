"""A process of its own that writes to a store and tells of every update that was acknowledged.

Arguments: the store's configuration as JSON, a name, and the number of updates (without end if 0). Each update sets
three items to one value.
"""

from __future__ import annotations

import itertools
import json
import sys

import anyio

from sharedstate_backends.items_service import get_service
from sharedstate_core.paths import CollectionPath
from sharedstate_core.storage import Write
from sharedstate_core.updates import Update

COLLECTION = CollectionPath("app", "items", "collection")


async def main(config: str, name: str, count: int) -> None:
    backend = get_service(json.loads(config))
    await backend.open()
    for number in range(count) if count else itertools.count():
        text = f'{{"id":"%s","value":"{name} {number}"}}'
        insert = {id: (text % id).encode() for id in ("a", "b", f"{name} {number}")}
        (outcome,) = (await backend.commit(COLLECTION, [Write(Update(insert=insert))])).outcomes
        print(outcome.version, flush=True)
    await backend.close()


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], sys.argv[2], int(sys.argv[3]))
