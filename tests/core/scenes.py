"""Short words for directed tests: who says what, who hears what, what storage is asked."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeVar

from sharedstate_core import CollectionPath, Commit, Limits, ListApps, ListCollections, Load, Update
from sharedstate_core.testing import MemoryStore, World

if TYPE_CHECKING:
    from sharedstate_core.testing import Asked

P = "/a/items/c"
PATH = CollectionPath("a", "items", "c")

E = TypeVar("E", Commit, Load, ListCollections, ListApps)


def stored(*ids: str, tombstones: int = 10_000) -> MemoryStore:
    """A store whose collection holds these items, each inserted by a version of its own."""
    store = MemoryStore(tombstones=tombstones)
    world = World(0, store=store)
    for id in ids:
        world.commit_elsewhere(PATH, Update(insert={id: text(id)}))
    return store


def text(id: str, value: object = 0) -> bytes:
    return json.dumps({"id": id, "value": value}).encode()


def watching(clients: int, *ids: str, limits: Limits | None = None, **sub: Any) -> World:
    """A world at rest in which everybody is subscribed to `P`."""
    world = World(clients, limits=limits, store=stored(*ids))
    for client in world.clients:
        client.put_subs({P: sub})
    world.settle()
    return world


def say(world: World, client: int = 0) -> None:
    """Carry all that a client has sent to the server; the transport had read it already."""
    while world.clients[client].outbox:
        world.to_server(client, even_if_paused=True)


def hear(world: World, client: int = 0) -> list[dict[str, Any]]:
    """Carry all that the server has sent to a client; return it."""
    messages = [json.loads(message) for message in world.links[client].inbox]
    for _ in messages:
        world.to_client(client)
    return messages


def changes(world: World, client: int = 0) -> list[tuple[int, int, Any]]:
    """Carry everything to a client; return (base, version, data) of each notification."""
    heard = [message for message in hear(world, client) if message["type"] == "MESSAGE"]
    return [(message["base"], message["version"], message["data"]) for message in heard]


def kinds(messages: list[dict[str, Any]]) -> list[str | int]:
    """Name each message: NOTIFY, or the tunnel of what is answered."""
    return [m["cmd"] if m["type"] == "MESSAGE" else m["tunnel"] for m in messages]


def change(remove: list[str] | None = None, *insert: str) -> dict[str, Any]:
    """The `data` of a notification; items as `put` writes them."""
    return {"remove": remove or [], "insert": [{"id": id} for id in insert], "reset": False}


def under_way(world: World, kind: type[E]) -> E:
    """Return the one operation that storage was asked for."""
    (operation,) = world.operations.values()
    assert isinstance(operation.effect, kind)
    return operation.effect


def turns(world: World, bound: int = 100) -> int:
    """Give turns until none is asked for; return how many."""
    for count in range(bound):
        if world.server.next_wakeup() != world.now:
            return count
        world.turn()
    raise AssertionError("it goes on and on")


def put(world: World, client: int = 0, *ids: str, path: str = P, **rest: Any) -> Asked:
    """Let a client send an update that inserts these items, and the server receive it."""
    asked = world.clients[client].put(path, insert=[{"id": id} for id in ids], **rest)
    say(world, client)
    return asked


def replies(world: World, client: int = 0) -> list[tuple[int, bool]]:
    """Return (tunnel, ok) of every answered request of a client, in the order asked."""
    return [(a.tunnel, a.ok) for a in world.clients[client].asked if a.reply is not None]


def elsewhere(world: World, id: str) -> None:
    world.commit_elsewhere(PATH, Update(insert={id: b'{"id":"%s"}' % id.encode()}))


def steps(world: World, client: int = 0) -> list[tuple[int, int, str]]:
    """Carry everything to a client; return (base, version) of each notification with the ids then shown."""
    taken = []
    while world.links[client].inbox:
        message = json.loads(world.links[client].inbox[0])
        world.to_client(client)
        if message["type"] == "MESSAGE":
            shown = "".join(world.clients[client].copies[P].state)
            taken.append((message["base"], message["version"], shown))
    return taken
