"""Operations of storage that are under way, and answers to them; the core, seen whole."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from sharedstate_core import (
    Commit,
    Cursor,
    Doubt,
    ListApps,
    ListCollections,
    Load,
    Update,
)
from sharedstate_core.testing import World

from .scenes import PATH, P, say, stored, under_way

if TYPE_CHECKING:
    from collections.abc import Callable

OTHER: Final = "/a/items/other"


class Credulous(World):
    """A World in which what is false may be taken for the truth."""

    def _doubt(self, doubt: Doubt) -> None:  # noqa: ARG002
        self.doubts += 1


def loading() -> World:
    """Somebody subscribes to a collection that is not in memory, and reads and writes it."""
    world = Credulous(3, store=stored("p", "q"))
    world.clients[0].put_subs({P: {}})
    return world


def catching_up() -> World:
    """Another process has written; what changed since is loaded."""
    world = loading()
    world.settle()
    world.commit_elsewhere(PATH, Update(("p",), {"r": b'{"id":"r"}'}))
    world.tell(PATH)
    return world


def committing() -> World:
    """Three updates are committed to a collection in memory; one does nothing, one is on a condition."""
    world = loading()
    world.settle()
    client = world.clients[0]
    client.put(P, insert=[{"id": "first"}])
    say(world)
    client.put(P, insert=[{"id": "r"}])
    client.put(P)
    client.put(P, insert=[{"id": "s"}], condition=(Cursor("epoch-1", 1), None))
    say(world)
    world.finish(under_way(world, Commit).ticket)
    return world


def committing_blind() -> World:
    world = Credulous(3, store=stored("p"))
    world.clients[0].put(P, insert=[{"id": "q"}])
    return world


def listing() -> World:
    world = Credulous(3, store=stored("p"))
    world.clients[0].ask("GET", "/a/items")
    return world


SITUATIONS: Final = (loading, catching_up, committing, committing_blind, listing)


def begin(situation: Callable[[], World]) -> tuple[World, int]:
    """Return a World with one operation under way, and its ticket; others watch and wait beside it.

    Client 0 is concerned. Client 1 watches another collection; client 2 asks for both, and comes later.
    """
    world = situation()
    say(world)
    (ticket,) = world.operations
    world.clients[1].put_subs({OTHER: {}})
    world.clients[1].put(OTHER, insert=[{"id": "x"}])
    for path in (P, OTHER):
        world.clients[2].ask("GET", path)
        world.clients[2].put(path, insert=[{"id": "z"}])
    for client in (1, 2):
        say(world, client)
    return world, ticket


def answer(world: World, ticket: int, result: Any) -> None:
    """Give an answer to the operation; if it is taken, it is under way no more."""
    server = world.server
    match world.operations[ticket].effect:
        case Commit():
            effects = server.commit_succeeded(ticket, result, world.now)
        case Load():
            effects = server.load_succeeded(ticket, result, world.now)
        case ListCollections() | ListApps():
            effects = server.list_succeeded(ticket, result, world.now)
    del world.operations[ticket]
    world._perform(effects)


def right_answer(world: World, ticket: int) -> Any:
    world.execute(ticket)
    return world.operations[ticket].result


def give_up(world: World, ticket: int) -> None:
    """Say that the operation has failed, as the embedder is to do."""
    if isinstance(world.operations[ticket].effect, Commit):
        world.lose(ticket)
    else:
        world.fail(ticket)


def portrait(root: object) -> list[object]:
    """Return all that can be reached from an object, as values that can be compared; the same for the same state."""
    seen: dict[int, int] = {}
    found: list[object] = []
    queue: deque[object] = deque([root])
    while queue:
        value = queue.popleft()
        if value is None or isinstance(value, str | bytes | int | float | type):
            found.append(value)
            continue
        if id(value) in seen:
            found.append(("again", seen[id(value)]))
            continue
        seen[id(value)] = len(seen)
        found.append(type(value).__name__)
        if isinstance(value, Mapping):
            queue.extend(part for pair in value.items() for part in pair)
        elif isinstance(value, list | tuple | deque):
            queue.extend(value)
        elif isinstance(value, functools.partial):
            queue.extend((value.func, *value.args))
        elif isinstance(value, set | frozenset):
            found.append(len(value))
        else:
            slots = [s for kind in type(value).__mro__ for s in getattr(kind, "__slots__", ())]
            queue.extend(getattr(value, slot) for slot in slots if hasattr(value, slot))
            queue.append(getattr(value, "__dict__", None))
    return found
