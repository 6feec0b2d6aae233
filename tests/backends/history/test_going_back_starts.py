"""A database that is set back before a store has told anybody, or began: other processes know of it, or readers do."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from sharedstate_backends import OutcomeUnknownError, StorageError
from sharedstate_backends.conformance.model import put, write_all
from sharedstate_backends.history import vectors
from sharedstate_core.storage import Cursor
from tests.backends.opening import opened

from .going_back import P, commit, commit_nothing, cursor, guard_of, load, look

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sharedstate_backends import Backend, Doubting
    from tests.backends.restoring import Restorable


def failing(problem: Exception) -> Callable[..., Awaitable[None]]:
    async def fail(*_: object) -> None:
        raise problem

    return fail


async def doubt(backend: Backend, claimed: Cursor) -> None:
    await cast("Doubting", backend).doubt(P, claimed)


@pytest.mark.parametrize("act", [look, load, commit, commit_nothing])
async def test_a_start_that_has_told_nothing_yet_sees_what_was_there(
    act: Callable[[Backend], Awaitable[str]], database: Restorable, said: list[str]
) -> None:
    """Somebody who is away holds what the process before had told of."""
    async with opened(database.store()) as backend:
        await write_all(backend, P, put("one"))
        backup = database.take()
        await write_all(backend, P, put("lost"))
        before = await cursor(backend)
    async with opened(database.store()) as backend, opened(database.store()) as other:
        database.put_back(backup)
        epoch = await act(backend)
        assert epoch != before.epoch
        (line,) = said
        assert "what is there now is older than this server's start" in line
        for each in (backend, other):
            assert await look(each) == await load(each) == epoch, "one of them draws it"
            await write_all(each, P, put("more"))
        assert len(said) == 1


async def test_others_may_start_and_end_meanwhile(database: Restorable, said: list[str]) -> None:
    """More of them than there is room for; and a backup of that time has the mark."""
    async with opened(database.store()) as backend:
        before = await cursor(backend)
        for _ in range(vectors.MAX_WRITERS + 2):
            async with opened(database.store()) as other:
                assert await cursor(other) == before
        database.put_back(database.take())
        assert await cursor(backend) == before
        await write_all(backend, P, put("one"))
        assert await cursor(backend) == Cursor(before.epoch, 1)
    assert not said


async def test_a_start_after_a_set_back_is_another_one(
    database: Restorable, said: list[str]
) -> None:
    """As many have been since, or more; and nobody has written anything."""
    async with opened(database.store()) as backend:
        await write_all(backend, P, put("one"))
    backup = database.take()
    async with opened(database.store()) as here:
        database.put_back(backup)
        async with opened(database.store()), opened(database.store()) as other:
            assert not said
            epoch = await look(here)
            assert await look(other) == epoch
            assert len(said) == 1


async def test_a_reader_who_holds_more_is_believed_once_for_each_start(
    database: Restorable, said: list[str]
) -> None:
    """Before this process began nobody was there to remember."""
    async with opened(database.store()) as backend:
        await write_all(backend, P, put("one"))
    async with opened(database.store()) as backend:
        before = await cursor(backend)
        for honest in (before, Cursor("another", 9), Cursor(before.epoch, 0)):
            await doubt(backend, honest)
            assert await cursor(backend) == before
    async with opened(database.store()) as backend, opened(database.store()) as other:
        assert await cursor(other) == before
        await doubt(backend, Cursor(before.epoch, 7))
        (line,) = said
        assert "a reader holds version 7 of /app/service/collection, and there is version 1" in line
        now = await cursor(backend)
        assert now.epoch != before.epoch
        for claimed in (before.epoch, now.epoch):
            await doubt(backend, Cursor(claimed, 99))
        assert await cursor(backend) == await cursor(other) == now
        await doubt(other, Cursor(now.epoch, 99))
        assert await cursor(other) == now, "that epoch is younger than this process"
        assert len(said) == 1


async def test_a_reader_is_believed_later_if_the_store_cannot_be_asked(
    database: Restorable, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(database.store()) as backend:
        await write_all(backend, P, put("one"))
    async with opened(database.store()) as backend:
        before = await cursor(backend)
        claimed = Cursor(before.epoch, 7)
        verifier = guard_of(backend)._verifier
        for problem in (StorageError("away"), OutcomeUnknownError("away")):
            with monkeypatch.context() as patched:
                patched.setattr(verifier, "believe", failing(problem))
                with pytest.raises(type(problem)):
                    await doubt(backend, claimed)
        assert not said
        await doubt(backend, claimed)
        assert (await cursor(backend)).epoch != before.epoch
        assert len(said) == 1
