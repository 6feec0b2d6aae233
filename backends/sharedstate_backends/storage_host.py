"""A driver's host with backends behind it, on asyncio or trio: it leaves only the connections to a transport."""

import logging
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

import anyio

from sharedstate_core import Limits
from sharedstate_core.driver import Driver, Operation
from sharedstate_core.driver.peer import P

from .contract import Backend, NotOfferedError, StorageError
from .perform import failure_event, perform
from .timed_host import TimedHost

log = logging.getLogger("sharedstate")


class StorageHost(TimedHost[P]):
    """Performs the core's storage operations and wakes it: `async with StorageHost(backends) as host`.

    Leaving the block cancels operations that have not ended, so call `stop` before. Its time is `time.monotonic()`.

    Args:
        backends: an open backend for each service; close them after the block.
        limits: bounds on what a peer may ask for.

    Attributes:
        driver: receives what happens.
    """

    def __init__(self, backends: Mapping[str, Backend], limits: Limits | None = None) -> None:
        super().__init__()
        self.driver: Driver[P] = Driver(tuple(backends), self, limits)
        self._backends = backends
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._tasks = await self._stack.enter_async_context(anyio.create_task_group())
        self._tasks.start_soon(self.keep_time)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        self._tasks.cancel_scope.cancel()
        return await self._stack.__aexit__(kind, error, trace)

    async def stop(self, seconds: float) -> None:
        """Accept nothing more, finish what was accepted, close everybody; return when all connections have ended.

        Args:
            seconds: how long storage may take; after that everybody is closed anyway.
        """
        await self.finish(seconds)
        await self.wait_empty()

    # --- what the driver wants --------------------------------------------------------------------

    def start(self, operation: Operation) -> None:
        """Begin an operation in a task of its own."""
        self._tasks.start_soon(self._carry_out, operation)

    def report(self, subject: Operation | P, error: Exception) -> None:
        """Log a fault, with the `event` that the server logs it with and, for an operation, its `service`."""
        fields = {"event": "message_failed"}
        if isinstance(subject, Operation):
            fields = {"event": failure_event(subject), "service": subject.service}
        text = "%s: %s"
        log.error(text, type(subject).__name__, error, exc_info=error, extra={"fields": fields})

    async def _carry_out(self, operation: Operation) -> None:
        driver = self.driver
        try:
            result = await perform(self._backends[operation.service], operation)
        except NotOfferedError as error:  # not a failure
            text = f"service {operation.service} {error}"
            driver.failed(operation, time.monotonic(), text, outcome_unknown=False)
        except Exception as error:  # noqa: BLE001  (whatever a backend raises is an outcome)
            self.report(operation, error)
            unknown = not isinstance(error, StorageError)
            driver.failed(operation, time.monotonic(), outcome_unknown=unknown)
        else:
            driver.succeeded(operation, result, time.monotonic())
