"""The suite fails where a store breaks the contract: stores with one fault each."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, ClassVar

import anyio
import anyio.lowlevel
import pytest

from sharedstate_backends.conformance import BackendConformance, cursors
from sharedstate_backends.conformance.reopening import ReopenCases
from sharedstate_core.storage import CommitResult

from .dictionary_backend import DictionaryBackend

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from sharedstate_backends import Backend
    from sharedstate_backends.conformance.reopening import Reopen
    from sharedstate_core.paths import CollectionPath
    from sharedstate_core.storage import Cursor, Row, Write

suite = BackendConformance()


class OneByOne(DictionaryBackend):
    """Stores each write of a commit by itself."""

    async def commit(self, path: CollectionPath, writes: Sequence[Write]) -> CommitResult:
        results = []
        for write in writes:
            results.append(await super().commit(path, [write]))
            await self.pause()
        return CommitResult(self.epoch, [outcome for each in results for outcome in each.outcomes])

    async def pause(self) -> None:
        await anyio.sleep(0.002)


class OneByOneAtOnce(OneByOne):
    async def pause(self) -> None:
        await anyio.lowlevel.checkpoint()


class OneByOneShielded(OneByOne):
    """Ends what was begun, but whoever looks meanwhile sees half of it."""

    async def pause(self) -> None:
        with anyio.CancelScope(shield=True):
            await super().pause()


class CancelHalf(DictionaryBackend):
    """In one piece, unless the caller leaves."""

    async def commit(self, path: CollectionPath, writes: Sequence[Write]) -> CommitResult:
        try:
            await anyio.sleep(0.002)
        except anyio.get_cancelled_exc_class():
            await super().commit(path, writes[:2])
            raise
        return await super().commit(path, writes)


class Undoing(DictionaryBackend):
    """Takes back what it has stored if the caller leaves before the answer, but not at once."""

    taken_back: tuple[tuple[str, str], ...] = ()

    async def commit(self, path: CollectionPath, writes: Sequence[Write]) -> CommitResult:
        for key in self.taken_back:
            self.stored.pop(key, None)
        result = await super().commit(path, writes)
        try:
            await anyio.sleep(0.002)
        except anyio.get_cancelled_exc_class():
            self.taken_back += ((path.app, path.collection),)
            raise
        return result


class OneEpoch(DictionaryBackend):
    def __init__(self) -> None:
        super().__init__()
        self.epoch = "epoch"


@pytest.mark.parametrize("store", [OneByOne, OneByOneAtOnce, CancelHalf, Undoing])
async def test_cancelled_commits(store: type[DictionaryBackend]) -> None:
    with pytest.raises(AssertionError, match=r"half a commit is there|a commit is lost"):
        await suite.test_cancelled_commits(store())


@pytest.mark.parametrize("store", [OneByOne, OneByOneAtOnce, OneByOneShielded])
async def test_looks_during_commits(store: type[DictionaryBackend]) -> None:
    with pytest.raises(AssertionError, match="half a commit was told"):
        await suite.test_looks_during_commits(store())


async def test_another_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cursors, "EPOCHS", set())
    await suite.test_another_store_has_another_epoch(DictionaryBackend(), 1)
    await suite.test_another_store_has_another_epoch(DictionaryBackend(), 2)
    await suite.test_another_store_has_another_epoch(OneEpoch(), 1)
    with pytest.raises(AssertionError, match="store number 2 has the epoch of an earlier one"):
        await suite.test_another_store_has_another_epoch(OneEpoch(), 2)


class Pickled(DictionaryBackend):
    """A dictionary in a file: a store that keeps its data, without a fault."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.file = file

    async def open(self) -> None:
        if self.file.exists():
            self.epoch, self.stored = pickle.loads(self.file.read_bytes())
        else:
            self.save()

    async def commit(self, path: CollectionPath, writes: Sequence[Write]) -> CommitResult:
        result = await super().commit(path, writes)
        self.save()
        return result

    def save(self) -> None:
        self.file.write_bytes(pickle.dumps((self.epoch, self.kept())))

    def kept(self) -> dict[tuple[str, str], tuple[int, dict[str, Row]]]:
        return self.stored


class MemoryOnly(Pickled):
    def save(self) -> None:
        """Forget to."""


class EpochAnew(Pickled):
    async def open(self) -> None:
        drawn = self.epoch
        await super().open()
        self.epoch = drawn


class WithoutTombstones(Pickled):
    def kept(self) -> dict[tuple[str, str], tuple[int, dict[str, Row]]]:
        return {
            key: (version, {id: row for id, row in rows.items() if row.text is not None})
            for key, (version, rows) in self.stored.items()
        }


class Sorted(Pickled):
    def kept(self) -> dict[tuple[str, str], tuple[int, dict[str, Row]]]:
        return {
            key: (
                version,
                {
                    id: row._replace(place=place) if row.text else row
                    for place, (id, row) in enumerate(sorted(rows.items()))
                },
            )
            for key, (version, rows) in self.stored.items()
        }


class OneCommitBehind(Pickled):
    async def commit(self, path: CollectionPath, writes: Sequence[Write]) -> CommitResult:
        self.save()
        return await DictionaryBackend.commit(self, path, writes)


class HalfIsKept(CancelHalf, Pickled):
    """And keeps it."""


class AfterClose(Pickled):
    """What a caller left behind is stored much later."""

    on_its_way: ClassVar[list[tuple[CollectionPath, Sequence[Write]]]] = []

    async def commit(self, path: CollectionPath, writes: Sequence[Write]) -> CommitResult:
        try:
            await anyio.sleep(0.002)
        except anyio.get_cancelled_exc_class():
            self.on_its_way.append((path, writes))
            raise
        return await super().commit(path, writes)

    async def heads(self, paths: Sequence[CollectionPath]) -> Mapping[CollectionPath, Cursor]:
        while self.on_its_way:
            await super().commit(*self.on_its_way.pop())
        return await super().heads(paths)


def opening(store: type[Pickled], folder: Path) -> Reopen:
    async def reopen() -> Backend:
        backend = store(folder / "data")
        await backend.open()
        return backend

    return reopen


class TestPickled(ReopenCases):
    """Without a fault, so that those of the others are what is caught."""

    @pytest.fixture
    def reopen(self, tmp_path: Path) -> Reopen:
        return opening(Pickled, tmp_path)


@pytest.mark.parametrize(
    "store", [MemoryOnly, EpochAnew, WithoutTombstones, Sorted, OneCommitBehind]
)
async def test_all_is_there_again(store: type[Pickled], tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        await suite.test_all_is_there_again(opening(store, tmp_path))


@pytest.mark.parametrize("store", [MemoryOnly, WithoutTombstones, OneCommitBehind])
async def test_what_a_reset_removed_stays_away(store: type[Pickled], tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        await suite.test_what_a_reset_removed_stays_away(opening(store, tmp_path))


@pytest.mark.parametrize(
    ("store", "message"),
    [
        (HalfIsKept, "half a commit is there"),
        (AfterClose, "a commit was stored after `close`"),
    ],
)
async def test_close_waits_for_cancelled_commits(
    store: type[Pickled], message: str, tmp_path: Path
) -> None:
    with pytest.raises(AssertionError, match=message):
        await suite.test_close_waits_for_cancelled_commits(opening(store, tmp_path))
