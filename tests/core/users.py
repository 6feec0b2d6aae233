"""Short words for directed tests of users: who signs in, and what comes of it."""

from __future__ import annotations

from typing import Any

from sharedstate_core import Access, Limits
from sharedstate_core.testing import World

from .scenes import P, hear, say, stored

REQUIRED = Access(required=True)


def private(
    clients: int = 1, *ids: str, access: Access = REQUIRED, limits: Limits | None = None
) -> World:
    return World(clients, store=stored(*ids), access=access, limits=limits)


def sign_in(world: World, token: str | None = "ann", *, client: int = 0) -> Any:
    asked = world.clients[client].ask("PUT", "/session", {"token": token})
    say(world, client)
    return asked


def accept(world: World, user: dict[str, Any] | None = None, expires: float | None = None) -> None:
    [ticket] = world.proofs
    world.accept(ticket, user, expires)


def signed_in(
    *ids: str, expires: float | None = None, watching: bool = True, limits: Limits | None = None
) -> World:
    """A world in which Ann is signed in, and watches a collection."""
    world = private(1, *ids, limits=limits)
    sign_in(world)
    accept(world, expires=expires)
    hear(world)
    if watching:
        world.clients[0].put_subs({P: {}})
        world.settle()
    return world


def data(asked: Any) -> dict[str, Any]:
    assert asked.reply is not None
    found: dict[str, Any] = asked.reply["data"]
    return found


def error(asked: Any) -> tuple[str, str | None]:
    assert asked.reply is not None
    found = asked.reply["error"]
    return found["code"], found.get("reason")
