# ruff: noqa: S101 (asserts are how a suite of cases speaks)
"""Cases for what only some stores do: those declare it by a fixture or an attribute of the test class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

import pytest

from sharedstate_backends.contract import StorageError
from sharedstate_core.storage import Committed, Condition, Cursor, Write
from sharedstate_core.updates import Update

from .conditions import check_conflict
from .declaring import DeclaringCases, opened
from .model import Model, check_every_version, check_full, path, put, write_all
from .rules import Rule
from .stepping import together

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sharedstate_backends.contract import Backend

    from .declaring import Reopen, SetBack, Wipe

T = TypeVar("T")

REMOVALS: Final = 60
"""Number of removals after which a store that keeps only a few tombstones has forgotten some."""

ATTEMPTS: Final = 3
"""Calls that may fail while data is put back."""

ROUNDS: Final = 12
"""Commits to one collection by each of two backends."""


async def insist(call: Callable[[], Awaitable[T]]) -> T:
    """Return the result of a call, repeated if necessary: storage may be out of reach for a moment."""
    for _ in range(ATTEMPTS):
        try:
            return await call()
        except StorageError:
            continue
    return await call()


class DeclaredCases(DeclaringCases):
    """What a store declares."""

    async def test_forgotten_tombstones(self, forgetting: Backend) -> None:
        """A load since the horizon or later returns the changes, an earlier one everything."""
        model = Model()
        for number in range(REMOVALS):
            update = put(f"id {number}", "kept", remove=[f"id {number - 1}", f"id {number - 2}"])
            version = await write_all(forgetting, path(), update)
            assert version == model.write(update), f"{Rule.COMMIT}: as tombstones are forgotten"
            if number % 20 == 0:
                await check_every_version(forgetting, path(), model)
        horizon = (await forgetting.load(path(), None)).horizon
        assert horizon, f"{Rule.LOAD}: nothing was forgotten of {REMOVALS} tombstones"
        await check_every_version(forgetting, path(), model)
        reset = Update(reset=True)
        version = await write_all(forgetting, path(), reset)
        assert version == model.write(reset), f"{Rule.COMMIT}: after tombstones were forgotten"
        await check_every_version(forgetting, path(), model)

    async def test_conditions_before_the_horizon(self, forgetting: Backend) -> None:
        """An id whose tombstone may have been forgotten may have changed."""
        horizon, version = 0, 0
        while not horizon and version < 2 * REMOVALS:
            gone = f"id {version}"
            version = await write_all(forgetting, path(), put(gone), Update(remove=(gone,)))
            horizon = (await forgetting.load(path(), None)).horizon
        epoch = (await forgetting.load(path(), None)).epoch
        for seen in range(max(0, horizon - 3), horizon + 1):
            condition = Condition(Cursor(epoch, seen), ("id 0", "never"))
            (outcome,) = (
                await forgetting.commit(path(), [Write(put("tried"), condition)])
            ).outcomes
            assert isinstance(outcome, Committed) == (seen >= horizon), (
                f"{Rule.CONDITION}: of ids without a row, since version {seen}; the horizon is {horizon}"
            )

    async def test_wiped_data(self, reopening: Reopen, wiping: Wipe) -> None:
        """Versions that start over have a new epoch."""
        epochs: list[str] = []
        for _ in range(3):
            async with opened(reopening) as backend:
                check_full(await backend.load(path(), None), Model())
                await write_all(backend, path(), put("a"))
                epochs.append((await backend.load(path(), None)).epoch)
            await wiping()
        assert len(set(epochs)) == len(epochs), (
            f"{Rule.EPOCH}: the data was deleted, and the epoch is as before"
        )

    @pytest.mark.parametrize("first", ["load", "heads", "commit"])
    async def test_data_that_goes_back(
        self, reopening: Reopen, setting_back: SetBack, first: str
    ) -> None:
        """Whatever is called first afterwards, no name of a lost state is used again, since the epoch is new."""
        model = Model()
        async with opened(reopening) as backend:
            await write_all(backend, path(), put("one"))
            model.write(put("one"))
            put_back = await setting_back()
            await write_all(backend, path(), put("lost"))
            lost = (await backend.heads([path()]))[path()]
            await put_back()
            match first:
                case "load":
                    loaded = await insist(lambda: backend.load(path(), lost))
                    epoch = loaded.epoch
                    assert epoch != lost.epoch, f"{Rule.EPOCH}: {lost} names a state that is lost"
                    check_full(loaded, model)
                case "heads":
                    heads = await insist(lambda: backend.heads([path()]))
                    epoch = heads[path()].epoch
                case _:
                    writes = [Write(put("x"), Condition(lost)), Write(put("after"))]
                    result = await insist(lambda: backend.commit(path(), writes))
                    epoch = result.epoch
                    assert epoch != lost.epoch, f"{Rule.EPOCH}: the data went back before a commit"
                    rejected, committed = result.outcomes
                    check_conflict(rejected, 1)
                    expected = Committed(model.write(put("after")))
                    assert committed == expected, f"{Rule.COMMIT}: after the data went back"
            assert epoch != lost.epoch, (
                f"{Rule.EPOCH}: the data went back, and {first} names {epoch}"
            )
            heads = await backend.heads([path()])
            assert heads == {path(): Cursor(epoch, model.version)}, (
                f"{Rule.HEADS}: of the new epoch"
            )
            for version in range(3):
                check_full(await backend.load(path(), Cursor(lost.epoch, version)), model)
            await check_every_version(backend, path(), model)

    async def test_two_backends_at_once(self, reopening: Reopen) -> None:
        """Each sees what the other has stored, and continues its version numbers."""
        if not self.shares_storage:
            pytest.skip("this case is for stores that several processes may use: `shares_storage`")
        async with opened(reopening) as one, opened(reopening) as two:
            await self._take_turns(one, two)
            await self._commit_at_once(one, two)

    async def _take_turns(self, one: Backend, two: Backend) -> None:
        model = Model()
        epoch = (await one.load(path(), None)).epoch
        for turn in range(ROUNDS):
            writer, reader = (one, two) if turn % 2 else (two, one)
            update = put("a", f"id {turn}", value=turn, remove=[f"id {turn - 2}"])
            condition = Condition(Cursor(epoch, turn))
            (outcome,) = (await writer.commit(path(), [Write(update, condition)])).outcomes
            assert outcome == Committed(model.write(update)), (
                f"{Rule.COMMIT}: after a commit by another backend on the same data"
            )
            heads = await reader.heads([path()])
            assert heads == {path(): Cursor(epoch, turn + 1)}, (
                f"{Rule.HEADS}: after a commit by another backend on the same data"
            )
            await check_every_version(reader, path(), model)
        names = list(await one.collections("app")), list(await two.collections("app"))
        assert names == (["collection"], ["collection"]), f"{Rule.COLLECTIONS}: of two backends"

    async def _commit_at_once(self, one: Backend, two: Backend) -> None:
        collection = path("both")
        written: dict[int, Update] = {}

        async def work(backend: Backend, name: str) -> None:
            for turn in range(ROUNDS):
                update = put(name, f"{name} {turn}", value=turn)
                version = await write_all(backend, collection, update)
                assert version not in written, f"{Rule.EPOCH}: version {version} was given twice"
                written[version] = update

        async with together() as tasks:
            tasks.start_soon(work, one, "one")
            tasks.start_soon(work, two, "two")
        model = Model()
        for version in range(1, 2 * ROUNDS + 1):
            assert version in written, f"{Rule.COMMIT}: version {version} was left out"
            model.write(written[version])
        await check_every_version(one, collection, model)
        await check_every_version(two, collection, model)
