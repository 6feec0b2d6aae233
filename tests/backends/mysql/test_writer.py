"""What the answers to a transaction's packets tell: the database is played by a script."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

import pytest

from sharedstate_backends import OutcomeUnknownError
from sharedstate_backends.mysql.commit.commits import Prepared
from sharedstate_backends.mysql.commit.writer import Writer
from sharedstate_backends.mysql.wire.address import Address
from sharedstate_backends.mysql.wire.errors import LostError
from sharedstate_core import CollectionPath, CommitResult

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from sharedstate_backends.batching import Commit
    from sharedstate_backends.mysql.commit.commits import Commits
    from sharedstate_backends.mysql.wire.pool import Pool

pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"])  # the backend's own loop


class Database:
    """A pool, its connections and the tables; the answers to a packet lack the last one."""

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Database]:
        yield self

    async def prepare(self, _: Database, commits: Sequence[Commit]) -> Prepared:
        return Prepared([CommitResult("epoch", []) for _ in commits], ["COMMIT"], {}, (), {}, ())

    async def run_together(self, _: Sequence[str]) -> None:
        raise LostError("not answered every statement")

    def doubt(self, commits: Sequence[Commit]) -> None:
        """Hear of no end."""


async def test_an_answer_that_does_not_reach_to_commit_tells_nothing() -> None:
    database = Database()
    pool, commits = cast("Pool", database), cast("Commits", database)
    writer = Writer(Address("nowhere"), lambda: pool, commits, 2)
    path = CollectionPath("app", "items", "a")
    with pytest.raises(OutcomeUnknownError, match="not answered every statement"):
        await writer.commit(path, [])
    assert writer.doubtful == {path}
