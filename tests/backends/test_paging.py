"""Large collections are read in pages, and what comes of it is what there was at one moment."""

from __future__ import annotations

import random
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import pytest

from sharedstate_backends import Island, paging
from sharedstate_backends.items_service import get_service
from sharedstate_backends.mysql.backend import MysqlBackend
from sharedstate_backends.mysql.pages import Pages as MysqlPages
from sharedstate_backends.sqlite.backend import SqliteBackend
from sharedstate_backends.sqlite.pages import Pages as SqlitePages
from sharedstate_core import CollectionPath, Cursor, Loaded, Portions, Update, Write
from sharedstate_core.results import checked_load

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SIZE = 3
PATH = CollectionPath("app", "items", "list")

pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"])


@pytest.fixture(params=["memory", "file", "mariadb"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[SqliteBackend | MysqlBackend]:
    """Open a store that remembers few removals."""
    backend: SqliteBackend | MysqlBackend
    if request.param == "mariadb":
        config = request.getfixturevalue("mysql")
        island = get_service(config)
        assert isinstance(island, Island)
        assert isinstance(island.backend, MysqlBackend)
        backend = MysqlBackend(island.backend._address, config["db_table"], max_tombstones=2)
    elif request.param == "file":
        backend = SqliteBackend(request.getfixturevalue("file"), max_tombstones=2)
    else:
        backend = SqliteBackend(max_tombstones=2)
    await backend.open()
    yield backend
    await backend.close()


def pages_of(store: SqliteBackend | MysqlBackend) -> Any:
    if isinstance(store, SqliteBackend):
        return SqlitePages(store._tables, store._threads, PATH)
    return MysqlPages(store._tables, store._on_connection, set(), PATH)


async def write(store: Any, *updates: Update) -> None:
    await store.commit(PATH, [Write(update) for update in updates])


def insert(*ids: str) -> Update:
    return Update(insert={id: b'{"id":"%b"}' % id.encode() for id in ids})


class Disturbed:
    """A store's pages, with something else happening before each but the first."""

    def __init__(self, pages: Any, happens: Any) -> None:
        self._pages = pages
        self._happens = happens
        self.reads: list[int] = []
        self.limits: list[int | None] = []

    async def begin(self, since: Cursor | None, limit: int | None) -> paging.Begun[Any]:
        self.limits.append(limit)
        if self.reads:
            await self._happens()
        begun: paging.Begun[Any] = await self._pages.begin(since, limit)
        self.reads.append(len(begun.loaded.rows))
        return begun

    async def page(self, place: Any, upto: int, limit: int) -> Any:
        await self._happens()
        rows, end = await self._pages.page(place, upto, limit)
        self.reads.append(len(rows))
        return rows, end


async def at_once(store: Any, since: Cursor | None = None) -> Loaded:
    loaded: Loaded = (await pages_of(store).begin(since, None)).loaded
    return loaded


def check(found: Loaded, whole: Loaded) -> None:
    """Check that a load says what a single transaction does; it may know of more removals."""
    assert (found.version, found.horizon, found.base) == (
        whole.version,
        whole.horizon,
        whole.base,
    )
    checked_load(found, None if found.base is None else Cursor(found.epoch, found.base))
    key = attrgetter("id")
    live = sorted((row for row in found.rows if row.text is not None), key=key)
    assert live == sorted((row for row in whole.rows if row.text is not None), key=key)
    removed = {row.id: row.version for row in found.rows if row.text is None}
    known = {row.id: row.version for row in whole.rows if row.text is None}
    assert removed.items() >= known.items()
    assert all(version <= found.horizon for id, version in removed.items() if id not in known)


async def nothing() -> None:
    pass


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 7, 12])
@pytest.mark.parametrize("together", [False, True])
async def test_pages_are_whole_and_short(store: Any, count: int, together: bool) -> None:
    """Rows of one version are divided, too."""
    ids = [f"{n:02}" for n in range(count)]
    await write(store, *([insert(*ids)] if together else map(insert, ids)), Update(("00",)))
    pages = Disturbed(pages_of(store), nothing)
    found, heads = await paging.load(pages, None, SIZE)
    assert max(pages.reads) <= SIZE
    assert sum(pages.reads) == len(found.rows) == count
    assert isinstance(found.rows, Portions) == (count >= SIZE)
    check(found, await at_once(store))
    assert heads == (await pages_of(store).begin(None, None)).heads


async def test_what_changes_meanwhile_is_there_once(store: Any) -> None:
    await write(store, *map(insert, "abcdefghij"))
    numbers = iter(range(100))

    async def happens() -> None:
        n = next(numbers)
        await write(store, insert("abcdefghij"[n], "b", f"new-{n}"))

    pages = Disturbed(pages_of(store), happens)
    found, _ = await paging.load(pages, None, SIZE)
    assert pages.limits == [SIZE, None]
    check(found, await at_once(store))
    assert found.version == 10 + next(numbers)


@pytest.mark.parametrize("since", [None, 4])
@pytest.mark.parametrize("change", [Update(("c", "d", "e", "i", "j")), Update(reset=True)])
async def test_removals_that_are_forgotten_meanwhile(
    store: Any, change: Update, since: int | None
) -> None:
    """Pages that cannot tell are read again, and in the end all is read at once."""
    await write(store, *map(insert, "abcdefghij"))
    (epoch, version) = (await at_once(store)).epoch, 10
    cursor = None if since is None else Cursor(epoch, since)

    async def happens() -> None:
        for id in change.remove:
            await write(store, insert(id), Update((id,)))
        await write(store, insert(*"klmnopq"), change)

    pages = Disturbed(pages_of(store), happens)
    found, _ = await paging.load(pages, cursor, SIZE)
    assert found.version > version
    check(found, await at_once(store, cursor))


@pytest.mark.parametrize("seed", range(5))
async def test_whatever_happens(store: Any, seed: int) -> None:
    draw = random.Random(seed)
    ids = "abcdefghijkl"
    cursor: Cursor | None = None

    async def happens() -> None:
        for _ in range(draw.choice([0, 0, 1, 3])):
            some = draw.sample(ids, draw.randint(1, 4))
            update = insert(*some) if draw.random() < 0.6 else Update(tuple(some))
            if draw.random() < 0.05:
                update = Update(reset=True)
            await write(store, update)

    for _ in range(10):
        await happens()
        pages = Disturbed(pages_of(store), happens)
        found, _ = await paging.load(pages, cursor, SIZE)
        check(found, await at_once(store, cursor if found.base is not None else None))
        cursor = draw.choice([None, Cursor(found.epoch, found.version)])


async def test_a_backend_reads_in_pages(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "PAGE_ROWS", SIZE)
    await write(store, *map(insert, "abcdefghij"))
    found = await store.load(PATH, None)
    assert isinstance(found.rows, Portions)
    assert len(found.rows.take()) == SIZE
    assert len(found.rows) == 7
