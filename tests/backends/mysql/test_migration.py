"""Tables of the first generation in MariaDB, taken over."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from sharedstate_backends import StorageError
from sharedstate_backends.conformance.model import path, put, state_of, write_all
from sharedstate_backends.items_service import get_service
from tests.backends.legacy.older import (
    CREATE_IN_MYSQL,
    NAMES,
    Record,
    content_in_mysql,
    make_in_mysql,
    record,
)
from tests.backends.legacy.taking_over import done, migrate, states, until_listed, watch
from tests.backends.opening import opened

if TYPE_CHECKING:
    from tests.support.services.mariadb import MariaDb

pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"])  # as the command runs it


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
        "take it over with: sharedstate-anyio migrate"
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
        (("app", "c", "no json", '{"id":"no json"'), "data: is not JSON"),
        (("app", "c", "nan", '{"id":"nan","n":NaN}'), "data: holds NaN or Infinity"),
        (("app", "c", "string", '"string"'), "data: expected an object"),
        (("app", "c", "null", None), "data: is missing"),
        (("app", "c", "mine", '{"id":"yours"}'), 'data: the item says that its id is "yours"'),
        (("app", "c", "", '{"id":""}'), "data: id: expected a non-empty string"),
        (("app", "c", "a\0b", r'{"id":"a\u0000b"}'), "data: id: may not contain the character"),
        (record("app", "c/d", "x"), "chnl: is not a segment of a path"),
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
    with (
        shared_mariadb.meanwhile("BEGIN", f"UPDATE {table} SET data = data"),
        pytest.raises(StorageError, match="another program holds a lock"),
    ):
        await migrate(mysql | {"db_timeout": 2})
    assert content_in_mysql(shared_mariadb, table) == before
    assert (await migrate(mysql))[0] is not None


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
