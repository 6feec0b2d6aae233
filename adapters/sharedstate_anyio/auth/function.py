"""A Python function of the operator's that is asked who somebody is.

1. A plain function runs in a thread, an async one in the loop; so many at a time, the others stand in line.
2. It has `SECONDS`, standing in line included. A thread cannot be stopped: one that hangs is counted until it ends, and
   with too many of them nothing more is asked.
3. What it does wrong is logged and means `unavailable`: a mistake of ours does not sign anybody out.
"""

from __future__ import annotations

import importlib
import inspect
import math
import sys
from typing import TYPE_CHECKING, Any, Final, cast

import anyio
import anyio.to_thread
import msgspec

from sharedstate_anyio.config.auth import MAX_ID
from sharedstate_backends.contract import ConfigurationError
from sharedstate_core.server.identity_inputs import MAX_USER_BYTES

from .faults import describe
from .identity import Identity, Unauthenticated, is_deep

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sharedstate_anyio.logs.repeated_errors import RepeatedErrors
    from sharedstate_core import AuthReason

    from .identity import AuthRequest

SECONDS: Final = 10.0
"""How long a call may take."""
THREADS: Final = 8
"""Calls of a plain function at a time."""
TASKS: Final = 64
"""Calls of an async function at a time."""
HUNG: Final = 32
"""Threads that may hang beside those."""
_TEXTS: Final[dict[AuthReason, str]] = {
    "missing": "there is no token",
    "invalid": "the token is not valid",
    "expired": "the token has expired",
    "revoked": "the token was revoked",
    "unavailable": "who this is cannot be told at the moment",
}
"""What is said for each reason; the words of the function might hold anything."""


class _NonsenseError(Exception):
    """A function has returned something else than it should; the text holds nothing of that."""


def find(name: str, place: str) -> Callable[[AuthRequest], Any]:
    """Return the function `module:function`.

    Raises:
        ConfigurationError: there is none.
    """
    module, _, path = name.partition(":")
    try:
        found: Any = importlib.import_module(module)
    except Exception as error:  # noqa: BLE001  (whatever a module does while it is imported)
        reason = " ".join(str(error).split())
        problem = f"importing {module} failed: {type(error).__name__}: {reason}"
        raise ConfigurationError(place, problem) from None
    for part in path.split("."):
        found = getattr(found, part, None)
    if not callable(found) or inspect.isclass(found):
        raise ConfigurationError(place, f"{module} has no function {path}")
    return cast("Callable[[AuthRequest], Any]", found)


class Function:
    """A function, called within bounds.

    Args:
        name: of the function, for the log.
        function: gets an `AuthRequest`; returns None, or a dict with an `id`, and perhaps `expires`.
        errors: logs what it does wrong.
        clock: seconds since the Unix epoch.
    """

    def __init__(
        self,
        name: str,
        function: Callable[[AuthRequest], Any],
        errors: RepeatedErrors,
        clock: Callable[[], float],
    ) -> None:
        self._name = name
        self._function = function
        self._errors = errors
        self._clock = clock
        call = getattr(function, "__call__", None)  # noqa: B004  (that of an object may be async)
        self._is_async = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)
        self._line: anyio.CapacityLimiter | None = None
        self._in_threads: set[object] = set()

    async def ask(self, request: AuthRequest) -> Identity | None:
        """Return who somebody is; None: nobody.

        Raises:
            Unauthenticated: the function says so, or cannot be asked.
        """
        with anyio.move_on_after(SECONDS) as scope:
            try:
                result = await self._call(request)
                return self._identity(result)
            except Unauthenticated as error:
                reason = error.reason if error.reason in _TEXTS else "invalid"
            except _NonsenseError as error:
                reason = self._complain("nonsense", str(error))
            except anyio.get_cancelled_exc_class() as error:
                if _is_cancelled():
                    raise
                reason = self._complain("cancelled", f"raised {describe(error, request)}")
            except (Exception, SystemExit) as error:  # noqa: BLE001  (it is not ours)
                reason = self._complain(type(error).__name__, f"raised {describe(error, request)}")
        if scope.cancelled_caught:
            reason = self._complain("late", f"did not answer within {SECONDS:g} s")
        raise Unauthenticated(reason, _TEXTS[reason])

    async def _call(self, request: AuthRequest) -> object:
        if self._line is None:
            self._line = anyio.CapacityLimiter(TASKS if self._is_async else THREADS)
        if self._is_async:
            async with self._line:
                return await cast("Awaitable[object]", self._function(request))
        if len(self._in_threads) >= THREADS + HUNG:
            raise _NonsenseError(f"hangs in {len(self._in_threads)} threads")
        ticket = object()

        def call() -> object:
            self._in_threads.add(ticket)
            try:
                result = self._function(request)
            finally:
                self._in_threads.discard(ticket)
            if inspect.iscoroutine(result):
                result.close()
                raise _NonsenseError("returned a coroutine, and is not async itself")
            return result

        return await anyio.to_thread.run_sync(call, abandon_on_cancel=True, limiter=self._line)

    def _identity(self, result: object) -> Identity | None:
        if result is None:
            return None
        if not isinstance(result, dict):
            found = type(result).__name__
            raise _NonsenseError(f"returned {found}; expected None, or a dict with an id")
        expires = result.get("expires")
        if expires is not None:
            wrong = isinstance(expires, bool) or not isinstance(expires, int | float)
            if wrong or not math.isfinite(expires):
                raise _NonsenseError("returned expires, which is no time in seconds")
            if expires <= self._clock():
                raise Unauthenticated("expired", _TEXTS["expired"])
        user = _as_json({key: value for key, value in result.items() if key != "expires"})
        id = user.get("id")
        if not isinstance(id, str) or not 0 < len(id) <= MAX_ID:
            raise _NonsenseError(f"returned an id that is no text of 1 to {MAX_ID} characters")
        return Identity(user, None if expires is None else float(expires))

    def _complain(self, kind: str, problem: str) -> AuthReason:
        fields = {"event": "authenticate_failed", "function": self._name}
        self._errors.report(("authenticate", kind), f"{self._name} {problem}", None, fields)
        return "unavailable"


def _is_cancelled() -> bool:
    """Return whether somebody wants this task to end; on asyncio, what it waits for may have been cancelled instead."""
    if anyio.current_effective_deadline() == -math.inf:
        return True
    if "asyncio" not in sys.modules:
        return True
    try:
        task = sys.modules["asyncio"].current_task()
    except RuntimeError:  # no loop of asyncio runs here
        return True
    return task is None or task.cancelling() > 0


def _as_json(user: dict[Any, Any]) -> dict[str, Any]:
    """Return a copy that is JSON, and nobody else's."""
    try:
        text = msgspec.json.encode(user)
    except (TypeError, ValueError, RecursionError):
        raise _NonsenseError("returned what is no JSON") from None
    if len(text) > MAX_USER_BYTES:
        raise _NonsenseError(f"returned more than {MAX_USER_BYTES:,} bytes of JSON")
    copy: dict[str, Any] = msgspec.json.decode(text)
    if is_deep(copy):
        raise _NonsenseError("returned what is nested too deep")
    return copy
