"""The page for those who embed the core: its transports under load, and its table of what is public."""

from __future__ import annotations

import dataclasses
import importlib
import re
from collections.abc import Mapping
from time import monotonic
from typing import TYPE_CHECKING, Any, get_args

import anyio
import pytest

from sharedstate_core import Limits, Update
from sharedstate_core.client import ClientEffect
from tests.backends.conformance.dictionary_backend import DictionaryBackend

from .page_transports import (
    PAGE,
    ROOT,
    AsgiPeer,
    ClosedError,
    ServedAsgi,
    block,
    serving,
    transports,
)

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["transports"]

PATH = "/app/items/list"

each = pytest.mark.parametrize(
    ("anyio_backend", "name"),
    [("trio", "lines_server"), ("asyncio", "asgi_app"), ("trio", "asgi_app")],
)
"""Each transport, where it runs."""

Transports = Mapping[str, "ModuleType"]


@pytest.mark.parametrize("name", ["lines_server", "asgi_app"])
def test_they_are_short(name: str) -> None:
    assert len(block(name).splitlines()) < 80


def test_the_effects_of_a_client_are_all_told() -> None:
    rows = re.findall(r"^\| `(\w+)\(([\w, ]*)\)` \|", PAGE, re.MULTILINE)
    assert {name: fields.split(", ") for name, fields in rows} == {
        effect.__name__: [field.name for field in dataclasses.fields(effect)]
        for effect in get_args(ClientEffect)
    }


@each
async def test_a_reader_who_is_slow_costs_little_and_is_brought_to_now(
    transports: Transports, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        serving(transports[name], DictionaryBackend(), monkeypatch) as served,
        served.peer() as slow,
        served.peer() as writer,
    ):
        await slow.ask("PUT", "/subs", {"insert": [[PATH, {}]]})
        limit = 0
        for number in range(100):
            item = {"id": "x", "n": number, "text": "y" * 200_000}
            assert (await writer.ask("PUT", PATH, {"insert": [item]}))["ok"]
            limit = max(limit, *(peer.bytes for peer in served.host.driver._peers))
        assert limit < 2_000_000  # of 20,000,000
        while (heard := await slow.hear())["version"] < 100:
            pass
        (item,) = heard["data"]["insert"]
        assert item["n"] == 99


@each
async def test_a_message_that_is_too_long_is_not_taken_in(
    transports: Transports, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = Limits(message_bytes=10_000)
    async with (
        serving(transports[name], DictionaryBackend(), monkeypatch, limits) as served,
        served.peer() as long,
        served.peer() as other,
    ):
        await long.send("x" * 10_001)
        with pytest.raises(ClosedError) as caught:
            await long.hear()
        assert caught.value.code == (1009 if name == "asgi_app" else None)
        assert (await other.ask("GET", "/"))["data"] == ["items"]


@each
async def test_storage_that_fails_or_answers_nonsense(
    transports: Transports,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    backend = DictionaryBackend()
    calls: list[str] = []

    async def nonsense(*_: object) -> Any:
        calls.append("called")
        if len(calls) % 2:
            return None
        raise OSError("the disk is gone")

    async with serving(transports[name], backend, monkeypatch) as served, served.peer() as client:
        for method, request in (
            ("commit", ("PUT", PATH, {"insert": [{"id": "x"}]})),
            ("load", ("GET", PATH)),
            ("collections", ("GET", "/app/items")),
        ):
            setattr(backend, method, nonsense)
            for _ in range(2):
                reply = await client.ask(*request)
                assert reply["error"]["code"] == "unavailable"
                assert ("outcome" in reply["error"]) is (method == "commit")
            delattr(backend, method)
            assert (await client.ask(*request))["ok"]
        assert served.host.driver.is_idle
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
        *("Commit", "Commit", "Load", "Load", "ListCollections", "ListCollections")
    ]


@each
async def test_storage_that_cannot_tell_apps(
    transports: Transports, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = DictionaryBackend()
    assert not hasattr(backend, "apps")
    async with serving(transports[name], backend, monkeypatch) as served, served.peer() as client:
        reply = await client.ask("GET", "/apps")
        assert reply["data"] == "service items cannot tell which apps it has"


@each
async def test_an_orderly_stop(
    transports: Transports, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was accepted is stored and answered, nobody new comes in, and everybody is closed."""
    begun, go_on = anyio.Event(), anyio.Event()

    class Slow(DictionaryBackend):
        async def commit(self, *arguments: Any) -> Any:
            begun.set()
            await go_on.wait()
            return await super().commit(*arguments)

    backend = Slow()
    async with (
        serving(transports[name], backend, monkeypatch) as served,
        served.peer() as writer,
        served.peer() as idle,
        served.peer() as late,
    ):
        await idle.ask("PUT", "/subs", {"insert": [[PATH, {}]]})
        await late.ask("GET", "/")
        assert (await idle.hear())["data"]["reset"]
        async with anyio.create_task_group() as tasks:
            await writer.say("PUT", PATH, {"insert": [{"id": "x"}]})
            await begun.wait()
            tasks.start_soon(served.stop)
            await anyio.wait_all_tasks_blocked()
            await late.say("PUT", PATH, {"insert": [{"id": "late"}]})
            await anyio.wait_all_tasks_blocked()
            go_on.set()
            with pytest.raises(ClosedError) as caught:
                await late.hear()
            assert caught.value.code == (1001 if name == "asgi_app" else None)
            assert (await writer.hear())["ok"]
            assert (await idle.hear())["data"]["insert"] == [{"id": "x"}]
            for peer in (writer, idle):
                with pytest.raises(ClosedError):
                    await peer.hear()
        assert not served.host.driver.has_peers
        assert served.host.driver.is_idle
        assert "late" not in repr(backend.stored)


@pytest.mark.parametrize("anyio_backend", ["trio"])
async def test_what_is_written_on_several_lines_elsewhere_is_one_line_here(
    transports: Transports, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = DictionaryBackend()
    async with (
        serving(transports["lines_server"], backend, monkeypatch) as served,
        served.peer() as client,
    ):
        await client.send('{"type":"REQUEST","cmd":"GET",\r"path":"/"}\r')
        assert (await client.hear())["data"] == ["items"]
        update = Update(insert={"x": b'{"id": "x",\n "n": "a\\nb"}'})
        served.host.driver.put(PATH, update, monotonic(), author=None)
        heard = await client.ask("GET", PATH)
        assert heard["data"] == [{"id": "x", "n": "a\nb"}]


async def test_pages_of_others_are_refused_and_messages_that_are_not_text(
    transports: Transports, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(transports["asgi_app"], DictionaryBackend(), monkeypatch) as served:
        assert isinstance(served, ServedAsgi)
        with pytest.raises(ClosedError) as caught:
            async with served.peer((b"origin", b"https://example.com")):
                pass
        assert caught.value.code == 1008
        async with served.peer((b"origin", b"https://example.org")) as peer:
            assert isinstance(peer, AsgiPeer)
            assert (await peer.ask("GET", "/"))["data"] == ["items"]
            await peer.to_app.send({"type": "websocket.receive", "bytes": b"?"})
            with pytest.raises(ClosedError) as caught:
                await peer.hear()
            assert caught.value.code == 1003


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
