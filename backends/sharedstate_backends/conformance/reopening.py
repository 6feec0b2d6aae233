# ruff: noqa: S101 (asserts are how a suite of cases speaks)
"""Cases for stores that keep their data: what is there after `close` and another `open`."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import pytest

from sharedstate_core.storage import Committed, Cursor, Write
from sharedstate_core.updates import Update

from .cancelling import UPDATES, cancelled_commit, check_whole, moments, seconds_of_a_commit
from .model import Model, check_every_version, item_text, path, put, write_all

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from typing import TypeAlias

    from sharedstate_backends.contract import Backend
    from sharedstate_core.paths import CollectionPath

    Reopen: TypeAlias = Callable[[], Awaitable[Backend]]

SKIPPED: Final = "this case is for stores that keep their data: they add a fixture `reopen`"


@asynccontextmanager
async def opened(reopen: Reopen) -> AsyncIterator[Backend]:
    """Open a backend, and close it whatever happens."""
    backend = await reopen()
    try:
        yield backend
    finally:
        await backend.close()


class ReopenCases:
    """What outlives the backend. These cases open and close by themselves, and do not take `backend`."""

    @pytest.fixture
    def reopening(self, request: pytest.FixtureRequest) -> Reopen:
        """Return what the author's fixture `reopen` gives; skip the case if there is none."""
        try:
            reopen: Reopen = request.getfixturevalue("reopen")
        except pytest.FixtureLookupError as error:
            if error.argname != "reopen":
                raise
            pytest.skip(SKIPPED)
        return reopen

    async def test_all_is_there_again(self, reopening: Reopen) -> None:
        """Items, order, versions, epoch, tombstones: whoever saw an earlier version can resume, and go on."""
        models = {path("one"): Model(), path("two"): Model()}
        updates = (
            put("c", "a", "b"),
            put("d", "c", value="ключ", remove=["c"]),
            Update(remove=("a",)),
            put("b", value=2),
        )
        async with opened(reopening) as backend:
            for update in updates:
                for collection, model in models.items():
                    await write_all(backend, collection, update)
                    model.write(update)
            epoch = (await backend.load(path("one"), None)).epoch
        for turn in range(2):
            async with opened(reopening) as backend:
                heads = await backend.heads([*models, path("none")])
                expected = {key: Cursor(epoch, model.version) for key, model in models.items()}
                assert dict(heads) == {**expected, path("none"): Cursor(epoch, 0)}
                assert list(await backend.collections("app")) == ["one", "two"]
                for collection, model in models.items():
                    await check_every_version(backend, collection, model)
                    update = put("e", "a", value=turn, remove=["c", "e"])
                    result = await backend.commit(collection, [Write(update)])
                    assert result.epoch == epoch
                    assert list(result.outcomes) == [Committed(model.write(update))]
                    await check_every_version(backend, collection, model)

    async def test_what_a_reset_removed_stays_away(self, reopening: Reopen) -> None:
        """And whoever had it learns that it is gone."""
        model = Model()
        async with opened(reopening) as backend:
            for update in (put("a", "b"), Update(insert={"c": item_text("c")}, reset=True)):
                await write_all(backend, path(), update)
                model.write(update)
        async with opened(reopening) as backend:
            await check_every_version(backend, path(), model)

    async def test_close_waits_for_cancelled_commits(self, reopening: Reopen) -> None:
        """After it nothing is half stored, and nothing is still on its way."""
        async with opened(reopening) as backend:
            seconds = await seconds_of_a_commit(backend)
        versions: dict[CollectionPath, int] = {}
        for number, moment in enumerate(moments(seconds)):
            collection = path(f"cancelled {number}")
            async with opened(reopening) as backend:
                acknowledged = await cancelled_commit(backend, collection, *moment)
            async with opened(reopening) as backend:
                least = len(UPDATES) if acknowledged else 0
                versions[collection] = check_whole(await backend.load(collection, None), least)
        async with opened(reopening) as backend:
            heads = await backend.heads(list(versions))
        now = {collection: head.version for collection, head in heads.items()}
        assert now == versions, "a commit was stored after `close`"
