"""Whether the storage of every service answers.

The rules:

1. Anybody may ask, as often as they like: storage is asked once a second at the most, and a service that still owes
   an answer is not asked again.
2. An answer takes `PROBE_SECONDS` at the most. A question is cancelled then, but nobody waits for its end: a store that
   lives on another loop (`Island`) cannot be interrupted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio

from sharedstate_core import CollectionPath

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anyio.abc import TaskGroup

    from sharedstate_backends import Backend

PROBE_SECONDS: Final = 2.0
"""How long storage may take to answer before it is not ready."""

FRESH_SECONDS: Final = 1.0
"""How long an answer of storage holds."""


class Readiness:
    """Asks the services' storage.

    Args:
        services: the open backend of each service, by its name.
        tasks: the task group that owns the questions.
    """

    def __init__(self, services: Mapping[str, Backend], tasks: TaskGroup) -> None:
        self._services = services
        self._tasks = tasks
        self._probing = anyio.Lock()
        self._probed = -FRESH_SECONDS
        self._silent: list[str] = []
        self._questions: dict[str, anyio.Event] = {}  # those under way; set at their end
        self._answered: set[str] = set()

    async def silent(self) -> list[str]:
        """Return the names of the services whose storage does not answer, in order."""
        async with self._probing:
            if anyio.current_time() - self._probed >= FRESH_SECONDS:
                await self._probe()
        return self._silent

    async def _probe(self) -> None:
        self._answered.clear()
        for name in self._services:
            if name not in self._questions:
                self._questions[name] = anyio.Event()
                self._tasks.start_soon(self._ask, name)
        with anyio.move_on_after(PROBE_SECONDS):
            for ended in list(self._questions.values()):
                await ended.wait()
        self._silent = [name for name in self._services if name not in self._answered]
        self._probed = anyio.current_time()

    async def _ask(self, name: str) -> None:
        try:
            with anyio.move_on_after(PROBE_SECONDS):
                await self._services[name].heads([CollectionPath("readyz", name, "readyz")])
                self._answered.add(name)
        except Exception:  # noqa: BLE001  (whatever a plugin raises is no answer)
            return
        finally:
            self._questions.pop(name).set()
