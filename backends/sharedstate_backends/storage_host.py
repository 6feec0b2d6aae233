"""A driver's host with backends behind it, on asyncio or trio: it leaves only the connections to a transport."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from functools import partial
from threading import get_ident
from types import TracebackType
from typing import Self

import anyio

from sharedstate_core import Limits
from sharedstate_core.driver import Driver, Operation
from sharedstate_core.driver.peer import P

from .contract import Backend, NotOfferedError, StorageError
from .perform import failure_event, patchable, perform, resendable
from .timed_host import TimedHost

log = logging.getLogger("sharedstate")


class StorageHost(TimedHost[P]):
    """Performs the core's storage operations and wakes it: `async with StorageHost(backends) as host`.

    Leaving the block cancels operations that have not ended, so call `stop` before. Its time is `time.monotonic()`.
    What a peer's method or `answered` raises goes to the caller of the driver; where that is the host, it is logged.

    Args:
        backends: an open backend for each service; close them after the block.
        limits: bounds on what a peer may ask for.
    """

    def __init__(self, backends: Mapping[str, Backend], limits: Limits | None = None) -> None:
        super().__init__()
        self._driver: Driver[P] = Driver(
            tuple(backends),
            self,
            limits,
            patchable=patchable(backends),
            resendable=resendable(backends),
        )
        self._thread = get_ident()
        self._backends = backends
        self._stack = AsyncExitStack()

    @property
    def driver(self) -> Driver[P]:
        """Receives what happens, in the thread of the host's event loop.

        Raises:
            RuntimeError: this is another thread; see `anyio.from_thread.run_sync` and `loop.call_soon_threadsafe`.
        """
        if get_ident() != self._thread:
            raise RuntimeError(
                "the driver belongs to another thread, that of its event loop; "
                "call it there, for instance by anyio.from_thread.run_sync"
            )
        return self._driver

    async def __aenter__(self) -> Self:
        self._thread = get_ident()
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
        driver = self._driver
        try:
            result = await perform(self._backends[operation.service], operation)
        except NotOfferedError as error:  # not a failure
            text = f"service {operation.service} {error}"
            end: Callable[..., object] = partial(driver.failed, message=text, outcome_unknown=False)
        except Exception as error:  # noqa: BLE001  (whatever a backend raises is an outcome)
            self.report(operation, error)
            end = partial(driver.failed, outcome_unknown=not isinstance(error, StorageError))
        else:
            end = partial(driver.succeeded, result=result)
        with self._logged():
            end(operation, now=time.monotonic())

    def _wake(self, now: float) -> None:
        with self._logged():
            super()._wake(now)

    @contextmanager
    def _logged(self) -> Iterator[None]:
        """Log what a peer's method or `answered` raises; the driver does the rest with its next input."""
        try:
            yield
        except Exception as error:
            text = "%s, while the outcome of an operation or a deadline was dealt with"
            fields = {"event": "message_failed"}
            log.exception(text, type(error).__name__, extra={"fields": fields})
