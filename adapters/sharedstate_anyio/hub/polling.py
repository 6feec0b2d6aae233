"""Polling for what other server processes have committed to the same storage."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import anyio

from sharedstate_backends import StorageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sharedstate_anyio.logs.repeated_errors import RepeatedErrors
    from sharedstate_backends import Backend
    from sharedstate_core import CollectionPath
    from sharedstate_core.driver import Driver

    from .peer import Peer

ASKED_AT_ONCE: Final = 500
"""Collections per query: bounds how long the storage's other users wait for it."""


LEAST_PAUSE_SECONDS: Final = 0.05
"""Pause between two queries: allows 10,000 collections a second, at a few percent of a processor."""


async def look_forever(
    driver: Driver[Peer], errors: RepeatedErrors, service: str, backend: Backend, seconds: float
) -> None:
    """Compare the collections in memory with storage once per interval; the core decides what to load.

    One round is spread over the interval, and takes longer with very many collections (`LEAST_PAUSE_SECONDS`).
    """
    failing = False
    waiting: list[CollectionPath] = []
    pause = seconds
    while True:
        await anyio.sleep(pause)
        if not waiting:
            waiting = driver.server.loaded(service)
            rounds = -(-len(waiting) // ASKED_AT_ONCE) or 1
            pause = max(seconds / rounds, min(seconds, LEAST_PAUSE_SECONDS))
        asked, waiting = waiting[:ASKED_AT_ONCE], waiting[ASKED_AT_ONCE:]
        try:
            await _look(driver, asked, backend)
        except Exception as error:  # noqa: BLE001  (whatever a plugin raises)
            if not failing:
                trace = None if isinstance(error, StorageError) else error
                text = f"service {service}: cannot see what others commit: {error}; trying again"
                fields = {"event": "look_failed", "service": service}
                errors.report(("look", service, type(error)), text, trace, fields)
            failing, waiting, pause = True, [], seconds
        else:
            failing = False


async def _look(driver: Driver[Peer], paths: Sequence[CollectionPath], backend: Backend) -> None:
    """Query the heads even if no collection is in memory: the store may check more than those."""
    for path, cursor in (await backend.heads(paths)).items():
        driver.collection_changed(path, cursor, time.monotonic())
