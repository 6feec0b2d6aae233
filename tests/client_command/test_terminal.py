"""Whatever is stored, or said by a server, is shown at a terminal and harmless there; a pipe gets it as it is."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import pytest
from wsproto.events import CloseConnection, TextMessage

from sharedstate_anyio.client import connect
from tests.client.by_hand import reply
from tests.python_client.support import next_request, websockets
from tests.support.services.servers import running
from tests.support.services.shell import PROGRAM, SECONDS, shell
from tests.support.terminal import shown

if TYPE_CHECKING:
    from wsproto import WSConnection

TURNING = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
CONTROLS = "".join(map(chr, range(0x7F, 0xA0))) + "\u2028\u2029" + TURNING
"""Those that JSON text may hold as they are; the others are always escaped there."""
REPAINTS = "\x1b[2J\x1b]0;owned\x07\x9b2J"
C = "/app/items/c"


def obeyed(text: str) -> list[str]:
    """Return the characters that a terminal obeys instead of showing them, beside the ends of lines."""
    return re.findall(f"[\x00-\x09\x0b-\x1f{CONTROLS}]", text.replace("\r\n", "\n"))


async def at_a_terminal(*arguments: str) -> tuple[int, str]:
    return await anyio.to_thread.run_sync(shown, [str(PROGRAM), *arguments], SECONDS)


async def test_items_and_names() -> None:
    item = {"id": f"a{CONTROLS}", "text": CONTROLS + REPAINTS, "plain": "é 😀 👩\u200d👩"}
    text = json.dumps(item, ensure_ascii=False).encode()
    name = f"c{TURNING}"
    async with running() as server, connect(server.url) as client:
        await client.update(f"/app/items/{name}", insert=[text])
        url = f"127.0.0.1:{server.port}/app/items"
        assert await shell("get", f"{url}/{name}") == (0, text.decode() + "\n", "")
        for command in ("get", "dump"):
            status, printed = await at_a_terminal(command, f"{url}/{name}")
            assert status == 0
            assert obeyed(printed) == []
            assert json.loads(printed.splitlines()[0]) == item
            assert "é 😀 👩\u200d👩" in printed, "the rest is readable"
        status, printed = await at_a_terminal("get", url)
        assert (status, obeyed(printed), json.loads(printed)) == (0, [], name)
        status, printed = await at_a_terminal("get", f"{url}/{name}", REPAINTS)
        assert (status, obeyed(printed)) == (1, [])
        assert "has no item" in printed
        assert (await shell("get", f"{url}/{name}", "no")).errors.strip("\n").isprintable()
        status, printed = await at_a_terminal("dump", f"{url}/{name}", "-o", "/dev/stdout")
        assert (status, obeyed(printed), json.loads(printed.splitlines()[0])) == (0, [], item)
        for command, words in (("delete", "removed 1 item"), ("delete", "is empty already")):
            status, printed = await at_a_terminal(command, f"{url}/{name}", "--yes")
            assert (status, obeyed(printed)) == (0, [])
            assert words in printed


@pytest.mark.parametrize("command", ["get", "nonsense"])
async def test_what_is_no_target(command: str) -> None:
    status, printed = await at_a_terminal(command, f"localhost:1/app/items/{REPAINTS}{TURNING}")
    assert (status, obeyed(printed)) == (2, [])
    assert "(sharedstate " in printed, "where to read more"


@pytest.mark.parametrize("how", ["refusal", "close"])
async def test_words_of_a_server(how: str) -> None:
    async def talk(stream: anyio.abc.SocketStream, websocket: WSConnection) -> None:
        while (request := await next_request(stream, websocket))["path"] == "/session":
            unknown = reply(request["tunnel"], "no such path", ok=False)
            await stream.send(websocket.send(TextMessage(unknown)))
        message: TextMessage | CloseConnection = CloseConnection(4400, REPAINTS + TURNING)
        if how == "refusal":
            message = TextMessage(reply(request["tunnel"], REPAINTS + TURNING, ok=False))
        await stream.send(websocket.send(message))
        await stream.receive()

    async with websockets(talk) as port:
        status, printed = await at_a_terminal("get", f"127.0.0.1:{port}/")
    assert (status, obeyed(printed)) == (1, [])
    assert "owned" in printed
