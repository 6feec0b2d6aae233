"""Context managers whose block may be left by a task other than the one that entered it.

A task group or cancel scope of anyio has to be left by the task that entered it. Fixtures of pytest-asyncio,
`IsolatedAsyncioTestCase.enterAsyncContext` and programs with a `start` and a `stop` enter in one task and leave in
another. The rules:

1. On asyncio a task of its own enters, waits, and leaves; users of the block only communicate with it. On trio the
   caller's task does it all: trio has no tasks without a nursery, and none is needed.
2. What the block raises never passes through the function, so it comes out unchanged, and takes precedence over a
   failure of the function. Only a cancellation is raised at its `yield`; after any other end it continues after it.
3. If something fails in the own task before the block has ended, the task that entered is cancelled, once, as
   `asyncio.timeout` does it, and leaving raises the failure, in whatever task. A block that is cancelled ends before
   what it uses does, as in a task group: its own tasks see a cancellation, and no errors that follow from the failure.
4. Entering returns once the own task is ready, leaving once it is gone.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import wraps
from typing import TYPE_CHECKING, NoReturn, ParamSpec, TypeVar

import anyio
import anyio.lowlevel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from types import TracebackType

    from .asyncio_owner import Owner

P = ParamSpec("P")
T = TypeVar("T")


def in_own_task(
    function: Callable[P, AsyncIterator[T]],
) -> Callable[P, AbstractAsyncContextManager[T]]:
    """Work like `contextlib.asynccontextmanager`, for a block that any task of the loop may leave."""
    manager = asynccontextmanager(function)

    @wraps(function)
    def make(*args: P.args, **kwargs: P.kwargs) -> AbstractAsyncContextManager[T]:
        return _Block(manager(*args, **kwargs), function.__name__)

    return make


class _Block(AbstractAsyncContextManager[T]):
    def __init__(self, manager: AbstractAsyncContextManager[T], name: str) -> None:
        self._manager = manager
        self._name = name
        self._entered = False
        self._owner: Owner[T] | None = None

    def __await__(self) -> NoReturn:
        raise TypeError(f"{self._name} is a block: use `async with {self._name}(…)`, without await")

    async def __aenter__(self) -> T:
        if self._entered:
            problem = "a block may be entered once: call it again for another one"
            raise RuntimeError(f"{self._name}: {problem}")
        self._entered = True
        loop = anyio.lowlevel.current_token().native_token
        if type(loop).__module__.startswith("trio."):
            return await self._manager.__aenter__()
        from .asyncio_owner import Owner  # noqa: PLC0415  (who is on trio does without asyncio)

        self._owner = Owner(self._manager)
        return await self._owner.enter()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        cancelled = _is_cancellation(error)
        try:
            if self._owner is not None:
                await self._owner.leave(cancelled=cancelled)
            elif cancelled:
                return await self._manager.__aexit__(kind, error, traceback)
            else:
                await self._manager.__aexit__(None, None, None)
        except Exception as failure:
            if error is None or cancelled:
                raise
            error.__context__ = error.__context__ or failure
        return None


def _is_cancellation(error: BaseException | None) -> bool:
    """Return whether an error consists only of cancellations; a trio nursery may put them into a group."""
    cancelled = anyio.get_cancelled_exc_class()
    if isinstance(error, BaseExceptionGroup):
        return error.split(cancelled)[1] is None
    return isinstance(error, cancelled)
