"""The garbage collector, in the command: everything is looked at only when that harms nobody, or has to be."""

from __future__ import annotations

import gc
import logging
import weakref
from typing import TYPE_CHECKING

import pytest

from sharedstate_anyio.ops import garbage
from sharedstate_anyio.ops.garbage import ROOM_BYTES, Growth, looked_for, only_young_objects
from tests.support.peer import open_client
from tests.support.services import threshold_service
from tests.support.services.command import started
from tests.support.services.servers import document, running, sqlite, until, write_config

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MEGABYTE = 1 << 20


class Knot:
    """An object that refers to itself: what only the garbage collector frees."""

    def __init__(self) -> None:
        self.itself = self


def full_collections() -> int:
    """The number of full collections so far."""
    return int(gc.get_stats()[2]["collections"])


@pytest.fixture
def unpaced() -> Iterator[None]:
    """Check that the process has its own thresholds again in the end."""
    before = gc.get_threshold()
    yield
    assert gc.get_threshold() == before


# What Python does by itself


@pytest.mark.usefixtures("unpaced")
def test_what_stays_is_never_looked_at_again() -> None:
    def grow() -> list[list[int]]:
        gc.collect()
        before = full_collections()
        kept: list[list[int]] = [[] for _ in range(500_000)]
        assert full_collections() == before
        return kept

    with pytest.raises(AssertionError):
        grow()  # otherwise this proves nothing
    with only_young_objects():
        grow()


@pytest.mark.usefixtures("unpaced")
def test_what_is_young_is_looked_at_as_always() -> None:
    with only_young_objects():
        knots: weakref.WeakSet[Knot] = weakref.WeakSet()
        for _ in range(100_000):
            knots.add(Knot())
        assert len(knots) < 50_000


# When everything is looked at


def test_a_quiet_server_is_looked_at_once() -> None:
    growth = Growth(50 * MEGABYTE)
    assert not growth.is_due(50 * MEGABYTE, 0)  # nobody has been here
    assert not growth.is_due(60 * MEGABYTE, 5)
    assert growth.is_due(60 * MEGABYTE, 0)
    growth.looked(55 * MEGABYTE, 0)
    assert not growth.is_due(55 * MEGABYTE, 0)


def test_a_server_that_holds_more_may_be_larger() -> None:
    growth = Growth(50 * MEGABYTE)
    memory, held = 50 * MEGABYTE, 10
    while held < 1_000_000:
        memory, held = 2 * memory + ROOM_BYTES + 1, 2 * held
        assert not growth.is_due(memory, held)
    assert not growth.is_due(2 * memory + ROOM_BYTES, held)
    assert growth.is_due(2 * memory + ROOM_BYTES + 1, held)


def test_garbage_among_what_stays_is_found() -> None:
    growth = Growth(50 * MEGABYTE)
    assert not growth.is_due(100 * MEGABYTE, 100)
    assert not growth.is_due(2 * 100 * MEGABYTE + ROOM_BYTES, 140)
    assert growth.is_due(2 * 100 * MEGABYTE + ROOM_BYTES + 1, 140)
    growth.looked(150 * MEGABYTE, 140)
    assert not growth.is_due(2 * 150 * MEGABYTE + ROOM_BYTES, 140)
    assert growth.is_due(2 * 150 * MEGABYTE + ROOM_BYTES + 1, 100)


def test_a_small_process_may_grow() -> None:
    growth = Growth(10 * MEGABYTE)
    assert not growth.is_due(20 * MEGABYTE, 5)
    assert not growth.is_due(200 * MEGABYTE, 5)


def test_the_memory_of_the_process_is_known() -> None:
    before = garbage.resident_bytes()
    block = b"x" * (64 * MEGABYTE)
    assert garbage.resident_bytes() - before > 32 * MEGABYTE
    del block


# In a server


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sharedstate_anyio.ops.garbage.LOOK_SECONDS", 0.001)


@pytest.mark.usefixtures("often", "unpaced")
async def test_nobody_is_there(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "sharedstate")
    seen: list[int] = []

    def held() -> int:
        seen.append(server.size)
        return seen[-1]

    async with running() as server, looked_for(held):
        async with open_client(server.port) as client:
            await client.get("/")
            assert server.size == 1
            await until(lambda: 1 in seen)
            knot = Knot()
            gc.collect(1)
            left = weakref.ref(knot)
            del knot
            await client.get("/")
            assert left() is not None
        await until(lambda: left() is None)
    record = next(r for r in caplog.records if "looked for garbage" in r.message)
    assert record.levelno == logging.DEBUG


@pytest.mark.usefixtures("often", "unpaced")
async def test_the_process_has_grown(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    memory = [50 * MEGABYTE]
    monkeypatch.setattr("sharedstate_anyio.ops.garbage.resident_bytes", lambda: memory[-1])
    looks: list[int] = []

    def held() -> int:
        looks.append(1)
        return 1

    async with looked_for(held):
        knot = Knot()
        gc.collect(1)
        left = weakref.ref(knot)
        del knot
        await until(lambda: len(looks) > 5)
        assert left() is not None
        memory.append(1000 * MEGABYTE)
        await until(lambda: left() is None)
    record = next(r for r in caplog.records if "looked for garbage" in r.message)
    assert record.levelno == logging.INFO


@pytest.mark.usefixtures("unpaced")
async def test_a_program_around_the_server_keeps_its_thresholds() -> None:
    before = gc.get_threshold()
    async with running():
        assert gc.get_threshold() == before


async def test_what_the_block_raises_passes_through_unchanged() -> None:
    with pytest.raises(KeyError):
        async with looked_for(lambda: 1):
            raise KeyError


async def test_the_command_sets_them(tmp_path: Path, anyio_backend_name: str) -> None:
    service: dict[str, object] = {
        "name": "tells",
        "module": threshold_service.MODULE,
        "config": {},
    }
    write_config(tmp_path, document(sqlite(), service))
    options = ("config.json", "--loop", anyio_backend_name)
    with started(*options, folder=tmp_path, log=tmp_path / "log") as command:
        async with open_client(command.port) as client:
            reply = await client.ask("PUT", "/app/tells/c", {"insert": [{"id": "a"}]})
        assert not reply["ok"]
        first, second, _ = gc.get_threshold()
        told = f"({first}, {second}, {garbage.NEVER})"
        await until(lambda: told in (tmp_path / "log").read_text())  # a thread writes it


async def test_the_size_of_a_server() -> None:
    async with running() as server:
        assert server.size == 0
        async with open_client(server.port) as client:
            await client.subscribe("/app/items/c", "/app/items/d")
            assert server.size == 1 + 2 + 2
