"""Rows of the first generation: what becomes of each, and what cannot be taken over."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest

from sharedstate_backends.conformance.model import path, state_of
from sharedstate_backends.legacy.migration import Conversion, Migrated
from sharedstate_backends.legacy.rows import OldRow
from tests.backends.opening import opened, sqlite

from .older import ANY_TYPES, CREATE, NAMES, Record, content, make, record
from .taking_over import migrate_file, states_of_file


async def test_names_and_texts_of_every_kind(file: str) -> None:
    segments = [name for name in NAMES if name.isprintable()]
    records = [record(name, name, id, text=id * 3) for name in segments for id in NAMES]
    make(file, records)
    done, lines = await migrate_file(file)
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
        (("app", "c", "x", '{"id":"x"'), "data: is not JSON"),
        (("app", "c", "x", ""), "data: is not JSON"),
        (("app", "c", "x", '{"id":"x"},{"id":"y"}'), "data: is not JSON"),
        (("app", "c", "x", '{"id":"x","n":NaN}'), "data: holds NaN or Infinity"),
        (("app", "c", "x", '{"id":"x","n":[-Infinity]}'), "data: holds NaN or Infinity"),
        (("app", "c", "x", r'{"id":"x","t":"\ud800"}'), "data: holds half of a surrogate pair"),
        (("app", "c", "x", "[" * 100_000), "data: is not JSON"),
        (("app", "c", "x", '{"id":"x","a":' + "[" * 99 + "]" * 99 + "}"), "data: nested deeper"),
        (("app", "c", "x", '"x"'), "data: expected an object"),
        (("app", "c", "x", "null"), "data: expected an object"),
        (("app", "c", "x", '{"value":1}'), "data: id: is missing"),
        (("app", "c", "7", '{"id":7}'), "data: id: expected a string"),
        (("app", "c", "x", '{"id":"y"}'), 'data: the item says that its id is "y"'),
        (("app", "c", "x", None), "data: is missing"),
        (("app", "c", None, '{"id":"x"}'), "id: is missing"),
        (("app", "c", "", '{"id":""}'), "data: id: expected a non-empty string"),
        (("app", "c", "a\0b", r'{"id":"a\u0000b"}'), "data: id: may not contain the character U+0000"),
        (record("app", "c", "x" * 256), "data: id: longer than 255 bytes"),
        (record("app", "c/d", "x"), "chnl: is not a segment of a path"),
        (record("app", "", "x"), "chnl: is not a segment of a path"),
        (record("..", "c", "x"), "app: a segment may not be '..'"),
        (record("app", "c\n", "x"), "chnl: a segment holds a control character"),
        (record("a" * 129, "c", "x"), "app: a segment is longer than 128 bytes"),
        (("app", "c", "x", b'{"id":"x","t":"\xff"}'), "data: is not Unicode text"),
        (("app", "c", b"\xff", '{"id":"x"}'), "id: is not Unicode text"),
        (("app", "c", "x", b"7"), "data: expected an object"),
        (("app", 7, "x", '{"id":"x"}'), "chnl: is not text"),
        (("app", "c", "x", 0.5), "data: is not text"),
    ],
)  # fmt: skip
async def test_rows_that_cannot_be_taken_over(file: str, row: Record, reason: str) -> None:
    """Each is told of on one line, and is in the old table as it was; its neighbours come over."""
    neighbours = [record("app", "c", "a"), record("app", "c", "z")]
    make(file, [neighbours[0], row, neighbours[1]], create=ANY_TYPES)
    before = content(file)["items"]
    done, (line,) = await migrate_file(file)
    assert done == Migrated("items", "items_before_migration", 3, 2, 1)
    assert f": left behind: {reason}" in line
    assert line.isprintable()
    assert content(file)["items_before_migration"] == before
    assert await states_of_file(file) == {"c": ["a", "z"]}


async def test_text_that_is_no_unicode(file: str) -> None:
    """SQLite keeps it as text all the same."""
    make(file, [record("app", "c", "a"), record("app", "c", "b")])
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("""UPDATE items SET data = CAST(x'7bff7d' AS TEXT) WHERE id = 'a'""")
        connection.commit()
    _, (line,) = await migrate_file(file)
    assert line == 'row ("app", "c", "a"): left behind: data: is not Unicode text'
    assert await states_of_file(file) == {"c": ["b"]}


async def test_names_as_text_and_as_bytes(file: str) -> None:
    """They are the same names, though SQLite sorts them apart."""
    rows = [record("app", "c", "a"), record("app", "d", "x"), (b"app", b"c", b"b", b'{"id":"b"}')]
    make(file, rows, create=ANY_TYPES)
    done, lines = await migrate_file(file)
    assert (done, lines) == (Migrated("items", "items_before_migration", 3, 3, 2), [])
    assert await states_of_file(file) == {"c": ["a", "b"], "d": ["x"]}


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
    done, lines = await migrate_file(file)
    assert done == Migrated("items", "items_before_migration", 4, 2, 1)
    assert lines == [
        'row ("app", "c", "a"): left behind: another row has the id "a"',
        'row ("app", "c", "b"): left behind: another row has the id "b"',
    ]
    assert content(file)["items_before_migration"] == before
    async with opened(sqlite(file)) as backend:
        state = state_of(await backend.load(path("c"), None))
    assert state == {"a": b'{"id":"a","by":"text"}', "b": b'{"id":"b","by":"bytes"}'}


async def test_ids_that_were_one_under_the_old_collation(file: str) -> None:
    """Clients were shown the item's own id, so that is what they find; unless another row has it."""
    rows = [
        ("app", "c", "Key", '{"id":"kéy "}'),
        ("app", "c", "straße", '{"id":"STRASSE"}'),
        ("app", "c", "taken", '{"id":"TAKEN"}'),
        record("app", "c", "TAKEN"),
    ]
    make(file, rows)
    done, lines = await migrate_file(file)
    assert done is not None
    assert (done.rows, done.taken) == (4, 3)
    assert lines == [
        'row ("app", "c", "Key"): taken over as "kéy ", the id that its item says',
        'row ("app", "c", "straße"): taken over as "STRASSE", the id that its item says',
        'row ("app", "c", "taken"): left behind: another row has the id "TAKEN", which its item says',
    ]
    assert await states_of_file(file) == {"c": ["kéy ", "STRASSE", "TAKEN"]}


async def test_collections_that_were_one_under_the_old_collation(file: str) -> None:
    create = CREATE.replace("TEXT NOT NULL", "TEXT COLLATE NOCASE NOT NULL")
    rows = [record("App", "C", "a"), record("app", "c", "b"), record("app", "d", "a")]
    make(file, rows, create=create)
    _, lines = await migrate_file(file)
    assert lines == ['"/app/…/c" and "/App/…/C" were one collection and are two now']
    assert await states_of_file(file, "App") == {"C": ["a"]}
    assert await states_of_file(file) == {"c": ["b"], "d": ["a"]}


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
