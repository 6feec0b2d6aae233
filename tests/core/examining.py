"""Worlds in which a change of the user or of the rules takes back what is watched."""

from __future__ import annotations

from typing import Any

from sharedstate_core import Access, Limits, Update
from sharedstate_core.paths import parse_collection_path
from sharedstate_core.rules.rules import Rules
from sharedstate_core.testing import MemoryStore, World

from .scenes import say, text

ANN: Any = {"path": "/a/items/*", "read": "user.id == 'ann'", "write": True}
BOB: Any = {"path": "/a/items/*", "read": "user.id == 'bob'", "write": "user.id == 'bob'"}
NEWS: Any = {"path": "/a/items/news", "read": True, "write": True}
AT_ONCE = 2
LIMITS = Limits(turn_items=10 * AT_ONCE)
PATHS = [f"/a/items/{n}" for n in range(9)]


def access(*rules: Any, **keys: Any) -> Access:
    return Access(rules=Rules.parse([*rules]), **keys)


def become(world: World, user: str | None, *, client: int = 0) -> Any:
    asked = world.clients[client].ask("PUT", "/session", {"token": user})
    say(world, client)
    for ticket in [*world.proofs]:
        world.accept(ticket)
    return asked


def watching(
    *users: str | None, paths: list[str] = PATHS, rules: Any = (ANN,), limits: Limits = LIMITS
) -> World:
    """A world in which each client has signed in, and watches these collections, if it may."""
    world = World(len(users), store=MemoryStore(), access=access(*rules), limits=limits)
    for client, user in enumerate(users):
        if user is not None:
            become(world, user, client=client)
        world.clients[client].put_subs({path: {} for path in paths})
    world.settle()
    return world


def change(world: World, *paths: str) -> None:
    """Let another process change collections."""
    for path in paths:
        where = parse_collection_path(path)
        world.commit_elsewhere(where, Update(insert={"z": text("z")}))
        world.tell(where)
        for ticket in [*world.operations]:
            world.finish(ticket)


def shown(messages: list[Any]) -> list[str]:
    """The collections of which a reader was shown something."""
    return [each["path"] for each in messages if each["cmd"] == "NOTIFY" and each["data"]["insert"]]
