"""Listings of names: each costs a scan of every collection, and anybody may request them.

1. One listing per service is under way at a time; others wait in the order of their requests.
2. Those that wait for the same names share one listing, which begins after each of them was requested.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio.lowlevel

from sharedstate_core import ListApps, ListCollections

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from anyio.abc import TaskGroup

    Listing = ListCollections | ListApps


class Listings:
    """Carries out listings.

    Args:
        tasks: owns the tasks, at most one for each service.
        read: performs one, and returns its result.
        told: called with each request and its result.
    """

    def __init__(
        self,
        tasks: TaskGroup,
        read: Callable[[Listing], Awaitable[Sequence[str] | Exception]],
        told: Callable[[Listing, Sequence[str] | Exception], object],
    ) -> None:
        self._tasks = tasks
        self._read = read
        self._told = told
        self._waiting: dict[str, dict[str | None, list[Listing]]] = {}

    def start(self, request: Listing) -> None:
        """Queue a listing."""
        app = request.app if isinstance(request, ListCollections) else None
        waiting = self._waiting.get(request.service)
        if waiting is None:
            waiting = self._waiting[request.service] = {}
            self._tasks.start_soon(self._run, request.service)
        waiting.setdefault(app, []).append(request)

    async def _run(self, service: str) -> None:
        waiting = self._waiting[service]
        try:
            while waiting:
                requests = waiting.pop(next(iter(waiting)))
                outcome = await self._read(requests[0])
                for request in requests:
                    self._told(request, outcome)
                    await anyio.lowlevel.checkpoint()  # an answer may be long
        finally:
            del self._waiting[service]
