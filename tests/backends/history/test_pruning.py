"""Collections that hold nothing any more are forgotten, and no version is ever counted twice."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

import pytest

from sharedstate_backends.conformance.model import path, put, write_all
from sharedstate_backends.history import pruning, vectors
from sharedstate_core.storage import Committed, Condition, Cursor, Loaded, Rejected, Write
from sharedstate_core.updates import Update
from tests.backends.opening import opened
from tests.backends.restoring import MariaDbTables, SqliteFile
from tests.backends.rooms import come_and_go, prune

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sharedstate_backends import Backend
    from sharedstate_core.paths import CollectionPath
    from tests.backends.restoring import Restorable

P, Q = path("room"), path("kept")
RESET = Update((), {}, True)


@pytest.fixture(params=["sqlite", "mariadb"])
def database(request: pytest.FixtureRequest) -> Restorable:
    if request.param == "sqlite":
        return SqliteFile(request.getfixturevalue("file"))
    mysql: dict[str, Any] = request.getfixturevalue("mysql")
    return MariaDbTables(request.getfixturevalue("shared_mariadb"), mysql)


@pytest.fixture(autouse=True)
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the floor rise to what it must."""
    monkeypatch.setattr(pruning, "JUMP", 1)


@asynccontextmanager
async def three(database: Restorable) -> AsyncIterator[tuple[Backend, Backend, Backend]]:
    """Open three stores on the same data."""
    async with (
        opened(database.store()) as here,
        opened(database.store()) as there,
        opened(database.store()) as elsewhere,
    ):
        yield here, there, elsewhere


async def head(backend: Backend, collection: CollectionPath = P) -> Cursor:
    return (await backend.heads([collection]))[collection]


async def emptied(backend: Backend, collection: CollectionPath = P, updates: int = 1) -> Cursor:
    """Write so many updates, then remove what is there; return the state."""
    version = await write_all(
        backend, collection, *[put("a", value=n) for n in range(updates)], put(remove=["a"])
    )
    return Cursor((await head(backend, collection)).epoch, version)


async def test_an_emptied_collection_goes_and_comes_back_further_on(
    database: Restorable, said: list[str]
) -> None:
    async with opened(database.store()) as backend:
        await write_all(backend, Q, put("x"))
        before = await emptied(backend, updates=5)
        await prune(backend)
        assert database.count("_collections") == 1
        assert database.count("") == 1, "no tombstone is left of it"
        assert await head(backend) == before
        loaded = await backend.load(P, Cursor(before.epoch, 3))
        assert loaded == Loaded(before.epoch, 6, 6, []), "what was removed since is not known"
        assert (await backend.load(P, before)).base == 6
        assert await write_all(backend, P, put("b")) == 7
        assert [row.id for row in (await backend.load(P, before)).rows] == ["b"]
        assert (await backend.load(P, Cursor(before.epoch, 5))).base is None
        assert await head(backend, path("never")) == before, "nor is any other counted from 0"
        assert await head(backend, Q) == (before.epoch, 1)
        assert said == []


async def test_what_holds_something_or_is_used_stays(database: Restorable) -> None:
    async with opened(database.store()) as backend:
        await write_all(backend, Q, put("x"), put(remove=["x"]), put("y"))
        before = await emptied(backend)
        await prune(backend, {P})
        assert database.count("_collections") == 2
        since = Cursor(before.epoch, 1)
        assert (await backend.load(P, since)).base == 1, "and its tombstones"
        assert (await backend.load(Q, since)).base == 1
        await prune(backend, {Q})
        assert database.count("_collections") == 1


async def test_one_that_was_emptied_by_a_reset_goes_too(database: Restorable) -> None:
    async with opened(database.store()) as backend:
        await write_all(backend, P, put("a", "b"), RESET)
        await prune(backend)
        assert database.count("_collections") == 0
        assert await write_all(backend, P, put("a")) == 3


async def test_conditions_of_old_are_refused(database: Restorable) -> None:
    async with opened(database.store()) as backend:
        before = await emptied(backend)
        await emptied(backend, path("other"), updates=7)
        await prune(backend)
        assert (await head(backend)).version == 8
        old, now = Condition(before), Condition(await head(backend))
        ids = Condition(before, ("a",))
        writes = [Write(put("a"), condition) for condition in (old, ids, now)]
        result = await backend.commit(P, writes)
        refused, refused_too, stored = result.outcomes
        assert isinstance(refused, Rejected)
        assert isinstance(refused_too, Rejected)
        assert stored == Committed(9)


async def test_other_stores_on_the_same_data_take_it_for_what_it_is(
    database: Restorable, said: list[str]
) -> None:
    """They remember a head that is gone; one remembers that it was empty, one that it was not."""
    async with three(database) as (here, there, elsewhere):
        await write_all(there, P, put("a"))
        await head(elsewhere)
        before = await emptied(here)
        await head(there)
        await prune(here)
        for backend in (there, elsewhere):
            assert await head(backend) == before
        assert await write_all(there, P, put("b")) == before.version + 1
        assert await write_all(here, P, put("c")) == before.version + 2
        assert await write_all(elsewhere, P, put("d")) == before.version + 3
        await emptied(there)
        await prune(elsewhere)
        assert await write_all(here, P, put("e")) == before.version + 6
        assert said == [], "nothing was lost"


async def test_the_floor_stays_when_the_store_is_opened_again(database: Restorable) -> None:
    async with opened(database.store()) as backend:
        before = await emptied(backend)
        await prune(backend)
    async with opened(database.store()) as backend:
        assert await head(backend) == before
        assert await write_all(backend, P, put("b")) == before.version + 1


async def test_going_back_is_noticed_as_ever(database: Restorable, said: list[str]) -> None:
    """To before a collection was forgotten; and to when one that has come again was not there."""
    async with opened(database.store()) as backend:
        await write_all(backend, P, put("a"))
        backup = database.take()
        before = await emptied(backend)
        await prune(backend)
        assert await head(backend) == before
        database.put_back(backup)
        assert (await head(backend)).epoch != before.epoch
        assert len(said) == 1
        await emptied(backend)
        await prune(backend)
        backup = database.take()
        before = await head(backend)
        assert await write_all(backend, P, put("b")) == before.version + 1
        database.put_back(backup)
        assert (await head(backend)).epoch != before.epoch
        assert len(said) == 2


async def test_a_floor_that_rises_hides_no_loss(database: Restorable, said: list[str]) -> None:
    """A collection is lost that was not there before; then another one is emptied, and could go."""
    async with opened(database.store()) as backend:
        await emptied(backend, path("other"), updates=4)
        backup = database.take()
        await write_all(backend, P, put("lost"), put("lost too"))
        before = await head(backend)
        database.put_back(backup)
        await prune(backend)
        assert database.count("_collections") == 1, "it stays until the loss is noticed"
        assert (await head(backend)).epoch != before.epoch
        assert len(said) == 1
        await prune(backend)
        assert database.count("_collections") == 0


async def test_a_floor_that_rises_hides_no_loss_of_what_others_wrote(
    database: Restorable, said: list[str]
) -> None:
    async with opened(database.store()) as here, opened(database.store()) as there:
        await emptied(here, path("other"), updates=4)
        backup = database.take()
        await write_all(there, P, put("lost"), put("lost too"))
        before = await head(here)
        database.put_back(backup)
        await prune(here)
        assert database.count("_collections") == 1
        assert (await head(here)).epoch != before.epoch
        assert len(said) == 1


async def test_a_reader_of_a_lost_history_gets_everything(
    database: Restorable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An older backup was put in place while nobody was there; what it was, is as high as the floor must be."""
    monkeypatch.setattr(pruning, "JUMP", 10**12)
    async with opened(database.store()) as backend:
        await emptied(backend, path("other"))
    backup = database.take()
    async with opened(database.store()) as backend:
        await write_all(backend, P, put("lost"), put("lost too"))
        held = await head(backend)
    database.put_back(backup)
    async with opened(database.store()) as backend:
        assert held == ((await head(backend)).epoch, 2)
        await prune(backend)
        assert (await backend.load(P, held)).base is None
        assert await write_all(backend, P, put("new")) > held.version + 1
        assert (await backend.load(P, held)).base is None


async def test_who_watches_an_empty_collection_hears_nothing_of_others(
    database: Restorable, said: list[str]
) -> None:
    async with opened(database.store()) as here, opened(database.store()) as there:
        loaded = await here.load(P, None)
        before = await head(here)
        assert before == (loaded.epoch, loaded.version)
        for updates in (3, 6):
            await emptied(here, path("other"), updates=updates)
            await prune(here)
            assert await head(here) == before, "nothing has changed there"
        floor = await head(there)
        assert floor.version > before.version
        assert (await here.load(P, before)).version == floor.version
        assert await head(here) == floor
        await write_all(there, P, put("a"))
        assert (await head(here)).version == floor.version + 1
        await write_all(there, P, put(remove=["a"]))
        await prune(there)
        assert (await head(here)).version == floor.version + 2
        assert said == []


async def test_the_format_says_so_again_after_a_way_back(database: Restorable) -> None:
    async with opened(database.store()) as backend:
        await emptied(backend, updates=5)
        await prune(backend)
    database.sql(f"UPDATE {database.table}_meta SET value = '1' WHERE name = 'format'")
    database.sql(
        f"INSERT INTO {database.table}_collections ({database.key}, app, name, version, horizon, tombstones) "
        "VALUES (7, 'app', 'room', 1, 0, 0)"
    )
    async with opened(database.store()) as backend:
        await prune(backend)
        assert database.meta("format") == "2"
        assert (await head(backend)).version == 6


async def test_what_was_set_back_is_not_forgotten(database: Restorable, said: list[str]) -> None:
    """The loss would be taken for what was forgotten; it is left to the next look."""
    async with opened(database.store()) as backend:
        before = await emptied(backend)
        backup = database.take()
        await write_all(backend, P, put("lost"))
        database.put_back(backup)
        await prune(backend)
        assert database.count("_collections") == 1
        assert (await head(backend)).epoch != before.epoch
        assert len(said) == 1


async def test_it_goes_in_steps(database: Restorable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "EXAMINED", 4)
    monkeypatch.setattr(pruning, "TOMBSTONES", 5)
    async with opened(database.store()) as backend:
        for number in range(10):
            await write_all(backend, path(f"{number}"), put("a", "b", "c"))
            if number % 3:
                await write_all(backend, path(f"{number}"), put(remove=["a", "b", "c"]))
        steps = await prune(backend)
        assert steps > 4
        assert database.count("_collections") == 4
        assert database.count("") == 12
        assert await prune(backend) == 2
        assert await backend.collections("app") == ["0", "3", "6", "9"]


async def test_version_0_1_does_not_open_it_any_more(database: Restorable) -> None:
    """It would count from 0 again, in the same epoch."""
    async with opened(database.store()) as backend:
        await prune(backend)
        assert database.meta("format") == "1"
        await emptied(backend)
        assert database.meta("format") == "1"
        await prune(backend)
        assert database.meta("format") == "2"
    async with opened(database.store()):
        assert database.meta("format") == "2"


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_restored_store_has_its_floor_still(database: Restorable) -> None:
    async with opened(database.store()) as backend:
        await emptied(backend, updates=3)
        await write_all(backend, Q, put("x"))
        await prune(backend)
        store = cast("Any", database.store()).backend
        content = [portion async for portion in store.dump()]
        assert [portion.head.name for portion in content] == ["kept"]
        await store.restore(content)
        assert await write_all(backend, P, put("b")) == 5
        assert await write_all(backend, Q, put("y")) == 2


async def test_nobody_counts_a_version_twice_while_rooms_come_and_go(
    database: Restorable, said: list[str]
) -> None:
    async with three(database) as stores:
        await come_and_go(stores, 60)
    assert said == []


def test_who_was_anybody_goes_on() -> None:
    absent, goes_on = vectors.absent, vectors.goes_on
    state = vectors.State("e", 5, "v:3 w:5")
    assert goes_on(state, absent("e", 5))
    assert goes_on(state, absent("e", 9))
    assert not goes_on(state, absent("e", 4))
    assert goes_on(absent("e", 5), absent("e", 9))
    assert not goes_on(absent("e", 9), absent("e", 5))
    later = vectors.State("e", 10, vectors.with_writer(absent("e", 9).writers, "x", 10))
    assert goes_on(state, later)
    assert goes_on(absent("e", 9), later)
    assert not goes_on(vectors.State("e", 10, "*:9 w:10"), later)
    assert not goes_on(absent("e", 9), vectors.State("e", 10, "w:10")), "made from before that"
    assert not goes_on(absent("e", 9), vectors.State("e", 10)), "made by version 0.1"
    assert vectors.absent("e", 0) == vectors.State("e")
