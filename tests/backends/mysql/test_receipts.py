"""Receipts in MariaDB: those of sessions that were seen are not read, and none is taken for valid that is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sharedstate_backends import OutcomeUnknownError
from sharedstate_backends.conformance.model import path, put, write_all
from sharedstate_backends.conformance.patches import inc
from sharedstate_backends.conformance.receipts import numbered
from sharedstate_backends.items_service import get_service
from sharedstate_backends.mysql.tables import heads
from sharedstate_core.storage import Committed
from tests.backends.opening import opened

from .test_heads import Wire, wire

if TYPE_CHECKING:
    from sharedstate_backends import Backend

__all__ = ["wire"]


async def commit(backend: Backend, number: int, session: str = "me") -> Committed:
    writes = [numbered(number, put("a", value=number), session)]
    (outcome,) = (await backend.commit(path(), writes)).outcomes
    assert isinstance(outcome, Committed)
    return outcome


async def test_round_trips(mysql: dict[str, Any], wire: Wire) -> None:
    """A session costs another packet once; without numbers nothing is read or written of receipts."""
    async with opened(get_service(mysql)) as backend:
        await write_all(backend, path(), *[put("a")] * 2)
        with wire.counted(1):
            await write_all(backend, path(), put("a"))
        assert "receipts" not in wire.packets[-1]
        with wire.counted(2):
            await commit(backend, 1)
        for number in (2, 3):
            with wire.counted(1):
                await commit(backend, number)
        with wire.counted(1):
            assert (await commit(backend, 3)).duplicate
        with wire.counted(2):
            await commit(backend, 1, "you")
        for session in ("me", "you"):
            with wire.counted(1):
                await commit(backend, 4, session)


async def test_another_process_has_stored_it(mysql: dict[str, Any]) -> None:
    """What is remembered is not valid any more: that shows by the head."""
    async with opened(get_service(mysql)) as one, opened(get_service(mysql)) as two:
        for number in (1, 2, 3):
            await commit(one, number)
        assert not (await commit(two, 4)).duplicate
        assert (await commit(one, 4)).duplicate
        assert (await commit(one, 3)).duplicate
        assert not (await commit(one, 5)).duplicate
        assert (await commit(two, 5)).duplicate


@pytest.mark.parametrize("arrives", [False, True])
async def test_a_commit_that_is_lost(mysql: dict[str, Any], wire: Wire, *, arrives: bool) -> None:
    """On the way there, or on the way back: sent again it is stored once."""
    async with opened(get_service(mysql)) as backend:
        for number in range(1, 4):
            write = numbered(number, inc("n", upsert=True))
            wire.swallow = "answers" if arrives else True
            with pytest.raises(OutcomeUnknownError):
                await backend.commit(path(), [write])
            wire.swallow = False
            for is_again in (arrives, True):
                (outcome,) = (await backend.commit(path(), [write])).outcomes
                assert outcome == Committed(number, duplicate=is_again)
        (row,) = (await backend.load(path(), None)).rows
        assert row.text == b'{"id":"n","n":3}'


async def test_as_many_are_remembered_as_may_be(
    mysql: dict[str, Any], wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heads, "MAX_RECEIPTS", 2)
    async with opened(get_service(mysql)) as backend:
        for session in ("one", "two"):
            await commit(backend, 1, session)
        with wire.counted(1):
            await commit(backend, 2, "one")
        await commit(backend, 1, "three")  # with it nothing is remembered any more
        with wire.counted(2):
            await commit(backend, 2, "three")
