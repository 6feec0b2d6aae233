"""Messages as a server writes them, and what a client's effects come to, for tests that drive it by hand."""

from __future__ import annotations

import json
from typing import Any, Final

from sharedstate_core.client import ClientEffect, ClientProtocol, SendText

PATH: Final = "/app/items/list"


def sent(effects: list[ClientEffect]) -> list[Any]:
    """Return the messages that go out."""
    return [json.loads(effect.message) for effect in effects if isinstance(effect, SendText)]


def told(effects: list[ClientEffect]) -> list[ClientEffect]:
    """Return what the application is told."""
    return [effect for effect in effects if not isinstance(effect, SendText)]


def notification(
    insert: list[dict[str, Any]] | None = None,
    remove: list[str] | None = None,
    *,
    base: int | None,
    version: int = 0,
    reset: bool = False,
    epoch: str = "e",
    path: str = PATH,
    **more: Any,
) -> str:
    """Return a notification; with `base` None one of level 1."""
    data = {"remove": remove or [], "insert": insert or [], "reset": reset}
    message: dict[str, Any] = {"type": "MESSAGE", "cmd": "NOTIFY", "path": path, "data": data}
    if base is not None:
        message |= {"epoch": epoch, "base": base, "version": version}
    return json.dumps(message | more, separators=(",", ":"))


def subscribed(request: Any, *, ok: bool = True, **more: Any) -> str:
    """Return the reply to a request for subscriptions, which takes or refuses them all."""
    data = [[path, sub] for path, sub in request["arg"]["insert"]] if ok else "no"
    reply = {"type": "REPLY", "cmd": "PUT", "tunnel": request["tunnel"], "ok": ok, "data": data}
    return json.dumps(reply | more)


def reply(tunnel: object, data: object = 1, *, ok: bool = True, **more: Any) -> str:
    """Return the reply to an update."""
    return json.dumps(
        {"type": "REPLY", "cmd": "PUT", "tunnel": tunnel, "ok": ok, "data": data} | more
    )


def text(id: str, **members: Any) -> bytes:
    """Return an item."""
    return json.dumps({"id": id} | members, separators=(",", ":")).encode()


def in_sync(*items: str, version: int = 5, key: str | None = None) -> ClientProtocol:
    """Return a client that holds these items."""
    client = ClientProtocol(key=key)
    client.connection_opened()
    [request] = sent(client.acquire(PATH))
    client.receive_text(subscribed(request))
    whole = notification([{"id": id} for id in items], base=0, version=version, reset=True)
    client.receive_text(whole)
    return client
