"""Looking for what other server processes have committed to the same storage."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

import anyio

from sharedstate_backends import StorageError

if TYPE_CHECKING:
    from sharedstate_backends import Backend

    from .hub import Hub

log = logging.getLogger("sharedstate")

ASKED_AT_ONCE: Final = 500
"""Collections in one question: what it takes from the storage's other users before they have their turn."""


async def look_forever(hub: Hub, service: str, backend: Backend, seconds: float) -> None:
    """Compare the collections in memory with storage, every so many seconds; the core decides what to load."""
    failing = False
    while True:
        await anyio.sleep(seconds)
        try:
            await _look(hub, service, backend)
        except Exception as error:
            if not failing:
                trace = None if isinstance(error, StorageError) else error
                text = "service %s: cannot see what others commit: %s; trying again"
                log.log(logging.ERROR, text, service, error, exc_info=trace)
            failing = True
        else:
            failing = False


async def _look(hub: Hub, service: str, backend: Backend) -> None:
    paths = hub.loaded(service)
    for start in range(0, len(paths), ASKED_AT_ONCE):
        heads = await backend.heads(paths[start : start + ASKED_AT_ONCE])
        for path, cursor in heads.items():
            hub.changed(path, cursor)
