"""Scenes of lists of names: storage that holds some, and its answer."""

from __future__ import annotations

from typing import Any

from sharedstate_core import CollectionPath, Limits, Update
from sharedstate_core.testing import MemoryStore, World

from .scenes import text

NAMES = [f"c{number}" for number in range(10)]


def holding(*paths: str) -> MemoryStore:
    """Return a store in which each of these collections holds an item."""
    store = MemoryStore()
    world = World(0, store=store)
    for path in paths:
        _, app, service, collection = path.split("/")
        where = CollectionPath(app, service, collection)
        world.commit_elsewhere(where, Update(insert={"p": text("p")}))
    return store


def many(limit: int = 4, clients: int = 1, **limits: Any) -> World:
    """A world whose store has ten collections of one app, more than the server lists at once."""
    store = holding(*[f"/a/items/{name}" for name in NAMES])
    return World(clients, limits=Limits(names=limit, **limits), store=store)


def finish(world: World) -> None:
    (ticket,) = world.operations
    world.finish(ticket)
