"""A store in MariaDB: its tables, what fits in, and who else may be at it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from sharedstate_backends import Island, StorageError
from sharedstate_backends.conformance.model import (
    Model,
    check_every_version,
    path,
    put,
    state_of,
    write_all,
)
from sharedstate_backends.items_service import get_service
from sharedstate_backends.mysql.backend import MysqlBackend
from sharedstate_backends.mysql.wire.address import Address
from sharedstate_core.paths import CollectionPath
from sharedstate_core.storage import Committed, Condition, Cursor, Rejected, Write
from sharedstate_core.updates import Update
from tests.backends.legacy.taking_over import until_listed
from tests.backends.opening import opened, problem, start_writing

if TYPE_CHECKING:
    from sharedstate_backends import Backend
    from sharedstate_core.storage import Loaded
    from tests.support.services.mariadb import MariaDb


def address(config: dict[str, Any], **changes: object) -> Address:
    """Return the address in a configuration."""
    values = {
        "host": config["db_host"],
        "port": config["db_port"],
        "user": config["db_user"],
        "database": config["db_name"],
    }
    return Address(**(values | changes))


# --- tables ---------------------------------------------------------------------------------------


async def test_tables_of_others(mysql: dict[str, Any], shared_mariadb: MariaDb) -> None:
    name = mysql["db_table"]
    shared_mariadb.sql("CREATE DATABASE IF NOT EXISTS sharedstate")
    for suffix, columns, words in (
        ("", "x INT", f"table {name} is there already and is not SharedState's"),
        ("_meta", "x INT", f"table {name}_meta is there already"),
        (
            "",
            "app INT, chnl INT, id INT, ctime INT, data INT",
            "holds data of an earlier SharedState; take it over with",
        ),
    ):
        shared_mariadb.sql(f"CREATE TABLE {name}{suffix} ({columns})", "sharedstate")
        assert words in await problem(mysql)
        shared_mariadb.sql(f"DROP TABLE {name}{suffix}", "sharedstate")
    async with opened(get_service(mysql)):
        pass
    shared_mariadb.sql(f"UPDATE {name}_meta SET value = 7 WHERE name = 'format'", "sharedstate")
    assert "format 7 was made by another version" in await problem(mysql)


async def test_what_a_start_left_unfinished_is_completed(
    mysql: dict[str, Any], shared_mariadb: MariaDb
) -> None:
    async with opened(get_service(mysql)):
        pass
    name = mysql["db_table"]
    for statement in (f"DROP TABLE {name}_meta", f"TRUNCATE {name}_meta", f"DROP TABLE {name}"):
        shared_mariadb.sql(statement, "sharedstate")
        async with opened(get_service(mysql)) as backend:
            assert await write_all(backend, path(), put("a"))


async def test_the_epoch_stays(mysql: dict[str, Any], shared_mariadb: MariaDb) -> None:
    """It survives a start, unless it was deleted; also if the server may lose commits, but was not started since."""
    epochs = []
    for number in range(5):
        async with opened(get_service(mysql)) as backend:
            epochs.append((await backend.heads([path()]))[path()].epoch)
        if number == 1:
            statement = f"DELETE FROM {mysql['db_table']}_meta WHERE name = 'epoch'"
            shared_mariadb.sql(statement, "sharedstate")
        if number == 2:
            shared_mariadb.sql("SET GLOBAL innodb_flush_log_at_trx_commit = 2")
    shared_mariadb.sql("SET GLOBAL innodb_flush_log_at_trx_commit = 1")
    assert epochs[0] == epochs[1]
    assert epochs[2] == epochs[3] == epochs[4]
    assert len(set(epochs)) == 2


# --- sizes ----------------------------------------------------------------------------------------


async def test_items_of_several_megabytes(mysql: dict[str, Any]) -> None:
    """They need the more room in a packet the more is escaped in them."""
    texts = {
        "quotes": b"'" * 4_000_000,
        "backslashes": b"\\" * 4_000_000,
        "four bytes": "🗝".encode() * 1_000_000,
        "plain": b"x" * 7_000_000,
    }
    async with opened(get_service(mysql)) as backend:
        for id, text in texts.items():
            await write_all(backend, path(), Update(insert={id: text}))
        await write_all(backend, path("at once"), Update(insert=texts))
        await write_all(backend, path("many"), put(*map(str, range(20_000)), value="y" * 200))
        for name in ("collection", "at once"):
            assert state_of(await backend.load(path(name), None)) == texts
        assert len((await backend.load(path("many"), None)).rows) == 20_000


async def test_an_item_larger_than_a_packet_is_refused(mysql: dict[str, Any]) -> None:
    """The update alone is refused, its neighbours are stored."""
    async with opened(get_service(mysql)) as backend:
        writes = [
            Write(put("before")),
            Write(Update(insert={"huge": b"x" * 9_000_000})),
            Write(put("after")),
        ]
        first, refused, last = (await backend.commit(path(), writes)).outcomes
        assert (first, last) == (Committed(1), Committed(2))
        assert isinstance(refused, Rejected)
        assert refused.code == "too_large"
        assert "raise its max_allowed_packet" in refused.message
        assert list(state_of(await backend.load(path(), None))) == ["before", "after"]


async def test_nothing_is_cut(mysql: dict[str, Any], shared_mariadb: MariaDb) -> None:
    """Whatever the server's sql_mode: what does not fit is an error, and leaves nothing behind."""
    (mode,) = shared_mariadb.sql("SELECT @@GLOBAL.sql_mode")[0]
    shared_mariadb.sql("SET GLOBAL sql_mode = ''")
    try:
        async with opened(get_service(mysql)) as backend:
            with pytest.raises(StorageError, match="Data too long"):
                await backend.commit(path(), [Write(put("x" * 256, "a"))])
            assert (await backend.load(path(), None)).version == 0
            assert await write_all(backend, path(), put("x" * 255)) == 1
    finally:
        shared_mariadb.sql(f"SET GLOBAL sql_mode = '{mode}'")


async def test_global_settings_do_not_matter(
    mysql: dict[str, Any], shared_mariadb: MariaDb
) -> None:
    """Nothing of what is read or written depends on what new sessions are given."""
    hostile = {
        "sql_select_limit": 2,
        "completion_type": "'CHAIN'",
        "max_join_size": 1,
        "tx_read_only": 1,
        "autocommit": 0,
    }
    names = ", ".join(f"@@GLOBAL.{name}" for name in hostile)
    (before,) = shared_mariadb.sql(f"SELECT {names}")
    values = dict(zip(hostile, before, strict=True))
    ids = [f"k{number}" for number in range(9)]
    try:
        for name, value in hostile.items():
            shared_mariadb.sql(f"SET GLOBAL {name} = {value}")
        async with opened(get_service(mysql)) as backend:
            await write_all(backend, path(), put(*ids))
            await write_all(backend, path(), put("k8"))
            loaded = await backend.load(path(), None)
            assert list(state_of(loaded)) == ids
            condition = Condition(Cursor(loaded.epoch, 1), tuple(ids))
            (outcome,) = (await backend.commit(path(), [Write(put("x"), condition)])).outcomes
            assert isinstance(outcome, Rejected)
    finally:
        for name, value in values.items():
            quoted = value if value.isdecimal() else f"'{value}'"
            shared_mariadb.sql(f"SET GLOBAL {name} = {quoted}")


# --- tombstones -----------------------------------------------------------------------------------


async def test_tombstones_are_pruned(mysql: dict[str, Any]) -> None:
    """Their number is bounded, and what was pruned can be told from what was not, also after a restart."""
    model = Model()
    async with opened(
        Island(MysqlBackend(address(mysql), mysql["db_table"], max_tombstones=20))
    ) as backend:
        for number in range(60):
            ids = [f"{number} {place}" for place in range(3)]
            for update in (put(*ids), Update(remove=tuple(ids[:2]))):
                model.write(update)
                await write_all(backend, path(), update)
            loaded = await backend.load(path(), None)
            assert sum(row.text is None for row in loaded.rows) <= 22
        assert loaded.horizon > 60
        await check_every_version(backend, path(), model)
    async with opened(Island(MysqlBackend(address(mysql), mysql["db_table"]))) as backend:
        await check_every_version(backend, path(), model)
        again = await backend.load(path(), Cursor(loaded.epoch, loaded.horizon))
        assert again.base == loaded.horizon


# --- others ---------------------------------------------------------------------------------------


def test_several_processes(mysql: dict[str, Any]) -> None:
    """They also create the tables and the collection at once; every version is given to one of them."""
    processes = [start_writing(mysql, f"process {number}", 25) for number in range(4)]
    versions: list[int] = []
    for process in processes:
        output, _ = process.communicate()
        assert process.returncode == 0
        versions += map(int, output.split())
    assert sorted(versions) == list(range(1, 101))


async def test_two_stores_on_the_same_new_collections(mysql: dict[str, Any]) -> None:
    """Who comes second to a new collection finds it there; neither is told of the other."""
    versions: dict[str, list[int]] = {}
    async with opened(get_service(mysql)) as one, opened(get_service(mysql)) as two:

        async def write(number: int, backend: Backend) -> None:
            version = await write_all(backend, path(f"{number}"), put("a"))
            versions.setdefault(f"{number}", []).append(version)

        async with anyio.create_task_group() as tasks:
            for number in range(40):
                for backend in (one, two):
                    tasks.start_soon(write, number, backend)
    assert {tuple(sorted(pair)) for pair in versions.values()} == {(1, 2)}


ONE_ROW = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"
"""Else a statement locks every row that it looks at."""


async def test_a_lock_held_by_somebody(mysql: dict[str, Any], shared_mariadb: MariaDb) -> None:
    """Only the locked collection waits, and is refused in the end; the others go on."""
    heads = f"{mysql['db_table']}_collections"
    lock = f"SELECT * FROM {heads} WHERE name = 'locked' FOR UPDATE"
    finished: list[str] = []
    async with opened(get_service(mysql | {"db_timeout": 2})) as backend:
        for name in ("locked", "other"):
            await write_all(backend, path(name), put("a"))

        async def refused() -> None:
            with pytest.raises(StorageError, match="another program holds a lock"):
                await backend.commit(path("locked"), [Write(put("b"))])
            finished.append("locked")

        with shared_mariadb.meanwhile(ONE_ROW, "BEGIN", lock):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(refused)
                await until_listed(shared_mariadb, f"{heads}%FOR UPDATE")
                for _ in range(10):
                    await write_all(backend, path("other"), put("b"))
                finished.append("other")
        assert finished == ["other", "locked"]
        assert await write_all(backend, path("locked"), put("b")) == 2


@pytest.mark.parametrize(("number", "table"), [(1114, ""), (1021, "_collections")])
async def test_a_full_table_is_certain(
    number: int, table: str, mysql: dict[str, Any], shared_mariadb: MariaDb
) -> None:
    """It is refused before COMMIT, and the connection goes on."""
    async with opened(get_service(mysql)) as backend:
        await write_all(backend, path(), put("a"))
        trigger, on = f"{mysql['db_table']}_full", f"{mysql['db_table']}{table}"
        for event in ("INSERT", "UPDATE"):
            shared_mariadb.sql(
                f"CREATE TRIGGER {trigger}_{event} BEFORE {event} ON {on} FOR EACH ROW "
                f"SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = {number}, MESSAGE_TEXT = 'it is full'",
                "sharedstate",
            )
        with pytest.raises(StorageError, match=r"make room \(.*it is full\)$"):
            await backend.commit(path(), [Write(put("b"))])
        for event in ("INSERT", "UPDATE"):
            shared_mariadb.sql(f"DROP TRIGGER {trigger}_{event}", "sharedstate")
        assert [row.id for row in (await backend.load(path(), None)).rows] == ["a"]
        await write_all(backend, path(), put("c"))
        assert [row.id for row in (await backend.load(path(), None)).rows] == ["a", "c"]


async def test_a_load_after_doubt_waits_for_the_end(
    mysql: dict[str, Any], shared_mariadb: MariaDb
) -> None:
    """A lost transaction may still commit: what is loaded then is what comes of it."""
    backend = MysqlBackend(address(mysql), mysql["db_table"])
    heads = f"{mysql['db_table']}_collections"
    ghost = f"UPDATE {heads} SET version = version + 1 WHERE name = 'collection'"
    versions: list[int] = []

    async def load() -> None:
        versions.append((await island.load(path(), None)).version)

    async with opened(Island(backend)) as island:
        await write_all(island, path(), put("a"))
        async with anyio.create_task_group() as tasks:
            with shared_mariadb.meanwhile("BEGIN", ghost, at_last="COMMIT"):
                await load()
                backend._writer.doubtful.add(path())
                tasks.start_soon(load)
                await until_listed(shared_mariadb, f"UPDATE %{heads}%tombstones + 1%")
                assert versions == [1]
        assert versions == [1, 2]
        assert not backend._writer.doubtful


def test_killed_while_it_writes(mysql: dict[str, Any]) -> None:
    """A server process that is killed leaves every acknowledged update, no half, and no lock."""
    acknowledged = 0
    for turn in range(3):
        with start_writing(mysql, f"turn {turn}", 0) as process:
            assert process.stdout is not None
            versions = [int(process.stdout.readline()) for _ in range(10 + 7 * turn)]
            process.kill()
            versions += [int(line) for line in process.stdout.read().splitlines()]
        assert versions == list(range(versions[0], versions[0] + len(versions)))
        assert versions[0] in {acknowledged + 1, acknowledged + 2}
        acknowledged = versions[-1]
        loaded = anyio.run(load_once, mysql)
        state = {id: json.loads(text)["value"] for id, text in state_of(loaded).items()}
        assert loaded.version in {acknowledged, acknowledged + 1}
        assert len(state) == 2 + loaded.version
        assert list(state)[-1] == state["a"] == state["b"] == state[state["a"]]


async def load_once(config: dict[str, Any]) -> Loaded:
    async with opened(get_service(config)) as backend:
        return await backend.load(CollectionPath("app", "items", "collection"), None)
