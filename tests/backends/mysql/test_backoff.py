"""How long, and with what pauses, something is tried again that the database gave up."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from sharedstate_backends.conformance.model import path, put, write_all
from sharedstate_backends.items_service import get_service
from sharedstate_backends.mysql.wire.backoff import PAUSES, ContentionBackoff
from tests.backends.opening import opened

if TYPE_CHECKING:
    from sharedstate_backends import Backend


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_pauses_grow_and_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first attempt comes at once; the time is that of all attempts together."""
    now = 0.0
    longest: list[float] = []

    def draw(_: float, most: float) -> float:
        longest.append(most)
        return most

    async def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    monkeypatch.setattr(random, "uniform", draw)
    monkeypatch.setattr(time, "monotonic", lambda: now)
    monkeypatch.setattr(asyncio, "sleep", sleep)
    backoff = ContentionBackoff(2.0)
    while await backoff.pause():
        pass
    first, most = PAUSES
    assert longest[:4] == [0, first, 2 * first, 4 * first]
    assert longest[-1] == most
    assert 2.0 <= now < 2.0 + most


async def test_nobody_is_refused_at_a_contended_collection(mysql: dict[str, Any]) -> None:
    """Of several stores that write to it at once, and to others with it."""
    versions: list[int] = []

    async def write(backend: Backend, name: str) -> None:
        for _ in range(10):
            versions.append(await write_all(backend, path("hot"), put(name)))
            await write_all(backend, path(name), put("a"))

    async with AsyncExitStack() as stack:
        stores = [await stack.enter_async_context(opened(get_service(mysql))) for _ in range(3)]
        async with anyio.create_task_group() as tasks:
            for number in range(4):
                for store, backend in enumerate(stores):
                    tasks.start_soon(write, backend, f"{store} {number}")
    assert sorted(versions) == list(range(1, 121))
