"""Receipts in SQLite: exactly once, whatever fails, and what they cost."""

from __future__ import annotations

import functools
import json
import sqlite3
import subprocess
import sys
from typing import TYPE_CHECKING

import anyio
import pytest

from sharedstate_backends import Island, OutcomeUnknownError, StorageError
from sharedstate_backends.conformance.model import path, put, write_all
from sharedstate_backends.conformance.patches import inc
from sharedstate_backends.conformance.receipts import forget_receipts, numbered
from sharedstate_backends.sqlite.backend import SqliteBackend
from sharedstate_backends.sqlite.receipts import FORGOTTEN
from sharedstate_core.storage import Committed
from tests.backends import numbered_process
from tests.backends.opening import opened, sqlite

from .test_commits import on_thread
from .test_statements import FailingConnection, fault

if TYPE_CHECKING:
    from sharedstate_backends import Backend
    from sharedstate_core.storage import Write


async def commit_until_known(backend: Backend, *writes: Write) -> list[Committed]:
    """Send it as a client does: again, until it is acknowledged."""
    while True:
        try:
            outcomes = (await backend.commit(path(), writes)).outcomes
        except (StorageError, OutcomeUnknownError):
            fault.first = None
            continue
        return [each for each in outcomes if isinstance(each, Committed)]


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("after", [False, True])
async def test_every_statement_fails(
    file: str, monkeypatch: pytest.MonkeyPatch, *, count: int, after: bool
) -> None:
    """What is sent again until it is acknowledged counts once, whichever statement fails, COMMIT too."""
    connect = functools.partial(sqlite3.connect, factory=FailingConnection)
    monkeypatch.setattr("sharedstate_backends.sqlite.connection.sqlite3.connect", connect)
    fault.first = None
    duplicates = 0
    async with opened(sqlite(file)) as backend:
        for first in range(1000):
            fault.__init__(first, count, after)  # type: ignore[misc]
            writes = [numbered(first + 1, inc("n", upsert=True), each) for each in ("me", "you")]
            outcomes = await commit_until_known(backend, *writes)
            met, fault.first = fault.met, None
            assert len({each.duplicate for each in outcomes}) == 1, "half of it"
            duplicates += outcomes[0].duplicate
            (row,) = (await backend.load(path(), None)).rows
            assert row.text == b'{"id":"n","n":%d}' % (2 * first + 2)
            if not met:
                break
    assert first >= 8  # BEGIN, heads, rows, texts, receipts, items, heads, receipts, COMMIT
    assert duplicates or not after


async def test_killed_while_it_writes(file: str) -> None:
    """A client whose server dies sends again what was not acknowledged, and each counts once."""
    config = json.dumps({"db_type": "sqlite", "db_name": file})
    number = 1
    for turn in range(4):
        command = [sys.executable, "-m", numbered_process.__name__, config, str(number)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            told = [process.stdout.readline() for _ in range(15 + 4 * turn)]
            process.kill()
            told += process.stdout.read().splitlines()
        for line in told:
            acknowledged, version = map(int, line.split())
            assert acknowledged == version == number
            number += 1
        if turn % 2:  # the last one may be there, unacknowledged
            async with opened(sqlite(file)) as backend:
                write = numbered(number, inc("n", upsert=True), "session")
                assert (await commit_until_known(backend, write))[0].version == number
                (row,) = (await backend.load(path(), None)).rows
                assert row.text == b'{"id":"n","n":%d}' % number
            number += 1


async def test_what_they_cost() -> None:
    """Nothing without numbers; with them a SELECT and an INSERT, however many collections and sessions."""
    backend = SqliteBackend()
    seen: list[str] = []
    async with opened(Island(backend)) as island:

        async def statements(*collections: str, session: str | None = None) -> list[str]:
            seen.clear()
            await on_thread(island, backend, lambda each: each.set_trace_callback(seen.append))
            async with anyio.create_task_group() as tasks:
                for name in collections:
                    if session is None:
                        tasks.start_soon(write_all, island, path(name), put("a"))
                    else:
                        writes = [numbered(1, put("a"), session), numbered(1, put("a"), "another")]
                        tasks.start_soon(island.commit, path(name), writes)
            await on_thread(island, backend, lambda each: each.set_trace_callback(None))
            return list(seen)

        await statements("one", "two", "three")
        without = await statements("one")
        assert not any("receipts" in each for each in without)
        for names in (["one"], ["one", "two", "three"]):
            kinds = [
                each.split()[0]
                for each in await statements(*names, session=f"session {len(names)}")
                if "receipts" in each
            ]
            transactions = seen.count("COMMIT")
            assert kinds == ["WITH", "INSERT"] * transactions
        assert len(await statements("one", session="third")) == len(without) + 2


async def test_forgetting_goes_by_small_steps() -> None:
    async with opened(Island(SqliteBackend())) as backend:
        count = 2 * FORGOTTEN + 10
        writes = [numbered(each + 1, put("a"), f"session {each}") for each in range(count)]
        await backend.commit(path(), writes)
        assert await backend.forget_receipts(0, 10)
        await forget_receipts(backend, 0, 10)
        outcomes = (await backend.commit(path(), writes[-11:])).outcomes
        assert [isinstance(each, Committed) and each.duplicate for each in outcomes] == [
            False,
            *[True] * 10,
        ]


async def test_a_file_of_a_version_that_knows_none(file: str) -> None:
    """The table is created, and the file remains one that such a version opens."""
    async with opened(sqlite(file)) as backend:
        await write_all(backend, path(), put("a"))
        epoch = (await backend.load(path(), None)).epoch
    with sqlite3.connect(file) as connection:
        connection.execute("DROP TABLE items_receipts")
    connection.close()
    async with opened(sqlite(file)) as backend:
        (outcome,) = (await backend.commit(path(), [numbered(1, put("b"))])).outcomes
        assert outcome == Committed(2)
        assert (await backend.load(path(), None)).epoch == epoch
    with sqlite3.connect(file) as connection:
        ((version,),) = connection.execute("SELECT value FROM items_meta WHERE name = 'format'")
    connection.close()
    assert version == "1"


async def test_a_table_of_somebody_else(file: str) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE items_receipts (paid INTEGER)")
    connection.close()
    with pytest.raises(StorageError, match="items_receipts is there already"):
        async with opened(sqlite(file)):
            pass
