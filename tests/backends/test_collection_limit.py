"""A store takes no more collections than its operator wants, whoever invents names."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, cast

import anyio
import pytest

from sharedstate_backends import Island, collection_limit
from sharedstate_backends.conformance.model import path, put, write_all
from sharedstate_backends.items_service import get_service
from sharedstate_core.storage import Committed, Condition, Cursor, Rejected, Write
from sharedstate_core.updates import Update

from .opening import opened
from .rooms import prune

if TYPE_CHECKING:
    from collections.abc import Callable

    from sharedstate_backends import Backend
    from sharedstate_core.storage import Outcome

    Make = Callable[[int], Backend]

CLOCK = "sharedstate_backends.collection_limit.monotonic"
WORDS = "the service has 3 collections, as many as it may have (db_collections)"


@pytest.fixture(params=["memory", "file", "mariadb"])
def make(request: pytest.FixtureRequest) -> Make:
    if request.param == "mariadb":
        config: dict[str, Any] = request.getfixturevalue("mysql")
    else:
        name = ":memory:" if request.param == "memory" else request.getfixturevalue("file")
        config = {"db_type": "sqlite", "db_name": name}
    return lambda most: get_service(config | {"db_collections": most})


async def write(backend: Backend, name: str, *writes: Write) -> list[Outcome]:
    return list((await backend.commit(path(name), writes or [Write(put("a"))])).outcomes)


async def test_one_collection_too_many_is_refused(make: Make) -> None:
    async with opened(make(3)) as backend:
        for name in "abc":
            assert await write(backend, name) == [Committed(1)]
        for _ in range(2):
            assert await write(backend, "d") == [Rejected("too_many", WORDS, 0)]
        assert await write(backend, "a") == [Committed(2)], "what is there may be written to"
        assert await write(backend, "d", Write(Update())) == [Committed(0)]
        epoch = (await backend.heads([path("d")]))[path("d")].epoch
        old = Condition(Cursor("old", 7))
        now = Condition(Cursor(epoch, 0))
        writes = [Write(put("a"), now), Write(Update()), Write(put("a"), old), Write(put("b"))]
        refused, nothing, conflict, refused_too = await write(backend, "d", *writes)
        assert nothing == Committed(0)
        assert refused == refused_too == Rejected("too_many", WORDS, 0)
        assert isinstance(conflict, Rejected)
        assert (conflict.code, conflict.version) == ("conflict", 0)
        writes = [Write(put("a")), Write(put("b"), now)]
        assert await write(backend, "d", *writes) == [Rejected("too_many", WORDS, 0)] * 2
        assert (await backend.load(path("d"), None)).rows == []
        assert await backend.collections("app") == ["a", "b", "c"]


async def test_commits_that_come_together(make: Make) -> None:
    """As many as fit are taken, in one transaction."""
    async with opened(make(3)) as backend:
        outcomes: list[Outcome] = []

        async def one(name: str) -> None:
            outcomes.extend(await write(backend, name))

        async with anyio.create_task_group() as tasks:
            for name in "abcdefgh":
                tasks.start_soon(one, name)
        assert outcomes.count(Committed(1)) == 3
        assert outcomes.count(Rejected("too_many", WORDS, 0)) == 5
        assert len(await backend.collections("app")) == 3


async def test_what_was_forgotten_makes_room(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(make(3)) as backend:
        for name in "abc":
            await write(backend, name)
        await write_all(backend, path("b"), put(remove=["a"]))
        assert await write(backend, "d") == [Rejected("too_many", WORDS, 0)]
        await prune(backend)
        (refused,) = await write(backend, "d")
        assert isinstance(refused, Rejected), "it was counted just now"
        later = time.monotonic() + collection_limit.FULL_SECONDS + 1
        monkeypatch.setattr(CLOCK, lambda: later)
        assert await write(backend, "d") == [Committed(refused.version + 1)]


async def test_others_make_collections_too(
    make: Make, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "memory" in request.node.name:
        pytest.skip("a store in memory has no others")
    clock = 0.0
    monkeypatch.setattr(CLOCK, lambda: clock)
    async with opened(make(10)) as here, opened(make(10)) as there:
        await write(here, "a")
        for number in range(9):
            await write(there, f"{number}")
        assert await write(here, "b") == [Committed(1)], "not counted again yet"
        clock += collection_limit.COUNT_SECONDS
        (refused,) = await write(here, "c")
        assert isinstance(refused, Rejected)


def test_it_is_counted_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = 100.0
    monkeypatch.setattr(CLOCK, lambda: clock)
    known = collection_limit.CollectionLimit(5)
    assert known.must_count()
    known.counted(2)
    for _ in range(3):
        assert not known.must_count()
        assert known.take()
    assert not known.take()
    assert not known.must_count()
    clock += collection_limit.FULL_SECONDS
    assert known.must_count()
    known.counted(5)
    assert not known.take()
    clock += collection_limit.FULL_SECONDS - 1
    assert not known.must_count()
    clock += 1
    assert known.must_count()
    known.counted(7)
    assert not known.take()


def test_the_default(file: str) -> None:
    backend = get_service({"db_type": "sqlite", "db_name": file})
    assert isinstance(backend, Island)
    assert (
        cast("Any", backend.backend)._writer._commits._limit.limit
        == collection_limit.MAX_COLLECTIONS
    )
