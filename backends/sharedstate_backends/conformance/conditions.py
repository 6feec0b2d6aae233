# ruff: noqa: S101 (asserts are how a suite of cases speaks)
"""Cases: writes that apply only if nothing relevant has changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from sharedstate_core.storage import Committed, Condition, Cursor, Rejected, Write
from sharedstate_core.updates import Update

from .model import Model, by_id, check_every_version, path, put, write_all
from .rules import Rule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sharedstate_backends.contract import Backend
    from sharedstate_core.storage import Outcome


async def attempt(
    backend: Backend, version: int, ids: Sequence[str] | None = None, epoch: str | None = None
) -> bool:
    """Try an update of the id `tried` on that condition; return whether it was applied."""
    head = (await backend.heads([path()]))[path()]
    condition = Condition(
        Cursor(head.epoch if epoch is None else epoch, version),
        None if ids is None else tuple(ids),
    )
    result = await backend.commit(path(), [Write(put("tried", value=head.version), condition)])
    (outcome,) = result.outcomes
    if isinstance(outcome, Committed):
        assert outcome.version == head.version + 1, f"{Rule.COMMIT}"
        return True
    check_conflict(outcome, head.version)
    after = (await backend.heads([path()]))[path()]
    assert after == head, f"{Rule.CONDITION}: a rejected write left something"
    return False


def check_conflict(outcome: Outcome, version: int) -> None:
    """Check that a write was rejected at this version, and the error for its author."""
    assert isinstance(outcome, Rejected), f"{Rule.CONDITION}: applied all the same"
    assert (outcome.code, outcome.version) == ("conflict", version), f"{Rule.CONDITION}"
    assert outcome.message, f"{Rule.CONDITION}: the author is told nothing"


async def applies(backend: Backend, version: int, ids: Sequence[str] | None = None) -> None:
    """Check that a write on that condition is applied."""
    assert await attempt(backend, version, ids), (
        f"{Rule.CONDITION}: {matters(ids)} has not changed since version {version}, yet it is rejected"
    )


async def conflicts(
    backend: Backend, version: int, ids: Sequence[str] | None = None, epoch: str | None = None
) -> None:
    """Check that a write on that condition is rejected."""
    assert not await attempt(backend, version, ids, epoch), (
        f"{Rule.CONDITION}: {matters(ids)} may have changed since version {version}, yet it is applied"
    )


def matters(ids: Sequence[str] | None) -> str:
    """Return what a condition depends on."""
    return "the collection" if ids is None else f"what has the ids [{', '.join(ids)[:60]}]"


class ConditionCases:
    """The `if` of an update."""

    async def test_whole_collection(self, backend: Backend) -> None:
        """Without ids any change since counts."""
        await applies(backend, 0)
        await conflicts(backend, 0)
        await applies(backend, 1)
        await conflicts(backend, 3)

    async def test_ids(self, backend: Backend) -> None:
        """With ids only changes of these count."""
        await write_all(backend, path(), put("a"), put("b"), put("a", value=2))
        await conflicts(backend, 2, ["a"])
        await conflicts(backend, 2, ["absent", "b", "a"])
        await applies(backend, 2, ["b"])
        await applies(backend, 3, ["a", "b"])
        await conflicts(backend, 1, ["b"])

    async def test_absent_ids(self, backend: Backend) -> None:
        """An id that never existed has not changed; nor has one that was only removed in vain."""
        await write_all(backend, path(), put("a"), Update(remove=("absent",)))
        await applies(backend, 0, ["absent"])
        await applies(backend, 0, [])

    async def test_removed_ids(self, backend: Backend) -> None:
        """A removal is a change."""
        await write_all(backend, path(), put("a", "b"), Update(remove=("a",)))
        await conflicts(backend, 1, ["a"])
        await applies(backend, 1, ["b"])
        await applies(backend, 2, ["a"])

    async def test_reset_ids(self, backend: Backend) -> None:
        """A reset changes every item that existed."""
        await write_all(backend, path(), put("a", "b"), Update(reset=True))
        await conflicts(backend, 1, ["a"])
        await applies(backend, 2, ["a"])

    async def test_another_epoch_or_the_future(self, backend: Backend) -> None:
        """What nobody can have seen holds nothing."""
        await write_all(backend, path(), put("a"))
        await conflicts(backend, 1, epoch="another")
        await conflicts(backend, 1, ["absent"], epoch="another")
        await conflicts(backend, 2, ["absent"])

    async def test_many_ids(self, backend: Backend) -> None:
        """Thousands of ids work like a single one."""
        ids = [f"id {number}" for number in range(3000)]
        await write_all(backend, path(), put(*ids), put(ids[-1], value=2))
        await conflicts(backend, 1, ids)
        await applies(backend, 1, ids[:-1])

    async def test_conflict_leaves_its_neighbours(self, backend: Backend) -> None:
        """A rejected write changes nothing; those before and after it in the commit are applied."""
        epoch = (await backend.load(path(), None)).epoch
        seen = Condition(Cursor(epoch, 1), ("a",))
        model = Model()
        updates = [put("a"), put("a", value=2), put("a", value="refused"), put("b", value=4)]
        writes = [
            Write(update, seen if index in {1, 2} else None) for index, update in enumerate(updates)
        ]
        outcomes = (await backend.commit(path(), writes)).outcomes
        for index, (update, outcome) in enumerate(zip(updates, outcomes, strict=True)):
            if index == 2:
                check_conflict(outcome, 2)
            else:
                expected = Committed(model.write(update))
                assert outcome == expected, f"{Rule.CONDITION}: a neighbour of a rejected write"
        await check_every_version(backend, path(), model)

    async def test_rejected_write_leaves_nothing(self, backend: Backend) -> None:
        """It leaves neither a row nor a tombstone, and does not carry out its reset."""
        await write_all(backend, path(), put("a", "b"))
        before = await backend.load(path(), None)
        never = Condition(Cursor(before.epoch, 0))
        for update in (put("c"), Update(remove=("a",)), Update(reset=True), put("b", value=2)):
            (outcome,) = (await backend.commit(path(), [Write(update, never)])).outcomes
            check_conflict(outcome, 1)
            after = await backend.load(path(), None)
            assert replace(after, rows=by_id(after.rows)) == replace(
                before, rows=by_id(before.rows)
            ), f"{Rule.CONDITION}: a rejected write left something"

    async def test_conditions_within_a_commit(self, backend: Backend) -> None:
        """A write sees the effects of those before it in the same commit."""
        epoch = (await backend.load(path(), None)).epoch
        changes = [put("a"), Update(remove=("a",)), put("a", "b"), Update(reset=True)]
        for version in range(1, len(changes) + 1):
            collection = path(f"with {version} changes")
            conditions = [Condition(Cursor(epoch, seen), ("a",)) for seen in (version - 1, version)]
            writes = [
                *(Write(change) for change in changes[:version]),
                *(Write(put("c"), condition) for condition in conditions),
            ]
            *_, rejected, applied = (await backend.commit(collection, writes)).outcomes
            check_conflict(rejected, version)
            assert applied == Committed(version + 1), (
                f"{Rule.CONDITION}: nothing has changed since the write before it in the commit"
            )

    async def test_first_write_refused(self, backend: Backend) -> None:
        """A rejected write does not create a collection."""
        await conflicts(backend, 1)
        names = list(await backend.collections("app"))
        assert names == [], f"{Rule.CONDITION}: a rejected write made a collection"

    async def test_conditional_noop(self, backend: Backend) -> None:
        """A no-op checks its condition, and leaves the version."""
        await write_all(backend, path(), put("a"))
        epoch = (await backend.load(path(), None)).epoch
        writes = [Write(Update(), Condition(Cursor(epoch, version))) for version in (0, 1)]
        rejected, held = (await backend.commit(path(), writes)).outcomes
        check_conflict(rejected, 1)
        assert held == Committed(1), f"{Rule.COMMIT}: a no-op leaves the version"
