"""Every statement of a transaction fails once, or for a while: nothing lost, nothing halved, and it goes on."""

from __future__ import annotations

import functools
import json
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from sharedstate_backends import OutcomeUnknownError, StorageError
from sharedstate_backends.conformance.model import path
from sharedstate_core.patches.patch import Patch
from sharedstate_core.storage import Committed, Write
from sharedstate_core.updates import Update
from tests.backends.opening import opened, sqlite
from tests.support.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable

    from sharedstate_backends import Backend
    from sharedstate_core.paths import CollectionPath

COLLECTIONS = [path(name) for name in "abc"]


@dataclass
class Fault:
    """Fails statements, by number: before they are carried out, or when they have been.

    Attributes:
        first: number of the first that fails, from 0; None for none.
        count: how many fail.
        met: how many did.
    """

    first: int | None = None
    count: int = 0
    after: bool = False
    number: int = 0
    met: int = 0

    def around(self, statement: Callable[[], Any]) -> Any:
        fails = self.first is not None and self.first <= self.number < self.first + self.count
        self.number += 1
        if not fails or self.after:
            result = statement()
        if fails:
            self.met += 1
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
            raise error
        return result


fault = Fault()


class FailingCursor(sqlite3.Cursor):
    def execute(self, *args: Any) -> Any:
        return fault.around(functools.partial(sqlite3.Cursor.execute, self, *args))

    def executemany(self, *args: Any) -> Any:
        return fault.around(functools.partial(sqlite3.Cursor.executemany, self, *args))


class FailingConnection(sqlite3.Connection):
    def cursor(self, factory: Any = None) -> Any:
        assert factory is None
        return super().cursor(FailingCursor)


def updates(ledger: Ledger, count: int) -> tuple[list[str], list[Write]]:
    pairs = [ledger.new("somebody") for _ in range(count)]
    writes = [
        Write(
            Update(
                tuple(update["remove"]),
                {item["id"]: json.dumps(item).encode() for item in update["insert"]},
            )
        )
        for _, update in pairs
    ]
    return [marker for marker, _ in pairs], writes


async def commit(backend: Backend, ledger: Ledger, collection: CollectionPath) -> None:
    markers, writes = updates(ledger, 2)
    try:
        result = await backend.commit(collection, writes)
    except OutcomeUnknownError:
        return
    except StorageError:
        ledger.refused.update(markers)
        return
    for marker, outcome in zip(markers, result.outcomes, strict=True):
        assert isinstance(outcome, Committed)
        ledger.acknowledged[marker] = outcome.version


async def commit_to_all(backend: Backend, ledgers: list[Ledger]) -> None:
    async with anyio.create_task_group() as tasks:
        for ledger, collection in zip(ledgers, COLLECTIONS, strict=True):
            tasks.start_soon(commit, backend, ledger, collection)


@pytest.mark.parametrize("count", [1, 2, 1000])
@pytest.mark.parametrize("after", [False, True])
async def test_every_statement_fails(
    file: str, monkeypatch: pytest.MonkeyPatch, *, count: int, after: bool
) -> None:
    """One alone, with its ROLLBACK, and all from there on; each time in merged commits of three collections."""
    connect = functools.partial(sqlite3.connect, factory=FailingConnection)
    monkeypatch.setattr("sharedstate_backends.sqlite.connection.sqlite3.connect", connect)
    ledgers = [Ledger() for _ in COLLECTIONS]
    unharmed = -1
    fault.first = None
    async with opened(sqlite(file)) as backend:
        for first in range(1000):
            await commit_to_all(backend, ledgers)
            fault.__init__(first, count, after)  # type: ignore[misc]
            await commit_to_all(backend, ledgers)
            fault.first = None
            acknowledged = [len(ledger.acknowledged) for ledger in ledgers]
            await commit_to_all(backend, ledgers)
            assert [len(ledger.acknowledged) - 2 for ledger in ledgers] == acknowledged, "stuck"
            for ledger, collection in zip(ledgers, COLLECTIONS, strict=True):
                ledger.check(await backend.load(collection, None))
            if not fault.met:
                unharmed = first
                break
    assert unharmed >= 6  # BEGIN, heads, items, removals, heads, COMMIT
    assert any(ledger.refused or ledger.unknown for ledger in ledgers)
    async with opened(sqlite(file)) as backend:
        for ledger, collection in zip(ledgers, COLLECTIONS, strict=True):
            ledger.check(await backend.load(collection, None))


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("after", [False, True])
async def test_every_statement_fails_under_increments(
    file: str, monkeypatch: pytest.MonkeyPatch, *, count: int, after: bool
) -> None:
    """Those that were acknowledged count once, those of an unknown outcome all or none."""
    connect = functools.partial(sqlite3.connect, factory=FailingConnection)
    monkeypatch.setattr("sharedstate_backends.sqlite.connection.sqlite3.connect", connect)
    patch = Patch("n", inc={"n": b"1"}, upsert=True)
    together = [Write(Update(patch=(patch, patch))), Write(Update(patch=(patch,)))]
    fewest = most = 0
    fault.first = None
    async with opened(sqlite(file)) as backend:
        await backend.commit(path(), [Write(Update(insert={"n": b'{"id":"n","p":1.10}'}))])
        for first in range(1000):
            fault.__init__(first, count, after)  # type: ignore[misc]
            try:
                await backend.commit(path(), together)
            except OutcomeUnknownError:
                most += 3
            except StorageError:
                pass
            else:
                fewest, most = fewest + 3, most + 3
            fault.first = None
            await backend.commit(path(), together)
            (row,) = (await backend.load(path(), None)).rows
            item = json.loads(row.text or b"")
            assert fewest + 3 <= item["n"] <= most + 3
            assert item["n"] % 3 == 0
            assert row.text == b'{"id":"n","p":1.10,"n":%d}' % item["n"]
            fewest = most = item["n"]
            if not fault.met:
                break
    assert first >= 7  # BEGIN, heads, rows, texts, items, heads, COMMIT
