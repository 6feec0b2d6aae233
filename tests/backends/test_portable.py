"""Saving and restoring whole stores: every row arrives, of one moment, in any kind of storage, or nothing changes."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from sharedstate_backends import Island, StorageError
from sharedstate_backends.conformance.model import path, put, state_of, write_all
from sharedstate_backends.items_service import get_service
from sharedstate_backends.portable import Census, CollectionHead, Portion, portable, portions
from sharedstate_core.storage import Condition, Cursor, Rejected, Row, Write

from .carrying import content, fill, held, loaded, saved, store
from .conformance.dictionary_backend import DictionaryBackend
from .opening import opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.services.mariadb import MariaDb

KINDS = ("sqlite", "mysql")


@pytest.fixture
def anyio_backend() -> str:
    """Return the loop of the commands that do this."""
    return "asyncio"


@pytest.fixture
def configs(tmp_path: Path, mysql: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return a configuration for each kind of storage."""
    file = {"db_type": "sqlite", "db_name": str(tmp_path / "items.db")}
    return {"sqlite": file, "mysql": mysql}


def another(config: dict[str, Any]) -> dict[str, Any]:
    """Return one for a second store beside it."""
    return {**config, "db_table": config.get("db_table", "items") + "_2"}


# There and back


@pytest.mark.parametrize("source", KINDS)
@pytest.mark.parametrize("target", KINDS)
async def test_from_any_store_into_any_other(
    source: str, target: str, configs: dict[str, dict[str, Any]]
) -> None:
    """Byte for byte, with order, versions and tombstones; and whoever resumed before gets everything."""
    old, new = configs[source], another(configs[target])
    await fill(old)
    await fill(new)
    async with opened(get_service(new)) as backend:
        await write_all(backend, path("too much"), put("a"))
        await write_all(backend, path("todo", app="ä"), put("too much"))
        before = await backend.load(path("todo", app="ä"), None)
    portions = await saved(old)
    assert portions == await saved(old)
    await store(new).restore(portions)
    assert await held(new) == content(portions)
    was, now = await loaded(old, "todo", app="ä"), await loaded(new, "todo", app="ä")
    assert list(state_of(now).items()) == list(state_of(was).items())
    assert (now.version, now.horizon) == (was.version, was.horizon)
    assert now.epoch not in {was.epoch, before.epoch}
    async with opened(get_service(new)) as backend:  # and it goes on from there
        await write_all(backend, path("todo", app="ä"), put("a", "new", remove=["c"]))
        assert (await backend.load(path("todo", app="ä"), None)).version == was.version + 1
        assert await backend.collections("app") == await listed(old)


async def listed(config: dict[str, Any]) -> list[str]:
    async with opened(get_service(config)) as backend:
        return list(await backend.collections("app"))


@pytest.mark.parametrize("kind", KINDS)
async def test_tombstones_are_counted_anew(
    kind: str, configs: dict[str, dict[str, Any]], shared_mariadb: MariaDb
) -> None:
    """Else they would never be pruned, or too early."""
    config = configs[kind]
    await fill(config)
    await store(config).restore(await saved(config))
    table = config.get("db_table", "items")
    query = (
        f"SELECT name, tombstones FROM {table}_collections WHERE app = 'app' ORDER BY tombstones"
    )
    if kind == "mysql":
        rows = [(name, int(count)) for name, count in shared_mariadb.sql(query, config["db_name"])]
    else:
        with closing(sqlite3.connect(config["db_name"])) as connection:
            rows = connection.execute(query).fetchall()
    counts = dict(rows)
    assert counts.pop("large") == counts.pop("reset") == 0
    assert set(counts.values()) == {1}


# One moment


@pytest.mark.parametrize("kind", KINDS)
async def test_a_dump_sees_one_moment_and_holds_up_nobody(
    kind: str, configs: dict[str, dict[str, Any]]
) -> None:
    config = configs[kind]
    await fill(config)
    before = content(await saved(config))
    seen: list[Portion] = []
    async with opened(get_service(config)) as backend:
        stream = store(config).dump()
        async for portion in stream:
            seen.append(portion)
            for name in ("large", "new", "todo"):
                await write_all(backend, path(name), put("a", str(len(seen)), remove=["1100"]))
    assert content(seen) == before
    assert len(seen) > len(before)


# What goes wrong


class BrokenOffError(Exception):
    pass


@pytest.mark.parametrize("kind", KINDS)
async def test_what_breaks_off_changes_nothing(
    kind: str, configs: dict[str, dict[str, Any]], shared_mariadb: MariaDb
) -> None:
    config = configs[kind]
    await fill(another(config))
    portions = await saved(another(config))
    async with opened(get_service(config)) as backend:
        await write_all(backend, path("todo"), put("old"))
        before = await backend.load(path("todo"), None)

    def broken() -> Iterator[Portion]:
        yield from portions[:-1]
        raise BrokenOffError

    def out_of_order() -> Iterator[Portion]:
        yield from portions[:-1]
        yield portions[0]

    for given, error in (
        (broken(), (BrokenOffError, StorageError)),
        (out_of_order(), StorageError),
    ):
        with pytest.raises(error):
            await store(config).restore(given)
        assert await loaded(config, "todo") == before
        assert len(await held(config)) == 1
    if kind == "mysql":
        (count,) = shared_mariadb.sql(f"SELECT COUNT(*) FROM {config['db_table']}", "sharedstate")
        assert count == ["1"]


@pytest.mark.parametrize("kind", KINDS)
async def test_there_is_nothing_to_save(kind: str, configs: dict[str, dict[str, Any]]) -> None:
    config = configs[kind]
    with pytest.raises(StorageError, match="there is no"):
        await saved({**config, "db_name": config["db_name"] + "2"})
    await fill(config)
    with pytest.raises(StorageError, match="there is no table other of SharedState's"):
        await saved({**config, "db_table": "other"})


@pytest.mark.parametrize("kind", KINDS)
async def test_an_empty_store(kind: str, configs: dict[str, dict[str, Any]]) -> None:
    config = configs[kind]
    async with opened(get_service(another(config))):
        pass
    assert await saved(another(config)) == []
    await fill(config)
    await store(config).restore([])
    assert await held(config) == {}


def test_not_every_store_can_do_it() -> None:
    assert portable(DictionaryBackend()) is None
    assert portable(Island(DictionaryBackend())) is None


# The rules


def portion(version: int = 3, *rows: Row, name: str = "c", horizon: int = 0) -> Portion:
    return Portion(CollectionHead("app", name, version, horizon), list(rows))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ([portion(name="d"), portion(name="c")], "/app/…/c comes after /app/…/d"),
        ([portion(), portion(4)], "comes after"),
        ([portion(name="a/b")], "three segments"),
        ([portion(name="/b")], "slash"),
        ([portion(name="..")], "may not be"),
        ([portion(name="")], "three segments"),
        ([portion(-1)], "version -1"),
        ([portion(2, horizon=3)], "horizon 3"),
        ([portion(2**63)], "version"),
        ([portion(3, Row("", b"{}", 1, 0, 1))], "comes after ''"),
        ([portion(3, Row("b", b"{}", 1, 0, 1), Row("a", b"{}", 1, 0, 1))], "'a' comes after 'b'"),
        (
            [portion(3, Row("a", b"{}", 1, 0, 1)), portion(3, Row("a", b"{}", 1, 0, 1))],
            "comes after",
        ),
        ([portion(3, Row("a\0", b"{}", 1, 0, 1))], "id"),
        ([portion(3, Row("é" * 128, b"{}", 1, 0, 1))], "id"),
        ([portion(3, Row("a", b"{}", 1, 0, 4))], "impossible"),
        ([portion(3, Row("a", b"{}", 2, 0, 1))], "impossible"),
        ([portion(3, Row("a", b"{}", 0, 0, 1))], "impossible"),
        ([portion(3, Row("a", b"{}", 1, -1, 1))], "impossible"),
        ([portion(3, Row("a", None, 1, 0, 1))], "impossible"),
        ([portion(3, Row("a", b"\xff", 1, 0, 1))], "not UTF-8"),
    ],
)
def test_what_no_store_can_hold(wrong: list[Portion], words: str) -> None:
    census = Census()
    *before, last = wrong
    for each in before:
        census.add(each)
    with pytest.raises(StorageError, match=words):
        census.add(last)


def test_portions_are_bounded() -> None:
    head = CollectionHead("app", "c", 3, 0)
    small = [Row(f"{number:04}", b"{}", 1, 0, 1) for number in range(1001)]
    assert [len(each.rows) for each in portions(head, small)] == [500, 500, 1]
    large = [Row(str(number), b"x" * 700_000, 1, 0, 1) for number in range(3)]
    assert [len(each.rows) for each in portions(head, large)] == [2, 1]
    assert list(portions(head, [])) == [Portion(head, [])]


async def test_conditions_of_before_do_not_hold(configs: dict[str, dict[str, Any]]) -> None:
    for config in configs.values():
        await fill(config)
        async with opened(get_service(config)) as backend:
            before = await backend.load(path("todo", app="ä"), None)
            await store(config).restore(await saved(config))
            seen = Condition(Cursor(before.epoch, before.version))
            result = await backend.commit(path("todo", app="ä"), [Write(put("x"), seen)])
            assert isinstance(result.outcomes[0], Rejected)
            assert result.epoch != before.epoch
