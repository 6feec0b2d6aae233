# ruff: noqa: S101 (asserts are how a suite of cases speaks)
"""A naive model of what a collection must hold after each version, and checks against it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sharedstate_core.paths import CollectionPath
from sharedstate_core.storage import Committed, Cursor, Write
from sharedstate_core.updates import Update, apply, resolve

from .rules import Rule

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sharedstate_backends.contract import Backend
    from sharedstate_core.storage import Loaded, Row


def path(collection: str = "collection", app: str = "app") -> CollectionPath:
    """Return a collection's path; backends ignore the service's name."""
    return CollectionPath(app, "service", collection)


def item_text(id: str, value: object = None) -> bytes:
    """Return an item as JSON text in UTF-8."""
    return json.dumps({"id": id, "value": value}, ensure_ascii=False).encode()


def put(*ids: str, value: object = None, remove: Sequence[str] = ()) -> Update:
    """Return an update that removes some ids, then sets an item for each of the others."""
    return Update(tuple(remove), {id: item_text(id, value) for id in ids})


def by_id(rows: Iterable[Row]) -> list[Row]:
    """Return rows sorted by id."""
    return sorted(rows, key=lambda row: row.id)


async def write_all(backend: Backend, collection: CollectionPath, *updates: Update) -> int:
    """Commit each update by itself; return the last version."""
    version = 0
    for update in updates:
        (outcome,) = (await backend.commit(collection, [Write(update)])).outcomes
        assert isinstance(outcome, Committed), (
            f"{Rule.COMMIT}: an update without condition was refused: {outcome}"
        )
        version = outcome.version
    return version


class Model:
    """Every state of one collection, by version, and when each id was last touched."""

    def __init__(self) -> None:
        self.states: list[dict[str, bytes]] = [{}]
        self.touched: dict[str, int] = {}
        self.created: dict[str, int] = {}
        self.last_reset = 0

    @property
    def version(self) -> int:
        """The collection's version."""
        return len(self.states) - 1

    @property
    def state(self) -> dict[str, bytes]:
        """The items' texts by id, in order."""
        return self.states[-1]

    def write(self, update: Update) -> int:
        """Apply an update, whose patches must fit; return the version after it."""
        if update.is_noop:
            return self.version
        before = self.state
        update = resolve(update, before.get)
        self.states.append(apply(before, update))
        if update.reset:
            self.last_reset = self.version
            gone = set(before)
        else:
            gone = {id for id in update.remove if id in before}
        for id in gone:
            self.touched[id] = self.version
            del self.created[id]
        for id in update.insert:
            self.touched[id] = self.version
            self.created.setdefault(id, self.version)
        return self.version


def state_of(loaded: Loaded) -> dict[str, bytes]:
    """Return the items of a full load, in order of insertion."""
    assert loaded.base is None, f"{Rule.LOAD}: everything is to be told, and `base` is None then"
    live = sorted(loaded.rows, key=lambda row: (row.created, row.place))
    return {row.id: row.text for row in live if row.text is not None}


def as_update(loaded: Loaded) -> Update:
    """Return the update that leads from a load's `base` to its version."""
    assert loaded.base is not None, f"{Rule.LOAD}: `base` is missing"
    rows = sorted(loaded.rows, key=lambda row: (row.created, row.place))
    again = {row.id for row in rows if row.text is None or row.created > loaded.base}
    return Update(tuple(again), {row.id: row.text for row in rows if row.text is not None})


def check_full(loaded: Loaded, model: Model) -> None:
    """Check a load without `since`: version, items, order, and the fields of each row."""
    check_version(loaded, model)
    assert 0 <= loaded.horizon <= loaded.version, f"{Rule.LOAD}: a horizon that cannot be"
    state = state_of(loaded)
    assert state == model.state, f"{Rule.COMMIT}: other items than were written"
    assert list(state) == list(model.state), f"{Rule.ORDER}"
    assert len({row.id for row in loaded.rows}) == len(loaded.rows), (
        f"{Rule.LOAD}: an id has two rows"
    )
    for row in loaded.rows:
        assert row.version == model.touched.get(row.id), (
            f"{Rule.LOAD}: {row}, last touched by another version"
        )
        if row.text is None:
            assert (row.created, row.place) == (0, 0), f"{Rule.LOAD}: {row}, a tombstone"
        else:
            assert row.created == model.created[row.id], (
                f"{Rule.ORDER}: {row}, created by another version"
            )
    told = {row.id for row in loaded.rows}
    missing = {id for id, version in model.touched.items() if version > loaded.horizon} - told
    assert not missing, f"{Rule.LOAD}: of {missing}, tombstones above the horizon are missing"


def check_version(loaded: Loaded, model: Model) -> None:
    """Check the version of a load."""
    assert loaded.version >= model.version, f"{Rule.KEEP}: a version is gone that was told"
    assert loaded.version == model.version, f"{Rule.COMMIT}: a version that nobody has made"


def check_since(loaded: Loaded, model: Model, version: int) -> None:
    """Check a load since `version` of the model's collection."""
    check_version(loaded, model)
    if not loaded.horizon <= version <= model.version:
        check_full(loaded, model)
        return
    assert loaded.base == version, f"{Rule.LOAD}: what changed since {version} can be told"
    changed = {id for id, touched in model.touched.items() if touched > version}
    assert {row.id for row in loaded.rows} == changed, (
        f"{Rule.LOAD}: rows of what changed since {version}"
    )
    assert len(loaded.rows) == len(changed), f"{Rule.LOAD}: an id has two rows"
    after = apply(model.states[version], as_update(loaded))
    assert after == model.state, f"{Rule.LOAD}: what changed since {version} leads elsewhere"
    assert list(after) == list(model.state), f"{Rule.ORDER}: of what changed since {version}"


async def check_every_version(
    backend: Backend, collection: CollectionPath, model: Model, step: int = 1
) -> None:
    """Check a full load, then loads since every `step`-th earlier version."""
    full = await backend.load(collection, None)
    check_full(full, model)
    for version in range(0, model.version + 1, step):
        loaded = await backend.load(collection, Cursor(full.epoch, version))
        check_since(loaded, model, version)
