"""How commits share transactions: the store is played by a script."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from unittest.mock import patch

import pytest

from sharedstate_backends import OutcomeUnknownError, StorageError, batching
from sharedstate_backends.batching import Batcher
from sharedstate_core import CollectionPath, CommitResult
from sharedstate_core.storage import Write
from sharedstate_core.updates import Update

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sharedstate_backends.batching import Commit

pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"])  # the stores' own loop


class Script:
    """A store which does each step when told so, and what is to be committed to it.

    Attributes:
        steps: what was asked for: "prepare" or "commit", and the names of the collections.
    """

    def __init__(self, limit: int = 2, max_bytes: int | None = None) -> None:
        self.steps: list[str] = []
        self.batcher = Batcher("store", self._transact, limit=limit, max_bytes=max_bytes)
        self.commits: list[asyncio.Task[CommitResult]] = []
        self._waiting: dict[str, asyncio.Future[None]] = {}

    async def commit(self, names: str, writes: Sequence[Write] = ()) -> None:
        """Let callers ask for commits to the collections with these names."""
        for name in names:
            path = CollectionPath("app", "items", name)
            self.commits.append(asyncio.create_task(self.batcher.commit(path, writes)))
        await settle()

    async def let(self, step: str, error: Exception | None = None) -> None:
        """Let a step end, and see what follows."""
        if error is None:
            self._waiting.pop(step).set_result(None)
        else:
            self._waiting.pop(step).set_exception(error)
        await settle()

    async def _transact(
        self, commits: Sequence[Commit], prepared: Callable[[], None]
    ) -> list[CommitResult]:
        names = "".join(commit.collection.collection for commit in commits)
        await self._step(f"prepare {names}")
        prepared()
        await self._step(f"commit {names}")
        return [CommitResult(name, []) for name in names]

    async def _step(self, name: str) -> None:
        self.steps.append(name)
        self._waiting[name] = asyncio.get_running_loop().create_future()
        await self._waiting[name]


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_what_comes_while_a_transaction_is_put_together_shares_the_next() -> None:
    script = Script()
    await script.commit("a")
    await script.commit("b")
    await script.commit("c")
    assert script.steps == ["prepare a"]
    await script.let("prepare a")
    assert script.steps[1:] == ["commit a", "prepare bc"]  # while the first waits for the disk
    await script.commit("d")
    await script.let("prepare bc")
    assert script.steps[3:] == ["commit bc"]  # two are under way
    await script.let("commit a")
    assert script.steps[4:] == ["prepare d"]
    finished = asyncio.create_task(script.batcher.finish())
    await script.let("commit bc")
    await script.let("prepare d")
    assert not finished.done()
    await script.let("commit d")
    assert [result.epoch for result in await asyncio.gather(*script.commits)] == [*"abcd"]
    await finished


async def test_one_at_a_time() -> None:
    script = Script(limit=1)
    await script.commit("abc")
    await script.commit("d")
    await script.let("prepare abc")
    assert script.steps == ["prepare abc", "commit abc"]
    await script.let("commit abc")
    assert script.steps[2:] == ["prepare d"]
    await script.let("prepare d")
    await script.let("commit d")
    assert len(await asyncio.gather(*script.commits)) == 4


async def test_two_commits_of_one_collection_do_not_share_a_transaction() -> None:
    script = Script()
    await script.commit("aba")
    await script.let("prepare ab")
    assert script.steps[1:] == ["commit ab", "prepare a"]
    await script.let("commit ab")
    await script.let("prepare a")
    await script.let("commit a")
    assert len(await asyncio.gather(*script.commits)) == 3


async def test_a_transaction_has_so_many_bytes_or_one_commit() -> None:
    script = Script(limit=1, max_bytes=10)
    for names, size in (("ab", 6), ("cd", 5), ("e", 11), ("f", 1)):
        await script.commit(names, [Write(Update(insert={"id": b"x" * size}))])
    for names in ("a", "b", "cd", "e", "f"):
        await script.let(f"prepare {names}")
        await script.let(f"commit {names}")
    assert len(await asyncio.gather(*script.commits)) == 6


async def test_one_that_waits_for_a_lock_does_not_hold_up_the_others() -> None:
    with patch.object(batching, "PREPARED_SECONDS", 0.0):
        script = Script()
        await script.commit("a")
        await script.commit("b")
        for _ in range(1000):
            if "prepare b" in script.steps:
                break
            await asyncio.sleep(0.01)
    await script.let("prepare b")
    await script.let("commit b")
    await script.commits[1]
    await script.let("prepare a")
    await script.let("commit a")
    await script.commits[0]


async def test_one_that_fails_lets_the_next_begin() -> None:
    script = Script()
    await script.commit("a")
    await script.commit("b")
    await script.let("prepare a", StorageError("no"))
    with pytest.raises(StorageError, match="no"):
        await script.commits[0]
    await script.let("prepare b")
    await script.let("commit b")
    await script.commits[1]


async def test_where_several_fail_together_each_goes_alone() -> None:
    script = Script()
    await script.commit("abc")
    await script.commit("d")
    await script.let("prepare abc", StorageError("not together"))
    assert script.steps[1:] == ["prepare a", "prepare b", "prepare c"]
    await script.let("prepare b", StorageError("not this one"))
    for name in "ac":
        await script.let(f"prepare {name}")
        await script.let(f"commit {name}")
    outcomes = await asyncio.gather(*script.commits[:3], return_exceptions=True)
    a, b, c = (each if isinstance(each, CommitResult) else str(each) for each in outcomes)
    assert (a, b, c) == (CommitResult("a", []), "not this one", CommitResult("c", []))
    await script.let("prepare d")
    await script.let("commit d")
    await script.commits[3]


async def test_who_gives_up_waiting_leaves_the_others_alone() -> None:
    script = Script(limit=1)
    await script.commit("ab")
    script.commits[0].cancel()
    await script.let("prepare ab")
    await script.let("commit ab")
    assert (await script.commits[1]).epoch == "b"
    assert script.commits[0].cancelled()


@pytest.mark.parametrize("limit", [1, 2])
async def test_a_loop_that_ends_answers_everybody(limit: int) -> None:
    """What is under way is in doubt, what waits is refused."""
    script = Script(limit)
    await script.commit("a")
    await script.commit("b")
    (writing,) = script.batcher._writing
    writing.cancel()
    with pytest.raises(OutcomeUnknownError, match="store: the server ended meanwhile"):
        await script.commits[0]
    with pytest.raises(StorageError, match="store: the server is ending"):
        await script.commits[1]
    await script.batcher.finish()
