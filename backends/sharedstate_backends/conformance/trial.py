# ruff: noqa: S101 (asserts are how a suite of cases speaks)
"""A commit whose caller is cancelled, and what its collection may hold afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import anyio
import anyio.lowlevel

from sharedstate_core.storage import Committed, Cursor, Row, Write
from sharedstate_core.updates import Update

from .model import Model, check_full, check_since, path, put, state_of, write_all
from .rules import Rule
from .stepping import Moment, cancelled, time_limit, together

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator, Sequence

    from sharedstate_backends.contract import Backend
    from sharedstate_core.paths import CollectionPath
    from sharedstate_core.storage import CommitResult, Loaded

UPDATES: Final = (
    put("a", "b"),
    put("c", "a", remove=["a"]),
    Update(remove=("b",)),
    put("d", "c", value=4),
)
"""The updates of a commit whose caller is cancelled: each has something that the one before it lacks."""

AFTER: Final = put("e", "a", value=5, remove=["c"])
"""The update written after it."""


def writes() -> list[Write]:
    """Return the writes of that commit."""
    return [Write(update) for update in UPDATES]


async def seconds_of_a_commit(backend: Backend) -> float:
    """Commit `UPDATES` undisturbed three times; return the shortest time."""
    seconds = []
    for number in range(3):
        began = anyio.current_time()
        result = await backend.commit(path(f"in peace {number}"), writes())
        seconds.append(anyio.current_time() - began)
        expected = [Committed(version + 1) for version in range(len(UPDATES))]
        assert list(result.outcomes) == expected, f"{Rule.COMMIT}: of four writes"
    return min(seconds)


def neighbour_of(collection: CollectionPath) -> CollectionPath:
    """Return a collection to which is committed meanwhile."""
    return collection._replace(collection=f"beside {collection.collection}")


class Trial:
    """A commit whose caller is cancelled, and all that its collection may hold afterwards.

    It is stored whole or not at all; perhaps late, but before `close` has ended. What has been read once stays.
    """

    def __init__(self, collection: CollectionPath, moment: Moment) -> None:
        self.collection = collection
        self.neighbour = Model()
        self._moment = moment
        self._acknowledged = False
        self._stored: bool | None = None  # whether it is stored, once that is certain
        self._after: int | None = None  # the version of `AFTER`, once that is committed
        self._seen = Cursor("", 0)
        self._told: dict[Cursor, set[Row]] = {}

    async def cut(self, backend: Backend) -> bool:
        """Commit, and be cancelled; return whether the commit ended first."""
        call: Coroutine[Any, Any, CommitResult] = backend.commit(self.collection, writes())
        with time_limit(self._moment):
            ended = await cancelled(call, self._moment)
        self._acknowledged = bool(ended.results)
        for result in ended.results:
            versions = [outcome.version for outcome in result.outcomes]
            assert versions == [1, 2, 3, 4], f"{Rule.COMMIT}: {self._moment}"
            self._see(Cursor(result.epoch, len(UPDATES)))
        return ended.early

    async def cut_in_company(self, backend: Backend, *, first: bool) -> bool:
        """Do as `cut`, while the head is observed and another collection is committed to.

        `first` tells whether this commit begins before those others.
        """
        neighbour = neighbour_of(self.collection)
        cursors: list[Cursor] = []
        busy = True

        async def commit() -> None:
            while busy:
                try:
                    version = await write_all(backend, neighbour, AFTER)
                except Exception as error:
                    message = (
                        f"{Rule.CANCEL}: {self._moment}, a commit to another collection failed"
                    )
                    raise AssertionError(message) from error
                assert version == self.neighbour.write(AFTER), f"{Rule.COMMIT}: of {neighbour}"
                await anyio.lowlevel.checkpoint()

        async def look() -> None:
            while busy:
                cursors.append((await backend.heads([self.collection]))[self.collection])
                await anyio.lowlevel.checkpoint()

        async with together() as tasks:
            tasks.start_soon(commit)
            tasks.start_soon(look)
            if not first:
                await anyio.lowlevel.checkpoint()
            early = await self.cut(backend)
            busy = False
        check_full(await backend.load(neighbour, None), self.neighbour)
        versions = [cursor.version for cursor in cursors]
        assert versions == sorted(versions), f"{Rule.KEEP}: {self._moment}, a head went back"
        assert set(versions) <= {0, len(UPDATES)}, (
            f"{Rule.MOMENT}: {self._moment}, heads tell of half a commit: {versions}"
        )
        self._seen = max([self._seen, *cursors[-1:]], key=lambda cursor: cursor.version)
        return early

    async def look(self, backend: Backend) -> None:
        """Check what is read of the collection now."""
        with time_limit(self._moment):
            self._check(await backend.load(self.collection, None))
            self._see((await backend.heads([self.collection]))[self.collection])

    async def look_back(self, backend: Backend) -> None:
        """Check that too, and what is read since each earlier version."""
        await self.look(backend)
        for version in range(self._seen.version + 1):
            loaded = await backend.load(self.collection, Cursor(self._seen.epoch, version))
            self._see(Cursor(loaded.epoch, loaded.version))
            check_since(loaded, self._model(loaded.version), version)

    async def write_on(self, backend: Backend) -> None:
        """Commit once more, as any other caller may."""
        with time_limit(self._moment):
            (outcome,) = (await backend.commit(self.collection, [Write(AFTER)])).outcomes
        assert isinstance(outcome, Committed), f"{Rule.CANCEL}: {self._moment}, then {outcome}"
        assert outcome.version > self._seen.version, (
            f"{Rule.EPOCH}: {self._moment}, a commit after it is numbered {outcome.version}, "
            f"although version {self._seen.version} has been told"
        )
        self._after = outcome.version
        self._see(Cursor(self._seen.epoch, outcome.version))

    async def look_after_closing(self, backend: Backend) -> None:
        """Check what another backend reads from the same data: what is not stored now never will be."""
        await self.look(backend)
        self._stored = self._seen.version >= len(UPDATES)
        await self.look(backend)

    def _check(self, loaded: Loaded) -> None:
        cursor = Cursor(loaded.epoch, loaded.version)
        self._see(cursor)
        items = {row for row in loaded.rows if row.text is not None}
        told = self._told.setdefault(cursor, items)
        assert items == told, f"{Rule.EPOCH}: {self._moment}, {cursor} named another state before"
        model = self._model(loaded.version)
        assert state_of(loaded) == model.state, (
            f"{Rule.MOMENT}: {self._moment}, the items are not those of version {loaded.version}"
        )
        check_full(loaded, model)

    def _see(self, cursor: Cursor) -> None:
        """Check that a version that was read is possible, and not before those read so far."""
        assert cursor.version >= self._seen.version, (
            f"{Rule.KEEP}: {self._moment}, version {self._seen.version} was told, now {cursor.version}"
        )
        self._model(cursor.version)
        self._seen = cursor

    def _model(self, version: int) -> Model:
        histories = {len(updates): updates for updates in self._histories()}
        told = f"{self._moment}, version {version} is told"
        if version not in histories and version in {0, 1, len(UPDATES), len(UPDATES) + 1}:
            assert self._stored is None, f"{Rule.CANCEL}: {told}; it came after `close`"
            assert not self._acknowledged, f"{Rule.KEEP}: {told}; it was acknowledged and is gone"
        assert version in histories, f"{Rule.MOMENT}: {told}; it is half of a commit"
        model = Model()
        for update in histories[version]:
            model.write(update)
        return model

    def _histories(self) -> Iterator[Sequence[Update]]:
        """Yield all possible histories."""
        for stored in (False, True):
            if self._stored not in {None, stored} or (self._acknowledged and not stored):
                continue
            if self._after is None:
                yield UPDATES if stored else ()
            elif self._after == 1:
                yield [AFTER, *UPDATES] if stored else [AFTER]
            elif stored:
                yield [*UPDATES, AFTER]
