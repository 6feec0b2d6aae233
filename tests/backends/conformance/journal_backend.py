"""A store in a journal, as the author of a plugin writes it: a line of JSON for each commit, fsynced, and memory.

A file belongs to one backend at a time. What a line tells is in memory only when the disk has it; both happen under
one lock, and whoever has it is not cancelled. Some lines begin an epoch: a string. Some tell which collection was
forgotten: an object.
"""

from __future__ import annotations

import json
import os
import secrets
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import anyio
from anyio import to_thread
from msgspec.structs import replace

from sharedstate_backends import OutcomeUnknownError, StorageError
from sharedstate_backends.pages import page_of
from sharedstate_backends.plan import MAX_TOMBSTONES, Head, Known, must_prune, names, plan
from sharedstate_core.paths import CollectionPath
from sharedstate_core.receipts import Receipt
from sharedstate_core.storage import CommitResult, Cursor, Loaded, Row

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Container, Mapping, Sequence
    from pathlib import Path

    from sharedstate_backends.plan import Plan
    from sharedstate_core.storage import Write


@dataclass
class Collection:
    """What is in memory of one."""

    head: Head = field(default_factory=Head)
    rows: dict[str, Row] = field(default_factory=dict)
    receipts: dict[str, Receipt] = field(default_factory=dict)


class Entry(NamedTuple):
    """What a commit changes: a line of the journal."""

    app: str
    name: str
    head: Head
    reset: bool
    rows: list[Row]
    receipts: Mapping[str, Receipt]

    def encode(self) -> bytes:
        rows = [
            (row.id, row.text and row.text.decode(), row.created, row.place, row.version)
            for row in self.rows
        ]
        receipts = {}
        for session, receipt in self.receipts.items():
            last, bits, *rest = receipt.columns()
            receipts[session] = last, bits.hex(), *rest
        told = [self.app, self.name, self.head, self.reset, rows, receipts]
        return json.dumps(told).encode() + b"\n"

    @classmethod
    def read(cls, told: Sequence[Any]) -> Entry:
        app, name, head, reset, rows, kept = told
        texts = [
            Row(id, None if text is None else text.encode(), *rest) for id, text, *rest in rows
        ]
        receipts = {
            session: Receipt.of(last, bytes.fromhex(bits), *rest)
            for session, (last, bits, *rest) in kept.items()
        }
        return cls(app, name, Head(*head), reset, texts, receipts)


@asynccontextmanager
async def shielded() -> AsyncIterator[None]:
    """Let the caller wait for what is within, cancelled or not."""
    with anyio.CancelScope(shield=True):
        yield


class JournalBackend:
    """A store in one file.

    Args:
        file: the journal; it is made if it is missing.
        max_tombstones: removed ids that are remembered in each collection.
    """

    takes_patches = True
    keeps_receipts = True

    def __init__(self, file: Path, max_tombstones: int = MAX_TOMBSTONES) -> None:
        self.file = file
        self.max_tombstones = max_tombstones
        self.epoch = ""
        self.size = 0  # of the file, as it was left here
        self.floor = 0  # of what was forgotten
        self.stored: dict[tuple[str, str], Collection] = {}
        self.lock = anyio.Lock()
        self.descriptor: int | None = None

    async def open(self) -> None:
        try:
            await to_thread.run_sync(self._read)
        except OSError as error:
            raise StorageError(f"{self.file}: {error.strerror}") from error

    def _read(self) -> None:
        self.descriptor = os.open(self.file, os.O_RDWR | os.O_CREAT, 0o640)
        self._read_lines()

    def _read_lines(self) -> None:
        whole, _, torn = self.file.read_bytes().rpartition(b"\n")
        self.size = len(whole) + bool(whole)
        if torn:
            os.truncate(self.file, self.size)
        self.stored.clear()
        self.floor = 0
        for line in whole.splitlines():
            self.read_line(json.loads(line))
        if not self.stored and not whole:
            self.begin_epoch()

    def read_line(self, told: Any) -> None:
        match told:
            case str():
                self.epoch = told
            case {"forget": [app, name]}:
                self.forget(app, name)
            case _:
                self.apply(Entry.read(told))

    def begin_epoch(self) -> None:
        self.epoch = self.draw_epoch()
        self.write_line(json.dumps(self.epoch).encode() + b"\n")

    def notice(self) -> None:
        """Begin an epoch if somebody has put an older file in place; nobody else makes it shorter.

        First the size that it had, then the one that it has: a commit in another thread makes both larger.
        """
        if self.descriptor is not None and self.size > self.file.stat().st_size:
            os.close(self.descriptor)
            self._read()
            self.begin_epoch()

    def draw_epoch(self) -> str:
        return secrets.token_urlsafe(9)

    async def close(self) -> None:
        async with shielded(), self.lock:
            if self.descriptor is not None:
                os.close(self.descriptor)
            self.descriptor = None

    async def load(self, path: CollectionPath, since: Cursor | None) -> Loaded:
        return self.loaded(path, since)

    def loaded(self, path: CollectionPath, since: Cursor | None) -> Loaded:
        self.notice()
        (version, horizon, _), rows = self.collection(path)
        base = None
        if since and since.epoch == self.epoch and horizon <= since.version <= version:
            base = since.version
        changed = [row for row in rows.values() if row.version > (base or 0)]
        return Loaded(self.epoch, version, horizon, changed, base)

    def collection(self, path: CollectionPath) -> tuple[Head, dict[str, Row]]:
        found = self.collection_of(self.key(path))
        return found.head, found.rows

    def collection_of(self, key: tuple[str, str]) -> Collection:
        return self.stored.get(key) or Collection(Head.absent(self.floor))

    def key(self, path: CollectionPath) -> tuple[str, str]:
        return path.app, path.collection

    async def commit(self, path: CollectionPath, writes: Sequence[Write]) -> CommitResult:
        async with self.lock, shielded():
            return await self.store(path, writes)

    async def store(self, path: CollectionPath, writes: Sequence[Write]) -> CommitResult:
        planned = self.plan(path, writes)
        if planned.head != self.collection(path)[0]:
            entry = self.entry(path, planned)
            await self.append(entry)
            self.apply(entry)
        return CommitResult(self.epoch, planned.outcomes)

    def plan(self, path: CollectionPath, writes: Sequence[Write]) -> Plan:
        self.notice()
        head, rows = self.collection(path)
        known = {
            id: Known(row.created, row.place, row.version, row.text)
            if (row := rows.get(id))
            else None
            for id in names(writes)
        }
        return plan(self.epoch, head, known, writes, receipts=self.receipts(path))

    def receipts(self, path: CollectionPath) -> dict[str, Receipt]:
        return self.collection_of(self.key(path)).receipts

    def entry(self, path: CollectionPath, planned: Plan) -> Entry:
        """Return what to write, each row as it will be."""
        before = {} if planned.reset else self.collection(path)[1]
        written = dict(planned.rows)
        for id, row in planned.upserts.items():
            old = before.get(id)
            live = old is not None and old.text is not None
            written[id] = (
                replace(row, created=old.created, place=old.place) if old and live else row
            )
        for id, version in planned.removals.items():
            if id in before and before[id].text is not None:
                written[id] = Row(id, None, 0, 0, version)
        head = planned.head
        if must_prune(head, self.max_tombstones):
            head = self.pruned(head, {**before, **written})
        return Entry(*self.key(path), head, planned.reset, list(written.values()), planned.receipts)

    def pruned(self, head: Head, rows: Mapping[str, Row]) -> Head:
        dead = sorted(row.version for row in rows.values() if row.text is None)
        if len(dead) > self.max_tombstones:
            head = head._replace(horizon=dead[-self.max_tombstones - 1])
        return head._replace(tombstones=sum(version > head.horizon for version in dead))

    async def append(self, entry: Entry) -> None:
        try:
            await to_thread.run_sync(self.write_line, entry.encode())
        except OSError as error:
            raise OutcomeUnknownError(f"{self.file}: {error.strerror}") from error

    def write_line(self, line: bytes) -> None:
        if self.descriptor is None:
            raise StorageError(f"{self.file}: is not open")
        os.lseek(self.descriptor, 0, os.SEEK_END)
        os.write(self.descriptor, line)
        os.fsync(self.descriptor)
        self.size = os.fstat(self.descriptor).st_size

    def apply(self, entry: Entry) -> None:
        key = (entry.app, entry.name)
        collection = self.stored.setdefault(key, self.collection_of(key))
        if entry.reset:
            collection.rows.clear()
        collection.rows.update({row.id: row for row in entry.rows})
        collection.receipts.update(entry.receipts)
        if entry.head.horizon > collection.head.horizon:
            for row in list(collection.rows.values()):
                if row.text is None and row.version <= entry.head.horizon:
                    del collection.rows[row.id]
        collection.head = entry.head

    async def heads(self, paths: Sequence[CollectionPath]) -> Mapping[CollectionPath, Cursor]:
        self.notice()
        return {path: Cursor(self.epoch, self.collection(path)[0].version) for path in paths}

    async def collections(self, app: str) -> Sequence[str]:
        self.notice()
        return sorted(
            name
            for (owner, name), collection in list(self.stored.items())
            if owner == app and not self.is_empty(collection)
        )

    def is_empty(self, collection: Collection) -> bool:
        return all(row.text is None for row in list(collection.rows.values()))

    def is_over(self, collection: Collection) -> bool:
        return self.is_empty(collection) and not collection.receipts

    async def apps(self) -> Sequence[str]:
        self.notice()
        stored = list(self.stored.items())  # to which a commit in another thread may add
        return sorted({app for (app, _), each in stored if not self.is_empty(each)})

    async def collections_page(self, app: str, after: str, limit: int) -> Sequence[str]:
        return page_of(await self.collections(app), after, limit)

    async def apps_page(self, after: str, limit: int) -> Sequence[str]:
        return page_of(await self.apps(), after, limit)

    async def prune(self, service: str, used: Container[CollectionPath]) -> bool:
        async with self.lock, shielded():
            self.notice()
            for (app, name), collection in self.stored.items():
                if self.is_over(collection) and CollectionPath(app, service, name) not in used:
                    line = json.dumps({"forget": [app, name]}).encode() + b"\n"
                    await to_thread.run_sync(self.write_line, line)
                    self.forget(app, name)
                    return True
        return False

    async def forget_receipts(self, before: int, most: int) -> bool:
        """In memory only: what is in the journal is known again when it is read."""
        for collection in self.stored.values():
            kept = collection.receipts
            for session in sorted(kept, key=lambda each: kept[each].time):
                if kept[session].time < before or len(kept) > most:
                    del kept[session]
        return False

    def forget(self, app: str, name: str) -> None:
        self.floor = max(self.floor, self.stored.pop((app, name)).head.version)
