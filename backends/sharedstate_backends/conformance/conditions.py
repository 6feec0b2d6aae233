# ruff: noqa: S101 (asserts are how a suite of cases speaks)
"""Cases: writes that apply only if nothing of interest has changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sharedstate_core.storage import Committed, Condition, Cursor, Rejected, Write
from sharedstate_core.updates import Update

from .model import Model, check_every_version, path, put, write_all

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sharedstate_backends.contract import Backend


async def attempt(
    backend: Backend, version: int, ids: Sequence[str] | None = None, epoch: str | None = None
) -> bool:
    """Try an update of the id `tried` on that condition; tell whether it was applied."""
    head = (await backend.heads([path()]))[path()]
    condition = Condition(
        Cursor(head.epoch if epoch is None else epoch, version),
        None if ids is None else tuple(ids),
    )
    result = await backend.commit(path(), [Write(put("tried", value=head.version), condition)])
    (outcome,) = result.outcomes
    if isinstance(outcome, Committed):
        assert outcome.version == head.version + 1
        return True
    assert outcome.code == "conflict"
    assert outcome.version == head.version
    assert outcome.message
    assert (await backend.heads([path()]))[path()] == head, "a refused write left something"
    return False


class ConditionCases:
    """The `if` of an update."""

    async def test_whole_collection(self, backend: Backend) -> None:
        """Without ids any change since counts."""
        assert await attempt(backend, 0)
        assert not await attempt(backend, 0)
        assert await attempt(backend, 1)
        assert not await attempt(backend, 3)

    async def test_ids(self, backend: Backend) -> None:
        """With ids only changes of these count."""
        await write_all(backend, path(), put("a"), put("b"), put("a", value=2))
        assert not await attempt(backend, 2, ["a"])
        assert not await attempt(backend, 2, ["absent", "b", "a"])
        assert await attempt(backend, 2, ["b"])
        assert await attempt(backend, 3, ["a", "b"])
        assert not await attempt(backend, 1, ["b"])

    async def test_absent_ids(self, backend: Backend) -> None:
        """An id that never was has not changed; nor has one of which only a removal was tried."""
        await write_all(backend, path(), put("a"), Update(remove=("absent",)))
        assert await attempt(backend, 0, ["absent"])
        assert await attempt(backend, 0, [])

    async def test_removed_ids(self, backend: Backend) -> None:
        """A removal is a change."""
        await write_all(backend, path(), put("a", "b"), Update(remove=("a",)))
        assert not await attempt(backend, 1, ["a"])
        assert await attempt(backend, 1, ["b"])
        assert await attempt(backend, 2, ["a"])

    async def test_reset_ids(self, backend: Backend) -> None:
        """A reset is a change of all that was there."""
        await write_all(backend, path(), put("a", "b"), Update(reset=True))
        assert not await attempt(backend, 1, ["a"])
        assert await attempt(backend, 2, ["a"])

    async def test_another_epoch_or_the_future(self, backend: Backend) -> None:
        """What nobody can have seen holds nothing."""
        await write_all(backend, path(), put("a"))
        assert not await attempt(backend, 1, epoch="another")
        assert not await attempt(backend, 1, ["absent"], epoch="another")
        assert not await attempt(backend, 2, ["absent"])

    async def test_many_ids(self, backend: Backend) -> None:
        """Thousands of ids are asked for as one."""
        ids = [f"id {number}" for number in range(3000)]
        await write_all(backend, path(), put(*ids), put(ids[-1], value=2))
        assert not await attempt(backend, 1, ids)
        assert await attempt(backend, 1, ids[:-1])

    async def test_conflict_leaves_its_neighbours(self, backend: Backend) -> None:
        """A refused write changes nothing; those before and after it in the commit are applied."""
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
                assert isinstance(outcome, Rejected)
                assert (outcome.code, outcome.version) == ("conflict", 2)
            else:
                assert outcome == Committed(model.write(update))
        await check_every_version(backend, path(), model)

    async def test_first_write_refused(self, backend: Backend) -> None:
        """A refused write does not make a collection."""
        assert not await attempt(backend, 1)
        assert list(await backend.collections("app")) == []

    async def test_conditional_noop(self, backend: Backend) -> None:
        """An update that touches nothing asks whether its condition holds, and leaves the version."""
        await write_all(backend, path(), put("a"))
        epoch = (await backend.load(path(), None)).epoch
        writes = [Write(Update(), Condition(Cursor(epoch, version))) for version in (0, 1)]
        refused, held = (await backend.commit(path(), writes)).outcomes
        assert isinstance(refused, Rejected)
        assert held == Committed(1)
