"""Looking for what other server processes have committed to the same storage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio

from sharedstate_backends import StorageError

if TYPE_CHECKING:
    from sharedstate_backends import Backend

    from .hub import Hub

ASKED_AT_ONCE: Final = 500
"""Collections in one question: what it takes from the storage's other users before they have their turn."""


async def look_forever(hub: Hub, service: str, backend: Backend, seconds: float) -> None:
    """Compare the collections in memory with storage, every so many seconds; the core decides what to load."""
    failing = False
    while True:
        await anyio.sleep(seconds)
        try:
            await _look(hub, service, backend)
        except Exception as error:  # noqa: BLE001  (whatever a plugin raises)
            if not failing:
                trace = None if isinstance(error, StorageError) else error
                text = f"service {service}: cannot see what others commit: {error}; trying again"
                fields = {"event": "look_failed", "service": service}
                hub.faults.report(("look", service, type(error)), text, trace, fields)
            failing = True
        else:
            failing = False


async def _look(hub: Hub, service: str, backend: Backend) -> None:
    paths = hub.loaded(service)
    for start in range(0, len(paths), ASKED_AT_ONCE):
        heads = await backend.heads(paths[start : start + ASKED_AT_ONCE])
        for path, cursor in heads.items():
            hub.changed(path, cursor)
