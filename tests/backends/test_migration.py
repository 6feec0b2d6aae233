"""Tables of the first generation in SQLite, taken over."""

from __future__ import annotations

import json
import random
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from sharedstate_backends import StorageError
from sharedstate_backends.conformance.model import Model, check_full, path, put, state_of, write_all
from sharedstate_backends.migration import Conversion, Migrated, OldRow
from sharedstate_core.updates import Update

from .older import ANY_TYPES, CREATE, Record, content, make, record
from .opening import opened, sqlite


async def migrate(file: str, table: str = "items") -> tuple[Migrated | None, list[str]]:
    lines: list[str] = []
    return await sqlite(file, table).migrate(lines.append), lines


async def states(file: str, app: str = "app") -> dict[str, list[str]]:
    """The ids of every collection, in order."""
    async with opened(sqlite(file)) as backend:
        names = await backend.collections(app)
        return {name: list(state_of(await backend.load(path(name, app), None))) for name in names}


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
    done, lines = await migrate(file)
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
    await migrate(file)
    assert await states(file) == {"c": ["c", "a", "b"]}


NAMES = [
    "Key", "key", "kéy", "key  ", " key", "KEY", "ke\u0301y", "straße", "strasse", "\U0001f511", "\uffee", "日本語",
    "a'b", 'a"b', "a;b", "%", "\\", "\x7f", "\u2028", "\u200d", "é" * 63,
]  # fmt: skip


async def test_names_and_texts_of_every_kind(file: str) -> None:
    segments = [name for name in NAMES if name.isprintable()]
    records = [record(name, name, id, text=id * 3) for name in segments for id in NAMES]
    make(file, records)
    done, lines = await migrate(file)
    assert done is not None
    assert (done.taken, done.collections, lines) == (len(records), len(segments), [])
    async with opened(sqlite(file)) as backend:
        for name in segments:
            state = state_of(await backend.load(path(name, name), None))
            assert list(state) == NAMES
            assert all(json.loads(text) == {"id": id, "text": id * 3} for id, text in state.items())


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (("app", "c", "x", '{"id":"x"'), "data: is no JSON"),
        (("app", "c", "x", ""), "data: is no JSON"),
        (("app", "c", "x", '{"id":"x"},{"id":"y"}'), "data: is no JSON"),
        (("app", "c", "x", '{"id":"x","n":NaN}'), "data: holds NaN or Infinity"),
        (("app", "c", "x", '{"id":"x","n":[-Infinity]}'), "data: holds NaN or Infinity"),
        (("app", "c", "x", "[" * 100_000), "data: is no JSON"),
        (("app", "c", "x", '{"id":"x","a":' + "[" * 99 + "]" * 99 + "}"), "data: nested deeper"),
        (("app", "c", "x", '"x"'), "data: expected an object"),
        (("app", "c", "x", "null"), "data: expected an object"),
        (("app", "c", "x", '{"value":1}'), "data: id: expected a string"),
        (("app", "c", "7", '{"id":7}'), "data: id: expected a string"),
        (("app", "c", "x", '{"id":"y"}'), 'data: the item says that its id is "y"'),
        (("app", "c", "x", None), "data: is missing"),
        (("app", "c", None, '{"id":"x"}'), "id: is missing"),
        (("app", "c", "", '{"id":""}'), "data: id: expected a non-empty string"),
        (("app", "c", "a\0b", r'{"id":"a\u0000b"}'), "data: id: may not contain the character U+0000"),
        (record("app", "c", "x" * 256), "data: id: longer than 255 bytes"),
        (record("app", "c/d", "x"), "chnl: is no segment of a path"),
        (record("app", "", "x"), "chnl: is no segment of a path"),
        (record("..", "c", "x"), "app: a segment may not be '..'"),
        (record("app", "c\n", "x"), "chnl: a segment holds a control character"),
        (record("a" * 129, "c", "x"), "app: a segment is longer than 128 bytes"),
        (("app", "c", "x", b'{"id":"x","t":"\xff"}'), "data: is no Unicode text"),
        (("app", "c", b"\xff", '{"id":"x"}'), "id: is no Unicode text"),
        (("app", "c", "x", b"7"), "data: expected an object"),
        (("app", 7, "x", '{"id":"x"}'), "chnl: is no text"),
        (("app", "c", "x", 0.5), "data: is no text"),
    ],
)  # fmt: skip
async def test_rows_that_cannot_be_taken_over(file: str, row: Record, reason: str) -> None:
    """Each is told of on one line, and is in the old table as it was; its neighbours come over."""
    neighbours = [record("app", "c", "a"), record("app", "c", "z")]
    make(file, [neighbours[0], row, neighbours[1]], create=ANY_TYPES)
    before = content(file)["items"]
    done, (line,) = await migrate(file)
    assert done == Migrated("items", "items_before_migration", 3, 2, 1)
    assert f": left behind: {reason}" in line
    assert line.isprintable()
    assert content(file)["items_before_migration"] == before
    assert await states(file) == {"c": ["a", "z"]}


async def test_text_that_is_no_unicode(file: str) -> None:
    """SQLite keeps it as text all the same."""
    make(file, [record("app", "c", "a"), record("app", "c", "b")])
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("""UPDATE items SET data = CAST(x'7bff7d' AS TEXT) WHERE id = 'a'""")
        connection.commit()
    _, (line,) = await migrate(file)
    assert line == 'row ("app", "c", "a"): left behind: data: is no Unicode text'
    assert await states(file) == {"c": ["b"]}


async def test_names_as_text_and_as_bytes(file: str) -> None:
    """They are the same names, though SQLite sorts them apart."""
    rows = [record("app", "c", "a"), record("app", "d", "x"), (b"app", b"c", b"b", b'{"id":"b"}')]
    make(file, rows, create=ANY_TYPES)
    done, lines = await migrate(file)
    assert (done, lines) == (Migrated("items", "items_before_migration", 3, 3, 2), [])
    assert await states(file) == {"c": ["a", "b"], "d": ["x"]}


async def test_rows_that_are_one_after_decoding(file: str) -> None:
    """The old server asked for text, so the row whose key is text is the one that clients were shown."""
    rows: list[Record] = [
        (b"app", b"c", b"a", '{"id":"a","by":"bytes"}'),
        ("app", "c", "a", '{"id":"a","by":"text"}'),
        ("app", "c", b"b", '{"id":"b","by":"bytes"}'),
        ("app", b"c", "b", '{"id":"b","by":"more bytes"}'),
    ]
    make(file, rows, create=ANY_TYPES)
    before = content(file)["items"]
    done, lines = await migrate(file)
    assert done == Migrated("items", "items_before_migration", 4, 2, 1)
    assert lines == [
        'row ("app", "c", "a"): left behind: another row has the id "a"',
        'row ("app", "c", "b"): left behind: another row has the id "b"',
    ]
    assert content(file)["items_before_migration"] == before
    async with opened(sqlite(file)) as backend:
        state = state_of(await backend.load(path("c"), None))
    assert state == {"a": b'{"id":"a","by":"text"}', "b": b'{"id":"b","by":"bytes"}'}


async def test_a_table_without_a_key(file: str) -> None:
    create = ANY_TYPES.replace(", PRIMARY KEY (app, chnl, id)", "")
    make(file, [record("app", "c", "a"), record("app", "c", "a", n=1)], create=create)
    done, lines = await migrate(file)
    assert done == Migrated("items", "items_before_migration", 2, 1, 1)
    assert lines == ['row ("app", "c", "a"): left behind: another row has the id "a"']
    assert await states(file) == {"c": ["a"]}


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
    assert await migrate(file) == (Migrated("items", "items_before_migration", 2, 2, 1), [])
    assert await states(file) == {"c": ["b", "a"]}


async def test_ids_that_were_one_under_the_old_collation(file: str) -> None:
    """Clients were shown the item's own id, so that is what they find; unless another row has it."""
    rows = [
        ("app", "c", "Key", '{"id":"kéy "}'),
        ("app", "c", "straße", '{"id":"STRASSE"}'),
        ("app", "c", "taken", '{"id":"TAKEN"}'),
        record("app", "c", "TAKEN"),
    ]
    make(file, rows)
    done, lines = await migrate(file)
    assert done is not None
    assert (done.rows, done.taken) == (4, 3)
    assert lines == [
        'row ("app", "c", "Key"): taken over as "kéy ", the id that its item says',
        'row ("app", "c", "straße"): taken over as "STRASSE", the id that its item says',
        'row ("app", "c", "taken"): left behind: another row has the id "TAKEN", which its item says',
    ]
    assert await states(file) == {"c": ["kéy ", "STRASSE", "TAKEN"]}


async def test_collections_that_were_one_under_the_old_collation(file: str) -> None:
    create = CREATE.replace("TEXT NOT NULL", "TEXT COLLATE NOCASE NOT NULL")
    rows = [record("App", "C", "a"), record("app", "c", "b"), record("app", "d", "a")]
    make(file, rows, create=create)
    _, lines = await migrate(file)
    assert lines == ['"/app/…/c" and "/App/…/C" were one collection and are two now']
    assert await states(file, "App") == {"C": ["a"]}
    assert await states(file) == {"c": ["b"], "d": ["a"]}


def test_the_same_rows_as_text_or_bytes() -> None:
    """What a driver makes of a column is no matter."""
    texts = [OldRow("app", "c", "é", '{"id":"é"}'), OldRow("app", "c", "b", None)]
    results = []
    encoded = [OldRow(*(v.encode() if isinstance(v, str) else v for v in row)) for row in texts]
    for rows in (texts, encoded):
        lines: list[str] = []
        results.append(([*Conversion(lines.append, 2).items(rows)], lines))
    assert results[0] == results[1]
    assert len(results[0][0]) == len(results[0][1]) == 1


async def test_nothing_to_migrate(file: str) -> None:
    assert await migrate(":memory:") == (None, [])
    assert await migrate(file) == (None, [])
    assert not Path(file).exists()
    async with opened(sqlite(file)) as backend:
        await write_all(backend, path(), put("a"))
    before = content(file)
    assert await migrate(file) == (None, [])
    assert await migrate(file, "absent") == (None, [])
    assert content(file) == before


async def test_an_empty_table(file: str) -> None:
    make(file, [])
    assert await migrate(file) == (Migrated("items", "items_before_migration", 0, 0, 0), [])
    assert await states(file) == {}


async def test_twice_is_once(file: str) -> None:
    make(file, [record("app", "c", "a")])
    await migrate(file)
    before = content(file)
    assert await migrate(file) == (None, [])
    assert content(file) == before


async def test_services_that_share_a_file(file: str) -> None:
    make(file, [record("app", "c", "a")])
    make(file, [record("app", "c", "b")], table="others")
    await migrate(file)
    assert await states(file) == {"c": ["a"]}
    await migrate(file, "others")
    async with opened(sqlite(file, "others")) as backend:
        assert list(state_of(await backend.load(path("c"), None))) == ["b"]


@pytest.mark.parametrize("taken", ["items_before_migration", "items_meta", "items_collections"])
async def test_a_name_that_is_taken(file: str, taken: str) -> None:
    make(file, [record("app", "c", "a")])
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(f"CREATE TABLE {taken} (x)")
    before = content(file)
    with pytest.raises(StorageError, match=f"{file}: table {taken} is there already"):
        await migrate(file)
    assert content(file) == before


async def test_while_another_program_writes(file: str) -> None:
    """For example the old server: it has to be stopped first."""
    make(file, [record("app", "c", "a")])
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageError, match="is locked by another program"):
            await sqlite(file, busy_timeout=0).migrate(lambda _: None)
    assert (await migrate(file))[0] is not None


async def test_progress_of_a_large_table(file: str) -> None:
    """A line now and then, whatever the size; and the order of many rows."""
    ids = [f"id {number}" for number in range(30_000)]
    random.Random(1).shuffle(ids)
    make(file, [record("app", f"c{number % 3}", id) for number, id in enumerate(ids)])
    done, lines = await migrate(file)
    assert done is not None
    assert done.taken == 30_000
    assert lines == [f"{count},000 of 30,000 rows read" for count in (10, 20, 30)]
    assert await states(file) == {f"c{each}": ids[each::3] for each in range(3)}


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
    await migrate(file)
    after = content(file)
    found = []
    for number in range(count):
        copy = str(tmp_path / f"{number}.db")
        found.append(content(copy))
        await migrate(copy)
        assert content(copy) == after
    assert found == [before] * (count - 1) + [after]
