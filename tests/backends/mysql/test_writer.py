"""What the answers to a transaction's packets tell: the database is played by a script."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

import pytest

from sharedstate_backends import OutcomeUnknownError, StorageError
from sharedstate_backends.mysql.commit.commits import Prepared
from sharedstate_backends.mysql.commit.writer import Writer
from sharedstate_backends.mysql.wire.address import Address
from sharedstate_backends.mysql.wire.errors import DatabaseError, LostError
from sharedstate_core import CollectionPath, CommitResult

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from sharedstate_backends.batching import Commit
    from sharedstate_backends.mysql.commit.commits import Commits
    from sharedstate_backends.mysql.wire.pool import Pool

pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"])  # the backend's own loop


class Database:
    """A pool, its connections and the tables; `error` answers the last packet of a transaction."""

    def __init__(self, error: StorageError) -> None:
        self.error = error

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Database]:
        yield self

    async def prepare(self, _: Database, commits: Sequence[Commit]) -> Prepared:
        results = [CommitResult("epoch", []) for _ in commits]
        return Prepared(results, ["UPDATE", "COMMIT"], {}, (), {}, ())

    async def run_together(self, _: Sequence[str]) -> None:
        raise self.error

    def doubt(self, commits: Sequence[Commit]) -> None:
        """Hear of no end."""


PATH = CollectionPath("app", "items", "a")


def writer_to(error: StorageError) -> Writer:
    database = Database(error)
    pool, commits = cast("Pool", database), cast("Commits", database)
    return Writer(Address("nowhere"), lambda: pool, commits, 2)


async def test_an_answer_that_does_not_reach_to_commit_tells_nothing() -> None:
    writer = writer_to(LostError("not answered every statement"))
    with pytest.raises(OutcomeUnknownError, match="not answered every statement"):
        await writer.commit(PATH, [])
    assert writer.doubtful == {PATH}


@pytest.mark.parametrize("number", [1021, 1114])
async def test_a_full_disk_is_certain_before_commit_and_only_there(number: int) -> None:
    """What the binary log holds of a COMMIT that failed is not known."""
    writer = writer_to(DatabaseError("the table is full", number, 0))
    with pytest.raises(StorageError, match=r"the table is full$") as caught:
        await writer.commit(PATH, [])
    assert not isinstance(caught.value, OutcomeUnknownError)
    assert not writer.doubtful
    writer = writer_to(DatabaseError("the disk is full", number, 1))
    with pytest.raises(OutcomeUnknownError):
        await writer.commit(PATH, [])
    assert writer.doubtful == {PATH}
