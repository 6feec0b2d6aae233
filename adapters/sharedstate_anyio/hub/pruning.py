"""Pruning: storage forgets receipts that are old, and collections that are empty and that nobody here uses."""

from __future__ import annotations

import time
from collections.abc import Container
from functools import partial
from typing import TYPE_CHECKING, Final

import anyio

from sharedstate_backends import StorageError
from sharedstate_core import CollectionPath

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sharedstate_anyio.logs.repeated_errors import RepeatedErrors
    from sharedstate_anyio.storage.instrumented import InstrumentedBackend
    from sharedstate_core.driver import Driver

    from .peer import Peer

PRUNE_SECONDS: Final = 600.0
"""Pause between two rounds through a service's storage; nothing depends on its length."""

STEP_SECONDS: Final = 0.1
"""Pause between two steps of a round: storage has other users."""


class _InUse(Container[CollectionPath]):
    """The collections in memory, to be looked up one by one: there may be very many."""

    def __init__(self, driver: Driver[Peer]) -> None:
        self._server = driver.server

    def __contains__(self, path: object) -> bool:
        return isinstance(path, CollectionPath) and self._server.is_in_use(path)


async def prune_forever(
    driver: Driver[Peer], errors: RepeatedErrors, service: str, backend: InstrumentedBackend
) -> None:
    """Go through a service's storage again and again, in small steps; what fails is retried in the next round."""
    in_use = _InUse(driver)
    while True:
        await anyio.sleep(PRUNE_SECONDS)
        try:
            await _go_on(partial(_forget_receipts, driver, backend))
            await _go_on(partial(backend.prune, service, in_use))
        except Exception as error:  # noqa: BLE001  (whatever a plugin raises)
            trace = None if isinstance(error, StorageError) else error
            text = f"service {service}: cannot forget what is not needed any more: {error}; trying again later"
            fields = {"event": "prune_failed", "service": service}
            errors.report(("prune", service, type(error)), text, trace, fields)


async def _go_on(step: Callable[[], Awaitable[bool]]) -> None:
    """Take such steps until there is nothing more to do."""
    more = True
    while more:
        more = await step()
        await anyio.sleep(STEP_SECONDS)


async def _forget_receipts(driver: Driver[Peer], backend: InstrumentedBackend) -> bool:
    limits = driver.server.limits
    return await backend.forget_receipts(int(time.time() - limits.ops_seconds), limits.ops)
