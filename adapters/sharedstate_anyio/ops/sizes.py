"""Disk usage of the services' storage, measured when the metrics are read."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Final

import anyio

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sharedstate_anyio.storage.instrumented import InstrumentedBackend

ANSWER_SECONDS: Final = 2.0
"""How long storage may take to answer; later answers are ignored."""

FRESH_SECONDS: Final = 1.0
"""How long an answer is valid."""


class Sizes:
    """Measures the services' storage.

    Args:
        services: the open backend of each service, by its name.
    """

    def __init__(self, services: Mapping[str, InstrumentedBackend]) -> None:
        self._services = services
        self._asking = anyio.Lock()
        self._asked = -math.inf
        self._found: dict[str, Mapping[str, int]] = {}

    async def measure(self, without: Collection[str]) -> Mapping[str, Mapping[str, int]]:
        """Return the bytes of each part of each service's storage, by service and part.

        Args:
            without: services to leave out, because their storage fails.
        """
        async with self._asking:
            if time.monotonic() - self._asked >= FRESH_SECONDS:
                self._found = {}
                async with anyio.create_task_group() as tasks:
                    for name in self._services.keys() - without:
                        tasks.start_soon(self._measure, name)
                self._asked = time.monotonic()
        return self._found

    async def _measure(self, name: str) -> None:
        try:
            with anyio.move_on_after(ANSWER_SECONDS):
                self._found[name] = await self._services[name].sizes()
        except Exception:  # noqa: BLE001  (whatever a plugin raises is no answer)
            return
