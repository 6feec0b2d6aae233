"""A store in a dictionary: the least that a service of one's own must do."""

import secrets
from collections.abc import Mapping, Sequence
from functools import partial

from sharedstate_backends import Backend
from sharedstate_core import MismatchError, resolve, storage
from sharedstate_core.paths import CollectionPath
from sharedstate_core.receipts import Receipt, Receipts
from sharedstate_core.storage import CommitResult, Cursor, Loaded, Outcome, Row, Write


class DictionaryBackend:
    """Keeps, for each collection, its version and one row for every id it ever had."""

    takes_patches = True
    keeps_receipts = True

    def __init__(self) -> None:
        self.epoch = secrets.token_urlsafe(9)
        self.stored: dict[tuple[str, str], tuple[int, dict[str, Row]]] = {}
        self.receipts: dict[tuple[str, str], dict[str, Receipt]] = {}

    async def open(self) -> None: ...
    async def close(self) -> None: ...

    async def load(self, path: CollectionPath, since: Cursor | None) -> Loaded:
        version, rows = self.stored.get((path.app, path.collection), (0, {}))
        base = since[1] if since and since[0] == self.epoch and since[1] <= version else None
        changed = [row for row in rows.values() if row.version > (base or 0)]
        return Loaded(self.epoch, version, horizon=0, rows=changed, base=base)

    async def commit(self, path: CollectionPath, writes: Sequence[Write]) -> CommitResult:
        kept = self.receipts.setdefault((path.app, path.collection), {})
        receipts = Receipts(kept)
        outcomes: list[Outcome] = []
        for write in writes:
            version, _ = self.stored.get((path.app, path.collection), (0, {}))
            outcome = receipts.answer(write, version)
            if outcome is None:
                outcome = self.write(path, write)
                receipts.note(write, outcome)
            outcomes.append(outcome)
        kept.update(receipts.changed)
        return CommitResult(self.epoch, outcomes)

    def write(self, path: CollectionPath, write: Write) -> Outcome:
        version, rows = self.stored.get((path.app, path.collection), (0, {}))
        update, condition = write.update, write.condition
        seen = [rows[id].version for id in (condition and condition.ids) or () if id in rows]
        holds = partial(storage.condition_holds, epoch=self.epoch, horizon=0)
        if not holds(condition, version=version, versions=seen):
            return storage.Rejected("conflict", "the collection has changed", version)
        try:
            plain = resolve(update, lambda id: rows[id].text if id in rows else None)
        except MismatchError as error:
            return storage.Rejected.misfit(error, version)
        version += not update.is_noop
        for id in rows if plain.reset else plain.remove:
            if id in rows and rows[id].text is not None:
                rows[id] = Row(id, None, created=0, place=0, version=version)
        for index, (id, text) in enumerate(plain.insert.items()):
            old = rows.get(id)
            created, place = (old.created, old.place) if old and old.text else (version, index)
            rows[id] = Row(id, text, created, place, version)
        if version:
            self.stored[path.app, path.collection] = version, rows
        return storage.Committed(version)

    async def forget_receipts(self, before: int, most: int) -> bool:
        for kept in self.receipts.values():
            latest = sorted(kept, key=lambda session: kept[session].time)
            for number, session in enumerate(latest):
                if kept[session].time < before or number < len(latest) - most:
                    del kept[session]
        return False

    async def heads(self, paths: Sequence[CollectionPath]) -> Mapping[CollectionPath, Cursor]:
        return {path: Cursor(self.epoch, (await self.load(path, None)).version) for path in paths}

    async def collections(self, app: str) -> Sequence[str]:
        stored = [(key, rows.values()) for key, (_, rows) in self.stored.items() if key[0] == app]
        return sorted(name for (_, name), rows in stored if any(row.text for row in rows))


def get_service(config: Mapping[str, object]) -> Backend:
    return DictionaryBackend()
