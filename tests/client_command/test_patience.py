"""A server that is there and does not answer: every command gives up after `--patience`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from wsproto.events import TextMessage

from tests.python_client.support import websockets
from tests.support.services.shell import Ended, shell

if TYPE_CHECKING:
    import anyio
    from wsproto import WSConnection

C = "/app/items/c"
SILENT = "the server has not answered for {} s"


async def impatient(*arguments: str, given: str = "") -> tuple[str, Ended]:
    """Return the patience that was enough to connect, and how the command ended."""
    for patience in ("0.2", "2", "20"):  # the first, unless the machine is busy
        ended = await shell(*arguments, "--patience", patience, given=given)
        if "cannot connect" not in ended.errors:
            break
    return patience, ended


async def mute(stream: anyio.abc.SocketStream, websocket: WSConnection) -> None:
    """Read, and never answer."""
    while True:
        websocket.receive_data(await stream.receive())
        for _ in websocket.events():
            pass


@pytest.mark.parametrize(
    ("arguments", "given", "problem"),
    [
        (["get", "/"], "", SILENT),
        (["get", "/app/items"], "", SILENT),
        (["get", C], "", SILENT),
        (["dump", C], "", SILENT),
        (["delete", C, "--yes"], "", SILENT),
        (["put", C], '{"id": "a"}', f"line 1: {SILENT}; nothing else is stored"),
        (["load", C], '{"id": "a"}', f"line 1: {SILENT}; nothing else is stored"),
        (["load", C, "--reset"], '{"id": "a"}', f"{SILENT}; nothing else is stored"),
    ],
)
async def test_a_server_that_never_answers(arguments: list[str], given: str, problem: str) -> None:
    command, path, *options = arguments
    async with websockets(mute) as port:
        url = f"127.0.0.1:{port}{path}"
        patience, ended = await impatient(command, url, *options, given=given)
    assert ended == (1, "", f"sharedstate: {problem.format(patience)}\n")


async def test_a_server_that_answers_something_is_waited_for() -> None:
    """It is asked for the names of its services, which need no storage, and the collection comes late."""
    asked = 0

    async def talk(stream: anyio.abc.SocketStream, websocket: WSConnection) -> None:
        nonlocal asked
        subscribing: object = None
        while True:
            websocket.receive_data(await stream.receive())
            for event in websocket.events():
                if not isinstance(event, TextMessage):
                    continue
                request = json.loads(event.data)
                reply = {"type": "REPLY", "cmd": request["cmd"], "tunnel": request["tunnel"]}
                if request["path"] == "/subs":
                    subscribing = reply
                    continue
                asked += request["path"] == "/"
                reply |= {"ok": True, "data": []}
                await stream.send(websocket.send(TextMessage(json.dumps(reply))))
                if asked == 3:
                    asked += 1
                    failed = {"ok": False, "error": {"code": "no_service", "message": "gone"}}
                    late = json.dumps(dict(subscribing or {}, **failed))  # type: ignore[call-overload]
                    await stream.send(websocket.send(TextMessage(late)))

    async with websockets(talk) as port:
        _, ended = await impatient("get", f"127.0.0.1:{port}{C}")
    assert ended.status == 1
    assert "gone" in ended.errors
