"""How commits share transactions: the database is played by a script."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast
from unittest.mock import patch

import pytest

from sharedstate_backends import OutcomeUnknownError, StorageError
from sharedstate_backends.mysql.commit import writing
from sharedstate_backends.mysql.commit.commits import Prepared
from sharedstate_backends.mysql.commit.writing import Writer
from sharedstate_backends.mysql.wire.address import Address
from sharedstate_backends.mysql.wire.errors import LostError
from sharedstate_core import CollectionPath, CommitResult

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from sharedstate_backends.mysql.commit.commits import Commit, MysqlCommits
    from sharedstate_backends.mysql.wire.pool import Pool

pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"])  # the backend's own loop


class Database:
    """A pool, its connections and the tables, which do each step when told so.

    Attributes:
        steps: what was asked for: "prepare" or "commit", and the names of the collections.
        is_cut_short: whether the answers to a packet lack the last one.
    """

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.is_cut_short = False
        self._waiting: dict[str, asyncio.Future[None]] = {}

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Database]:
        yield self

    async def prepare(self, _: Database, commits: Sequence[Commit]) -> Prepared:
        names = "".join(commit.collection.collection for commit in commits)
        await self._step(f"prepare {names}")
        return Prepared([CommitResult("epoch", []) for _ in commits], [names], {}, (), {}, ())

    def stored(self, prepared: Prepared) -> None:
        """Hear the end."""

    def doubt(self, commits: Sequence[Commit]) -> None:
        """Hear of no end."""

    async def run_together(self, statements: list[str]) -> None:
        await self._step(f"commit {statements[0]}")
        if self.is_cut_short:
            raise LostError("not answered every statement")

    async def _step(self, name: str) -> None:
        self.steps.append(name)
        self._waiting[name] = asyncio.get_running_loop().create_future()
        await self._waiting[name]

    async def let(self, step: str, error: Exception | None = None) -> None:
        """Let a step end, and see what follows."""
        if error is None:
            self._waiting.pop(step).set_result(None)
        else:
            self._waiting.pop(step).set_exception(error)
        await settle()


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


class Scene:
    """A writer of two transactions at once on such a database."""

    def __init__(self) -> None:
        self.database = Database()
        commits = cast("MysqlCommits", self.database)
        self.writer = Writer(Address("nowhere"), commits, 2)
        self.commits: list[asyncio.Task[CommitResult]] = []

    async def commit(self, names: str) -> None:
        pool = cast("Pool", self.database)
        for name in names:
            path = CollectionPath("app", "items", name)
            self.commits.append(asyncio.create_task(self.writer.commit(pool, path, [])))
        await settle()


async def test_what_comes_while_a_transaction_is_put_together_shares_the_next() -> None:
    scene = Scene()
    steps = scene.database.steps
    await scene.commit("a")
    await scene.commit("b")
    await scene.commit("c")
    assert steps == ["prepare a"]
    await scene.database.let("prepare a")
    assert steps[1:] == ["commit a", "prepare bc"]  # while the first waits for the disk
    await scene.commit("d")
    await scene.database.let("prepare bc")
    assert steps[3:] == ["commit bc"]  # two are under way
    await scene.database.let("commit a")
    assert steps[4:] == ["prepare d"]
    finished = asyncio.create_task(scene.writer.finish())
    await scene.database.let("commit bc")
    await scene.database.let("prepare d")
    assert not finished.done()
    await scene.database.let("commit d")
    assert len(await asyncio.gather(*scene.commits)) == 4
    await finished


async def test_one_that_waits_for_a_lock_does_not_hold_up_the_others() -> None:
    with patch.object(writing, "PREPARED_SECONDS", 0.0):
        scene = Scene()
        await scene.commit("a")
        await scene.commit("b")
        for _ in range(1000):
            if "prepare b" in scene.database.steps:
                break
            await asyncio.sleep(0.01)
    await scene.database.let("prepare b")
    await scene.database.let("commit b")
    await scene.commits[1]
    await scene.database.let("prepare a")
    await scene.database.let("commit a")
    await scene.commits[0]


async def test_one_that_fails_lets_the_next_begin() -> None:
    scene = Scene()
    await scene.commit("a")
    await scene.commit("b")
    await scene.database.let("prepare a", ValueError("no"))
    with pytest.raises(StorageError, match="ValueError: no"):
        await scene.commits[0]
    await scene.database.let("prepare b")
    await scene.database.let("commit b")
    await scene.commits[1]


async def test_an_answer_that_does_not_reach_to_commit_tells_nothing() -> None:
    scene = Scene()
    scene.database.is_cut_short = True
    await scene.commit("a")
    await scene.database.let("prepare a")
    await scene.database.let("commit a")
    with pytest.raises(OutcomeUnknownError, match="not answered every statement"):
        await scene.commits[0]
    assert [path.collection for path in scene.writer.doubtful] == ["a"]
