"""How a World comes to rest: everything is carried until nobody waits for anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sharedstate_core.paths import parse_collection_path

if TYPE_CHECKING:
    from .world import World


def carry_everything(world: World) -> None:
    """Let everything that is under way arrive, and what follows from it."""
    moved = True
    while moved:
        moved = bool(world.operations)
        for ticket in list(world.operations):
            world.finish(ticket)
        for client, link in enumerate(world.links):
            while link.reading and world.clients[client].outbox:
                world.to_server(client)
                moved = True
            while link.inbox:
                world.to_client(client)
                moved = True
            if link.draining:
                world.drain(client)
                moved = True


def owed(world: World) -> list[str]:
    """Return what clients still wait for."""
    waiting = [f"client {n}: {a}" for n, c in enumerate(world.clients) for a in c.waiting]
    for number, client in enumerate(world.clients):
        for path, subscribed in client.subscribed.items():
            copy, head = client.copies.get(path), world.store.head(parse_collection_path(path))
            if not subscribed.synchronised or copy is None or copy.cursor != head:
                waiting.append(f"client {number}: {path} at {head}")
    return waiting
