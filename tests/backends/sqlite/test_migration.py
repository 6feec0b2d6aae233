"""Tables of the first generation in SQLite, taken over."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from sharedstate_backends import StorageError
from sharedstate_backends.conformance.model import Model, check_full, path, put, state_of, write_all
from sharedstate_backends.legacy import migration
from sharedstate_backends.legacy.migration import Migrated
from sharedstate_core.updates import Update
from tests.backends.legacy.older import ANY_TYPES, CREATE, content, make, record
from tests.backends.legacy.taking_over import migrate_file, states_of_file
from tests.backends.opening import opened, sqlite


async def test_the_server_says_what_to_do(file: str) -> None:
    make(file, [record("app", "c", "a")])
    before = content(file)
    with pytest.raises(StorageError) as caught:
        async with opened(sqlite(file)):
            pass
    assert str(caught.value) == (
        f"{file}: table items holds data of an earlier SharedState; "
        "take it over with: sharedstate-anyio migrate"
    )
    assert content(file) == before


async def test_everything_is_there_and_goes_on(file: str) -> None:
    """Texts to the last byte, in the old order; a replaced item was a new row in the old table."""
    records = [record("app", "c", id, number=number) for number, id in enumerate("dcab")]
    records += [
        record("app", "c", "d", number=4),
        record("app", "other", "a"),
        record("b", "c", "x"),
    ]
    make(file, records)
    done, lines = await migrate_file(file)
    assert done == Migrated("items", "items_before_migration", 6, 6, 3)
    assert lines == []
    model = Model()
    texts = {
        id: data.encode()
        for app, name, id, data in records[1:5]
        if isinstance(data, str) and isinstance(id, str)
    }
    model.write(Update(insert=texts))
    assert list(texts) == ["c", "a", "b", "d"]
    async with opened(sqlite(file)) as backend:
        check_full(await backend.load(path("c"), None), model)
        update = put("e", "a", remove=["c", "a"])
        assert await write_all(backend, path("c"), update) == model.write(update) == 2
        check_full(await backend.load(path("c"), None), model)
        assert list(await backend.collections("app")) == ["c", "other"]
        assert list(await backend.collections("b")) == ["c"]
    assert [row[:3] + row[4:] for row in content(file)["items_before_migration"]] == [
        tuple(str(value).encode() for value in each) for each in records[1:]
    ]


async def test_ctime_goes_before_the_order_of_rows(file: str) -> None:
    make(file, [record("app", "c", id) for id in "abc"])
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("UPDATE items SET ctime = '2001-01-01 00:00:00' WHERE id = 'c'")
        connection.commit()
    await migrate_file(file)
    assert await states_of_file(file) == {"c": ["c", "a", "b"]}


async def test_a_table_without_a_key(file: str) -> None:
    create = ANY_TYPES.replace(", PRIMARY KEY (app, chnl, id)", "")
    make(file, [record("app", "c", "a"), record("app", "c", "a", n=1)], create=create)
    done, lines = await migrate_file(file)
    assert done == Migrated("items", "items_before_migration", 2, 1, 1)
    assert lines == ['row ("app", "c", "a"): left behind: another row has the id "a"']
    assert await states_of_file(file) == {"c": ["a"]}


@pytest.mark.parametrize(
    "create",
    [f"{CREATE} WITHOUT ROWID", CREATE.replace("app TEXT", "APP TEXT").replace(" id ", " Id ")],
)
async def test_tables_that_somebody_made_otherwise(file: str, create: str) -> None:
    make(file, [record("app", "c", id) for id in "ba"], create=create)
    with pytest.raises(StorageError, match="holds data of an earlier SharedState"):
        async with opened(sqlite(file)):
            pass
    with closing(sqlite3.connect(file)) as connection:  # as if they had come one after the other
        connection.execute("UPDATE items SET ctime = '2001-01-01 00:00:00' WHERE id = 'b'")
        connection.commit()
    assert await migrate_file(file) == (Migrated("items", "items_before_migration", 2, 2, 1), [])
    assert await states_of_file(file) == {"c": ["b", "a"]}


async def test_nothing_to_migrate(file: str) -> None:
    assert await migrate_file(":memory:") == (None, [])
    assert await migrate_file(file) == (None, [])
    assert not Path(file).exists()
    async with opened(sqlite(file)) as backend:
        await write_all(backend, path(), put("a"))
    before = content(file)
    assert await migrate_file(file) == (None, [])
    assert await migrate_file(file, "absent") == (None, [])
    assert content(file) == before


async def test_an_empty_table(file: str) -> None:
    make(file, [])
    assert await migrate_file(file) == (Migrated("items", "items_before_migration", 0, 0, 0), [])
    assert await states_of_file(file) == {}


async def test_twice_is_once(file: str) -> None:
    make(file, [record("app", "c", "a")])
    await migrate_file(file)
    before = content(file)
    assert await migrate_file(file) == (None, [])
    assert content(file) == before


async def test_services_that_share_a_file(file: str) -> None:
    make(file, [record("app", "c", "a")])
    make(file, [record("app", "c", "b")], table="others")
    await migrate_file(file)
    assert await states_of_file(file) == {"c": ["a"]}
    await migrate_file(file, "others")
    async with opened(sqlite(file, "others")) as backend:
        assert list(state_of(await backend.load(path("c"), None))) == ["b"]


@pytest.mark.parametrize("taken", ["items_before_migration", "items_meta", "items_collections"])
async def test_a_name_that_is_taken(file: str, taken: str) -> None:
    make(file, [record("app", "c", "a")])
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(f"CREATE TABLE {taken} (x)")
    before = content(file)
    with pytest.raises(StorageError, match=f"{file}: table {taken} is there already"):
        await migrate_file(file)
    assert content(file) == before


async def test_while_another_program_writes(file: str) -> None:
    """For example the old server: it has to be stopped first."""
    make(file, [record("app", "c", "a")])
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageError, match="is locked by another program"):
            await sqlite(file, busy_timeout=0).migrate(lambda _: None)
    assert (await migrate_file(file))[0] is not None


async def test_progress_of_a_large_table(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line now and then, whatever the size; and the order of many rows."""
    monkeypatch.setattr(migration, "PROGRESS_ROWS", 1000)
    ids = [f"id {number}" for number in range(3000)]
    random.Random(1).shuffle(ids)
    make(file, [record("app", f"c{number % 3}", id) for number, id in enumerate(ids)])
    done, lines = await migrate_file(file)
    assert done is not None
    assert done.taken == 3000
    assert lines == [f"{count},000 of 3,000 rows read" for count in (1, 2, 3)]
    assert await states_of_file(file) == {f"c{each}": ids[each::3] for each in range(3)}


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_killed_at_every_statement(file: str, tmp_path: Path) -> None:
    """Before or after, never between; and a second run ends as if there had been no first."""
    bad = ("app", "c", "bad", '{"id":"worse"}')
    make(file, [*(record("app", f"c{each % 3}", str(each)) for each in range(20)), bad])
    before = content(file)
    script = Path(__file__).with_name("migrating_process.py")
    command = [sys.executable, str(script), file, str(tmp_path)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=120).stdout
    count = int(output)
    assert count > 10
    await migrate_file(file)
    after = content(file)
    found = []
    for number in range(count):
        copy = str(tmp_path / f"{number}.db")
        found.append(content(copy))
        await migrate_file(copy)
        assert content(copy) == after
    assert found == [before] * (count - 1) + [after]
