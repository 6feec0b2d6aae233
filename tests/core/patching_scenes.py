"""A world whose collection is patched."""

from __future__ import annotations

import json
from typing import Any

from sharedstate_core import (
    Update,
)
from sharedstate_core.testing import Asked, MemoryStore, World

from .scenes import PATH, P, hear, say


def holding(*texts: bytes, clients: int = 1, watched: bool = True, **more: Any) -> World:
    """A world at rest whose collection holds these items."""
    world = World(clients, store=MemoryStore(), **more)
    insert = {json.loads(text)["id"]: text for text in texts}
    world.commit_elsewhere(PATH, Update(insert=insert))
    if watched:
        for client in world.clients:
            client.put_subs({P: {}})
    world.settle()
    for number in range(clients):
        hear(world, number)
    return world


def patch(
    world: World, *patches: dict[str, Any], client: int = 0, when: object = None, **more: Any
) -> Asked:
    arg = {"patch": list(patches), **more}
    if when is not None:
        arg["if"] = when
    asked = world.clients[client].ask("PUT", P, arg)
    say(world, client)
    return asked


def error(asked: Asked) -> dict[str, Any]:
    assert asked.reply is not None
    assert not asked.ok
    found: dict[str, Any] = asked.reply["error"]
    return found


def item(world: World, id: str) -> bytes:
    return world.store.state(PATH)[id]
