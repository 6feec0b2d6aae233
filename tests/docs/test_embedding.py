"""The page for those who embed the core: its transport under load, and its table of what is public."""

from __future__ import annotations

import importlib
import json
import re
import struct
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import anyio
import pytest
from anyio.streams.buffered import BufferedByteReceiveStream

from tests.backends.conformance.dictionary_backend import DictionaryBackend

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from types import ModuleType

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "embedding.md").read_text("utf-8")
PATH = "/app/items/list"


@pytest.fixture(scope="module")
def tcp_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """Return the page's transport."""
    folder = tmp_path_factory.mktemp("page")
    block = re.search(r"^```python\n(# tcp_server\.py\n.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert block is not None
    (folder / "tcp_server.py").write_text(block[1])
    sys.path.insert(0, str(folder))
    try:
        yield importlib.import_module("tcp_server")
    finally:
        sys.path.remove(str(folder))
        sys.modules.pop("tcp_server", None)


@asynccontextmanager
async def serving(module: ModuleType, backend: DictionaryBackend) -> AsyncIterator[tuple[Any, int]]:
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
    async with listener, anyio.create_task_group() as tasks:
        hub = module.Hub({"items": backend}, tasks)
        tasks.start_soon(hub.keep_time)
        tasks.start_soon(hub.accept, listener)
        with anyio.fail_after(30):
            yield hub, listener.extra(anyio.abc.SocketAttribute.local_port)
        tasks.cancel_scope.cancel()


class Peer:
    """Somebody who speaks to the page's transport."""

    def __init__(self, stream: anyio.abc.SocketStream) -> None:
        self.stream = stream
        self.source = BufferedByteReceiveStream(stream)

    async def say(self, cmd: str, path: str, arg: object = None) -> None:
        message = {"type": "REQUEST", "cmd": cmd, "path": path, "arg": arg}
        text = json.dumps(message, indent=1).encode()  # with raw newlines
        await self.stream.send(struct.pack(">I", len(text)) + text)

    async def hear(self) -> dict[str, Any]:
        (size,) = struct.unpack(">I", await self.source.receive_exactly(4))
        return cast("dict[str, Any]", json.loads(await self.source.receive_exactly(size)))

    async def ask(self, cmd: str, path: str, arg: object = None) -> dict[str, Any]:
        await self.say(cmd, path, arg)
        while (heard := await self.hear())["type"] != "REPLY":
            pass
        return heard


@asynccontextmanager
async def peer(port: int) -> AsyncIterator[Peer]:
    async with await anyio.connect_tcp("127.0.0.1", port) as stream:
        yield Peer(stream)


async def test_a_reader_who_is_slow_costs_little_and_is_brought_to_now(
    tcp_server: ModuleType,
) -> None:
    async with (
        serving(tcp_server, DictionaryBackend()) as (hub, port),
        peer(port) as slow,
        peer(port) as writer,
    ):
        await slow.ask("PUT", "/subs", {"insert": [[PATH, {}]]})
        most = 0
        for number in range(100):
            item = {"id": "x", "n": number, "text": "y" * 200_000}
            assert (await writer.ask("PUT", PATH, {"insert": [item]}))["ok"]
            kept = [sum(map(len, c.unsent)) for c in hub.server._sessions]
            most = max(most, *kept)
        assert most < 2_000_000  # of 20,000,000
        while (heard := await slow.hear())["version"] < 100:
            pass
        (item,) = heard["data"]["insert"]
        assert item["n"] == 99


async def test_a_message_that_is_too_long_is_not_taken_in(tcp_server: ModuleType) -> None:
    async with (
        serving(tcp_server, DictionaryBackend()) as (hub, port),
        peer(port) as long,
        peer(port) as other,
    ):
        await long.stream.send(struct.pack(">I", hub.limits.message_bytes + 1))
        with pytest.raises((anyio.EndOfStream, anyio.IncompleteRead)):
            await long.hear()
        assert (await other.ask("GET", "/"))["data"] == ["items"]


async def test_storage_that_fails_or_answers_nonsense(tcp_server: ModuleType) -> None:
    backend = DictionaryBackend()
    calls: list[str] = []

    async def nonsense(*_: object) -> Any:
        calls.append("called")
        if len(calls) % 2:
            return None
        raise OSError("the disk is gone")

    async with serving(tcp_server, backend) as (hub, port), peer(port) as client:
        for name, request in (
            ("commit", ("PUT", PATH, {"insert": [{"id": "x"}]})),
            ("load", ("GET", PATH)),
            ("collections", ("GET", "/app/items")),
        ):
            setattr(backend, name, nonsense)
            for _ in range(2):
                reply = await client.ask(*request)
                assert reply["error"]["code"] == "unavailable"
                assert ("outcome" in reply["error"]) is (name == "commit")
            delattr(backend, name)
            assert (await client.ask(*request))["ok"]
        assert not hub.server.is_busy


async def test_an_orderly_stop(tcp_server: ModuleType) -> None:
    """What was accepted is stored and answered, nobody new comes in, and everybody is closed."""
    begun, go_on = anyio.Event(), anyio.Event()

    class Slow(DictionaryBackend):
        async def commit(self, *arguments: Any) -> Any:
            begun.set()
            await go_on.wait()
            return await super().commit(*arguments)

    backend = Slow()
    async with (
        serving(tcp_server, backend) as (hub, port),
        peer(port) as writer,
        peer(port) as idle,
        peer(port) as late,
    ):
        await idle.ask("PUT", "/subs", {"insert": [[PATH, {}]]})
        await late.ask("GET", "/")
        assert (await idle.hear())["data"]["reset"]
        async with anyio.create_task_group() as tasks:
            await writer.say("PUT", PATH, {"insert": [{"id": "x"}]})
            await begun.wait()
            tasks.start_soon(hub.stop)
            await anyio.wait_all_tasks_blocked()
            await late.say("PUT", PATH, {"insert": [{"id": "late"}]})
            go_on.set()
            assert (await writer.hear())["ok"]
            assert (await idle.hear())["data"]["insert"] == [{"id": "x"}]
            for each in (writer, idle, late):
                with pytest.raises(
                    (anyio.EndOfStream, anyio.IncompleteRead, anyio.BrokenResourceError)
                ):
                    await each.hear()
        assert not hub.connections
        assert not hub.server.is_busy
        assert "late" not in repr(backend.stored)


# --- what is public -------------------------------------------------------------------------------


def public_modules() -> list[str]:
    table = PAGE.partition("## What is public")[2]
    rows = re.findall(r"(?m)^\| (`sharedstate.*?) \|", table)
    return [name for row in rows for name in re.findall(r"`([\w.]+)`", row)]


def test_public_modules_are_there_and_say_what_they_export() -> None:
    modules = public_modules()
    assert len(modules) == len(set(modules)) >= 10
    for name in modules:
        module = importlib.import_module(name)
        assert module.__doc__, name
        for export in getattr(module, "__all__", ()):
            assert hasattr(module, export), f"{name}.{export}"
    for package in ("sharedstate_core", "sharedstate_anyio", "sharedstate_backends"):
        assert package in modules
        assert "docs/embedding.md" in str(importlib.import_module(package).__doc__)


def test_examples_use_what_is_public() -> None:
    """So does every page: what people copy stays."""
    public = set(public_modules())
    for page in (ROOT / "docs").glob("*.md"):
        for module in re.findall(r"(?m)^(?:from|import) (sharedstate_[\w.]+)", page.read_text()):
            assert module in public, f"{page.name}: {module}"
