"""Tables of the first generation in MariaDB, taken over."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from sharedstate_backends import StorageError
from sharedstate_backends.conformance.model import path, put, state_of, write_all
from sharedstate_backends.items_service import get_service
from sharedstate_backends.migration import Migrated
from sharedstate_backends.mysql_connection import Connection, LostError
from tests.support.mariadb import MariaDb, started

from .older import CREATE_IN_MYSQL, Record, content_in_mysql, make_in_mysql, record
from .opening import opened
from .test_migration import NAMES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from sharedstate_backends.mysql_connection import Rows

pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"])  # as the command runs it

Run = "Callable[[Connection, str], Awaitable[list[Rows]]]"


async def migrate(config: dict[str, Any]) -> tuple[Migrated | None, list[str]]:
    lines: list[str] = []
    backend = get_service(config)
    return await backend.migrate(lines.append), lines  # type: ignore[attr-defined]


async def states(config: dict[str, Any], app: str = "app") -> dict[str, list[str]]:
    """The ids of every collection, in order."""
    async with opened(get_service(config)) as backend:
        names = await backend.collections(app)
        return {name: list(state_of(await backend.load(path(name, app), None))) for name in names}


def done(config: dict[str, Any], rows: int, taken: int, collections: int) -> Migrated:
    table = config["db_table"]
    return Migrated(table, f"{table}_before_migration", rows, taken, collections)


@pytest.fixture
def table(mysql: dict[str, Any]) -> str:
    return str(mysql["db_table"])


# --- what is taken over ---------------------------------------------------------------------------


async def test_everything_is_there_and_goes_on(
    mysql: dict[str, Any], table: str, shared_mariadb: MariaDb
) -> None:
    """In the old order; the server says what to do before, and nothing any more afterwards."""
    records = [record("app", "c", id, number=number) for number, id in enumerate("dcab")]
    records += [record("app", "other", "a"), record("b", "c", "x")]
    make_in_mysql(shared_mariadb, table, records)
    before = content_in_mysql(shared_mariadb, table)
    with pytest.raises(StorageError) as caught:
        async with opened(get_service(mysql)):
            pass
    assert str(caught.value) == (
        f"table {table} holds data of an earlier SharedState; "
        "take it over with: sharedstate-anyio migrate config.json"
    )
    assert content_in_mysql(shared_mariadb, table) == before
    assert await migrate(mysql) == (done(mysql, 6, 6, 3), [])
    after = content_in_mysql(shared_mariadb, table)
    assert after[f"{table}_before_migration"] == before[table]
    assert await migrate(mysql) == (None, [])
    assert content_in_mysql(shared_mariadb, table) == after
    async with opened(get_service(mysql)) as backend:
        loaded = await backend.load(path("c"), None)
        assert state_of(loaded) == {str(id): str(data).encode() for _, _, id, data in records[:4]}
        assert (loaded.version, loaded.horizon) == (1, 0)
        assert await write_all(backend, path("c"), put("e", "a", remove=["c", "a"])) == 2
    assert await states(mysql) == {"c": ["d", "b", "e", "a"], "other": ["a"]}
    assert await states(mysql, "b") == {"c": ["x"]}


@pytest.mark.parametrize(
    "charset",
    ["utf8mb4 COLLATE utf8mb4_nopad_bin", "utf8 COLLATE utf8_nopad_bin", "binary", "latin1"],
)
async def test_names_and_texts_of_every_kind(
    charset: str, mysql: dict[str, Any], table: str, shared_mariadb: MariaDb
) -> None:
    usable = {"latin1": 0x100, "utf8": 0x10000}.get(charset.split(maxsplit=1)[0], 0x110000)
    names = [name for name in NAMES if max(map(ord, name)) < usable]
    if charset == "latin1":  # its collation takes some for others
        names = ["Key", "kéy2", " key", "straße", "a'b", 'a"b', "a;b", "%", "\\", "é" * 63]
    if charset == "binary":  # its columns have so many bytes
        names = [name for name in names if len(name.encode()) <= 64]
    else:
        names.append("é" * 64)
    segments = [name for name in names if name.isprintable()][:12]
    create = CREATE_IN_MYSQL.replace("SET utf8", f"SET {charset}")
    records: list[Record] = [
        (name, name, id, json.dumps({"id": id, "text": id * 3}, ensure_ascii=False))
        for name in segments
        for id in names
    ]
    make_in_mysql(shared_mariadb, table, records, create=create)
    assert await migrate(mysql) == (done(mysql, len(records), len(records), len(segments)), [])
    async with opened(get_service(mysql)) as backend:
        for name in segments:
            state = state_of(await backend.load(path(name, name), None))
            assert list(state) == names
            assert all(json.loads(text) == {"id": id, "text": id * 3} for id, text in state.items())


async def test_rows_that_cannot_be_taken_over(
    mysql: dict[str, Any], table: str, shared_mariadb: MariaDb
) -> None:
    """Each is told of on one line, and is in the old table as it was; its neighbours come over."""
    bad: list[tuple[Record, str]] = [
        (("app", "c", "no json", '{"id":"no json"'), "data: is no JSON"),
        (("app", "c", "nan", '{"id":"nan","n":NaN}'), "data: holds NaN or Infinity"),
        (("app", "c", "string", '"string"'), "data: expected an object"),
        (("app", "c", "null", None), "data: is missing"),
        (("app", "c", "mine", '{"id":"yours"}'), 'data: the item says that its id is "yours"'),
        (("app", "c", "", '{"id":""}'), "data: id: expected a non-empty string"),
        (("app", "c", "a\0b", r'{"id":"a\u0000b"}'), "data: id: may not contain the character"),
        (record("app", "c/d", "x"), "chnl: is no segment of a path"),
        (record("..", "c", "x"), "app: a segment may not be '..'"),
        (record("é" * 65, "c", "x"), "app: a segment is longer than 128 bytes"),
        (record("app", "c\n", "x"), "chnl: a segment holds a control character"),
    ]
    rows = [record("app", "c", "a"), *(row for row, _ in bad), record("app", "c", "z")]
    make_in_mysql(shared_mariadb, table, rows)
    before = content_in_mysql(shared_mariadb, table)[table]
    result, lines = await migrate(mysql)
    assert result == done(mysql, len(rows), 2, 1)
    assert len(lines) == len(bad)
    assert all(line.isprintable() for line in lines)
    for _, reason in bad:
        assert sum(f": left behind: {reason}" in line for line in lines) == 1, reason
    assert content_in_mysql(shared_mariadb, table)[f"{table}_before_migration"] == before
    assert await states(mysql) == {"c": ["a", "z"]}


async def test_items_of_several_megabytes(
    mysql: dict[str, Any], table: str, shared_mariadb: MariaDb
) -> None:
    """Somebody has made the column longer; one that our statements cannot hold is left behind."""
    create = CREATE_IN_MYSQL.replace("data TEXT", "data LONGTEXT")
    make_in_mysql(shared_mariadb, table, [], create=create)
    for id, letter, count in (("a", "x", 9_000_000), ("b", "é", 3_000_000), ("c", "y", 5)):
        data = f"""CONCAT('{{"id":"{id}","text":"', REPEAT('{letter}', {count}), '"}}')"""
        values = (
            f"SET NAMES utf8mb4; INSERT INTO {table} VALUES ('app', 'c', '{id}', NOW(), {data})"
        )
        shared_mariadb.sql(values, "sharedstate")
    result, (line,) = await migrate(mysql)
    assert result == done(mysql, 3, 2, 1)
    assert line.startswith('row ("app", "c", "a"): left behind: data: has 9000020 bytes, more than')
    async with opened(get_service(mysql)) as backend:
        state = state_of(await backend.load(path("c"), None))
    assert {id: len(text) for id, text in state.items()} == {"b": 6_000_020, "c": 25}


async def test_ids_that_were_one_under_the_old_collation(
    mysql: dict[str, Any], table: str, shared_mariadb: MariaDb
) -> None:
    """The second of them replaced the first one's data, and left its column; clients were shown the data."""
    rows = [
        *(record("app", "c", id) for id in ("Key", "kéy ", "other")),
        *(record(app, "C", id) for app, id in (("app", "a"), ("App", "b"))),
    ]
    make_in_mysql(shared_mariadb, table, rows)
    result, lines = await migrate(mysql)
    assert result == done(mysql, 4, 4, 3)
    assert sorted(lines) == [
        '"/app/…/C" and "/App/…/C" were one collection and are two now',
        '"/app/…/c" and "/App/…/C" were one collection and are two now',
        'row ("app", "c", "Key"): taken over as "kéy ", the id that its item says',
    ]
    assert await states(mysql) == {"C": ["a"], "c": ["kéy ", "other"]}
    assert await states(mysql, "App") == {"C": ["b"]}


async def test_ids_that_the_old_column_could_not_hold(
    mysql: dict[str, Any], table: str, shared_mariadb: MariaDb
) -> None:
    """MySQL cut them, or put question marks there, unless its sql_mode was strict."""
    (mode,) = shared_mariadb.sql("SELECT @@GLOBAL.sql_mode")[0]
    shared_mariadb.sql("SET GLOBAL sql_mode = ''")
    try:
        ids = ["🗝", "with 🗝🗝 in it", "é" * 70, "plain"]
        rows = [record("app", "c", id) for id in ids]
        make_in_mysql(shared_mariadb, table, [*rows, record("app", "c", "cut", text="y" * 70_000)])
    finally:
        shared_mariadb.sql(f"SET GLOBAL sql_mode = '{mode}'")
    columns = {row[2] for row in content_in_mysql(shared_mariadb, table)[table]}
    assert not columns & set(ids[:3])
    result, lines = await migrate(mysql)
    assert result == done(mysql, 5, 4, 1)
    assert [line.split(": ")[1] for line in lines] == [
        "left behind",
        *(f'taken over as "{id}", the id that its item says' for id in ids[:3]),
    ]
    assert await states(mysql) == {"c": ids}


# --- what stands in the way -----------------------------------------------------------------------


async def test_a_table_that_somebody_made_otherwise(
    mysql: dict[str, Any], table: str, shared_mariadb: MariaDb
) -> None:
    """Columns with capital letters, and no key: two rows are one item."""
    create = CREATE_IN_MYSQL.replace("app VARCHAR", "APP VARCHAR").replace("data TEXT", "Data TEXT")
    create = create.replace(", PRIMARY KEY (app, chnl, id)", "")
    rows = [record("app", "c", "a"), record("app", "c", "a", n=1), record("app", "c", "b")]
    make_in_mysql(shared_mariadb, table, rows, create=create)
    with pytest.raises(StorageError, match="holds data of an earlier SharedState"):
        async with opened(get_service(mysql)):
            pass
    line = 'row ("app", "c", "a"): left behind: another row has the id "a"'
    assert await migrate(mysql) == (done(mysql, 3, 2, 1), [line])
    assert await states(mysql) == {"c": ["a", "b"]}


async def test_nothing_to_migrate(
    mysql: dict[str, Any], table: str, shared_mariadb: MariaDb
) -> None:
    assert await migrate(mysql | {"db_name": "absent"}) == (None, [])
    assert await migrate(mysql) == (None, [])
    async with opened(get_service(mysql)) as backend:
        await write_all(backend, path(), put("a"))
    before = content_in_mysql(shared_mariadb, table)
    assert await migrate(mysql) == (None, [])
    assert content_in_mysql(shared_mariadb, table) == before
    make_in_mysql(shared_mariadb, f"{table}_empty", [])
    empty = mysql | {"db_table": f"{table}_empty"}
    assert await migrate(empty) == (done(empty, 0, 0, 0), [])


@pytest.mark.parametrize("suffix", ["_before_migration", "_meta", "_collections", "_migrating"])
async def test_a_name_that_is_taken(
    suffix: str, mysql: dict[str, Any], table: str, shared_mariadb: MariaDb
) -> None:
    """By somebody else, or by another service: not even one made by an earlier migration is dropped."""
    make_in_mysql(shared_mariadb, table, [record("app", "c", "a")])
    other = f"{table}{suffix}"
    make_in_mysql(shared_mariadb, other, [record("app", "c", "b")])
    if suffix == "_migrating":
        await migrate(mysql | {"db_table": other})

    def everything() -> list[list[list[str]]]:
        return [
            shared_mariadb.sql(f"SELECT * FROM {name}", "sharedstate") for name in (table, other)
        ]

    before = everything()
    with pytest.raises(StorageError, match=f"table {other} is there already"):
        await migrate(mysql)
    assert everything() == before


async def test_another_program_at_work(
    mysql: dict[str, Any], table: str, shared_mariadb: MariaDb
) -> None:
    """For example the old server in a transaction: it has to be stopped first."""
    make_in_mysql(shared_mariadb, table, [record("app", "c", "a")])
    before = content_in_mysql(shared_mariadb, table)
    statement = f"START TRANSACTION; UPDATE {table} SET data = data; DO SLEEP(3)"
    other = threading.Thread(target=shared_mariadb.sql, args=(statement, "sharedstate"))
    other.start()
    await until_listed(shared_mariadb, "DO SLEEP(3)")
    with pytest.raises(StorageError, match="another program holds a lock"):
        await migrate(mysql | {"db_timeout": 2})
    other.join()
    assert content_in_mysql(shared_mariadb, table) == before
    assert (await migrate(mysql))[0] is not None


async def until_listed(database: MariaDb, words: str) -> None:
    """Wait until a connection has such a statement or state."""
    deadline = time.monotonic() + 20
    query = f"SELECT COUNT(*) FROM information_schema.processlist WHERE CONCAT(state, info) LIKE '%{words}%' "
    while database.sql(f"{query} AND id <> CONNECTION_ID()") == [["0"]]:
        assert time.monotonic() < deadline
        await anyio.sleep(0.01)


async def test_an_old_server_that_still_writes(
    mysql: dict[str, Any],
    table: str,
    shared_mariadb: MariaDb,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its write waits while the rows are read, and then fails, since its table is gone: it is not lost unseen."""
    make_in_mysql(shared_mariadb, table, [record("app", "c", "a")])
    before = content_in_mysql(shared_mariadb, table)
    statement = f"REPLACE INTO {table} (app, chnl, id, data) VALUES ('app', 'c', 'a', 'late')"
    told: list[str] = []
    other = threading.Thread(
        target=lambda: told.append(shared_mariadb._client(statement, "sharedstate").stderr)
    )

    async def begin() -> None:
        other.start()
        await until_listed(shared_mariadb, "metadata lock%REPLACE INTO")

    watch(monkeypatch, "INSERT INTO `", before=begin)
    assert await migrate(mysql) == (done(mysql, 1, 1, 1), [])
    other.join()
    assert "Unknown column" in told[0] or "doesn't exist" in told[0]
    assert content_in_mysql(shared_mariadb, table)[f"{table}_before_migration"] == before[table]


async def test_two_at_once(mysql: dict[str, Any], table: str, shared_mariadb: MariaDb) -> None:
    """The second begins when the first has ended, and finds nothing to do."""
    make_in_mysql(shared_mariadb, table, [record("app", "c", str(each)) for each in range(50)])
    results = []

    async def work() -> None:
        results.append((await migrate(mysql))[0])

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(work)
        tasks.start_soon(work)
    assert results == [done(mysql, 50, 50, 1), None]


# --- interruptions --------------------------------------------------------------------------------


def watch(
    monkeypatch: pytest.MonkeyPatch,
    words: str,
    *,
    before: Callable[[], Awaitable[None]] | None = None,
    after: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Do something before or after the first packet that begins so."""
    run = Connection.run
    met = False

    async def watched(connection: Connection, statements: str, **options: Any) -> list[Rows]:
        nonlocal met
        mine = statements.lstrip().startswith(words) and not met
        met = met or mine
        if mine and before:
            await before()
        results = await run(connection, statements, **options)
        if mine and after:
            await after()
        return results

    monkeypatch.setattr(Connection, "run", watched)


def rows_of_every_kind() -> list[Record]:
    bad = ("app", "c", "bad", '{"id":"worse"}')
    return [*(record("app", f"c{each % 3}", str(each)) for each in range(20)), bad]


async def test_killed_before_every_statement(
    mysql: dict[str, Any], table: str, shared_mariadb: MariaDb
) -> None:
    """Before or after, never between; and a second run ends as if there had been no first."""
    make_in_mysql(shared_mariadb, table, rows_of_every_kind())
    most = 60
    copies = (
        f"CREATE TABLE {table}_{number} LIKE {table}; INSERT INTO {table}_{number} SELECT * FROM {table}"
        for number in range(most)
    )
    shared_mariadb.sql("; ".join(copies), "sharedstate")
    script = Path(__file__).with_name("migrating_in_mysql.py")
    command = [sys.executable, str(script), json.dumps(mysql), str(most)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=120).stdout
    count = int(output)
    assert count > 20
    before = list(content_in_mysql(shared_mariadb, table).values())
    await migrate(mysql)
    after = list(content_in_mysql(shared_mariadb, table).values())
    assert len(before) == 1
    assert len(after) == 4
    assert all(before + after)
    found = []
    for number in range(count):
        copy = f"{table}_{number}"
        found.append(list(content_in_mysql(shared_mariadb, copy).values()))
        await migrate(mysql | {"db_table": copy})
        assert list(content_in_mysql(shared_mariadb, copy).values()) == after
    turned = found.index(after)
    assert found == [before] * turned + [after] * (count - turned)
    assert turned > 20
    left = shared_mariadb.sql(f"SHOW TABLES LIKE '{table}%migrating%'", "sharedstate")
    assert left == []


@pytest.fixture(scope="module")
def own_mariadb(
    mariadb_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MariaDb]:
    """Return a MariaDB to be ill-treated."""
    with started(mariadb_template, tmp_path_factory.mktemp("own")) as database:
        yield database


@pytest.mark.parametrize(
    ("words", "when"),
    [
        ("CREATE TABLE", "after"),
        ("INSERT INTO", "before"),
        ("RENAME", "before"),
        ("UNLOCK", "before"),
        ("UNLOCK", "after"),
        ("RENAME", "after"),
    ],
)
async def test_the_database_dies(
    words: str, when: str, own_mariadb: MariaDb, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = f"dying_{words.split(maxsplit=1)[0].lower()}_{when}"
    config = own_mariadb.config(db_table=table)
    make_in_mysql(own_mariadb, table, rows_of_every_kind())
    before = content_in_mysql(own_mariadb, table)

    async def kill() -> None:
        own_mariadb.kill()

    with monkeypatch.context() as patch:
        watch(patch, words, **{when: kill})
        if (words, when) == ("RENAME", "after"):
            assert (await migrate(config))[0] is not None
        else:
            with pytest.raises(StorageError):
                await migrate(config)
    own_mariadb.start()
    found = content_in_mysql(own_mariadb, table)
    await migrate(config)
    after = content_in_mysql(own_mariadb, table)
    assert found in (before, after)
    assert after[f"{table}_before_migration"] == before[table]
    assert len(after[table]) == 20


@pytest.mark.parametrize("renamed", [1, 2, 3])
async def test_the_database_dies_within_rename(
    renamed: int,
    mysql: dict[str, Any],
    table: str,
    shared_mariadb: MariaDb,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of an older database, which moves one table after the other: a server does not start on what is left."""
    make_in_mysql(shared_mariadb, table, rows_of_every_kind())
    old = content_in_mysql(shared_mariadb, table)[table]
    run = Connection.run

    async def halting(connection: Connection, statements: str, **options: Any) -> list[Rows]:
        if not statements.startswith("RENAME"):
            return await run(connection, statements, **options)
        await run(connection, ", ".join(statements.split(", ")[:renamed]), **options)
        connection.close()
        raise LostError("dead")

    with monkeypatch.context() as patch:
        patch.setattr(Connection, "run", halting)
        with pytest.raises(LostError):
            await migrate(mysql)
    with pytest.raises(StorageError, match=f"{table}_before_migration holds data of an earlier"):
        async with opened(get_service(mysql)):
            pass
    result, lines = await migrate(mysql)
    assert result == done(mysql, 21, 20, 3)
    assert lines == ["an earlier migration, which was cut off at its very end, is complete now"]
    assert content_in_mysql(shared_mariadb, table)[f"{table}_before_migration"] == old
    assert await migrate(mysql) == (None, [])
    assert {name: len(ids) for name, ids in (await states(mysql)).items()} == {
        "c0": 7,
        "c1": 7,
        "c2": 6,
    }
