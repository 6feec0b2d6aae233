"""Whose the connections are: asks the program for tokens, in time, and never twice at once.

The rules:

1. The program's function is asked at every attempt to connect. Who comes while it is asked waits for the same answer.
2. What was asked for on a connection that is gone is shown on no other, unless that one has asked meanwhile.
3. Before a token expires another one is shown, timed by the server's clock: this machine's may be wrong.
4. Once it raises `Unauthorized`, or after `stop`, nobody is signed in, and it is not asked again until `resume`.
5. A text that stands for the function is the token each time.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

import anyio
from msgspec import UNSET, UnsetType

from sharedstate_core import SharedStateError
from sharedstate_core.client import refresh_after

from .net.connector import backoff

if TYPE_CHECKING:
    from typing import TypeGuard

TokenSource: TypeAlias = str | Callable[..., str | Awaitable[str | None] | None]
"""A token, or a function, plain or async, called with the keyword `reason`, that returns one, or None for nobody."""

SHORTEST_TERM: Final = 1.0
"""A token is replaced after this many seconds at the earliest, however soon it expires."""


class Unauthorized(Exception):  # noqa: N818  (as in the JavaScript client)
    """To be raised by the function `token`: nobody is signed in, and it is not asked again until `connect_now`."""


class Shower(Protocol):
    """What shows tokens to the server."""

    def show(self, token: str | UnsetType | None) -> None:
        """Show it on the present connection."""
        ...

    def no_token(self, error: Exception | None) -> None:
        """There is none: for now, because of an error, or nobody is signed in any more, says the program."""
        ...


class SignIn:
    """Asks for tokens, and has them shown; `run` and `refresh` are its tasks.

    Args:
        source: where they come from; None for a client without.
        ask_time: asks for the server's time.
    """

    def __init__(
        self, source: TokenSource | None, ask_time: Callable[[], Awaitable[float]]
    ) -> None:
        self._source = source
        self._ask_time = ask_time
        self._stopped = False
        self._is_accepted = (
            False  # the server knows a user, and nothing is the matter with the token
        )
        self._reason = ""
        self._pause = 0.0
        self._failures = 0
        self._wanted = anyio.Event()
        self._hurry = anyio.Event()
        self._attempt = 0
        self._for = 0  # the attempt that asked last
        self._is_open = False
        self._came: tuple[str | None] | Exception | None = (
            None  # for an attempt that is not open yet
        )
        self._expires: float | None = None
        self._term = anyio.Event()

    # --- the connection ---------------------------------------------------------------------------

    def attempt(self) -> None:
        """Note that an attempt to connect begins."""
        self._attempt += 1
        self._came = None
        self._is_open = False
        if _is_function(self._source) and not self._stopped:
            self._want("connect")

    def opened(self, shower: Shower) -> None:
        """Note that it has led to a connection, which begins once there is a token."""
        self._is_open = True
        if self._stopped:
            shower.show(None)
        elif self._source is None or isinstance(self._source, str):
            shower.show(UNSET if self._source is None else self._source)
        elif self._came is not None:
            came, self._came = self._came, None
            self._deliver(came, shower)
        elif self._for != self._attempt:
            self._want("connect")

    def lost(self) -> None:
        """Note that it is gone."""
        self._is_open = False
        self._came = None
        self._begin_term(None)

    def stop(self) -> None:
        """Sign nobody in from now on."""
        self._stopped = True
        self._begin_term(None)

    def resume(self) -> None:
        """Ask again, whatever came of it before, unless somebody is signed in."""
        if self._is_accepted:
            return
        self._stopped = False
        if self._is_open and self._source is not None:
            self._want("connect")

    # --- what the server says ---------------------------------------------------------------------

    def wanted(self, reason: str) -> None:
        """Note that the connection needs another token."""
        self._begin_term(None)
        if self._stopped or self._source is None:
            return
        if reason == "unavailable":
            self._want(reason, backoff(self._failures))
            self._failures += 1
        else:
            self._want(reason)

    def accepted(self, user: object, expires: float | None) -> None:
        """Note whose the connection is, None for nobody, and until when."""
        self._failures = 0
        self._begin_term(expires if _is_function(self._source) and not self._stopped else None)
        self._is_accepted = user is not None

    def _begin_term(self, expires: float | None) -> None:
        self._is_accepted = False
        self._expires = expires
        self._term.set()

    def _want(self, reason: str, pause: float = 0.0) -> None:
        self._for = self._attempt
        self._reason, self._pause = reason, pause
        self._wanted.set()
        if not pause:
            self._hurry.set()

    # --- tasks ------------------------------------------------------------------------------------

    async def run(self, shower: Shower) -> None:
        """Ask whenever a token is wanted, until cancelled."""
        while True:
            await self._wanted.wait()
            while self._pause:
                pause, self._pause, self._hurry = self._pause, 0.0, anyio.Event()
                with anyio.move_on_after(pause):
                    await self._hurry.wait()
            came = await self._ask(self._reason)
            self._wanted = anyio.Event()
            if self._for != self._attempt:
                continue
            if self._is_open:
                self._deliver(came, shower)
            else:
                self._came = came

    async def refresh(self) -> None:
        """Want another token before the present one expires, until cancelled."""
        while True:
            await self._term.wait()
            term = self._term = anyio.Event()
            if self._expires is None:
                continue
            expires = self._expires
            try:
                now = await self._ask_time()
            except SharedStateError:
                continue
            with anyio.move_on_after(max(SHORTEST_TERM, refresh_after(expires, now))) as scope:
                await term.wait()
            if scope.cancelled_caught:
                self._want("expires")

    def _deliver(self, came: tuple[str | None] | Exception, shower: Shower) -> None:
        if self._stopped:
            shower.show(None)
        elif isinstance(came, tuple):
            shower.show(came[0])
        elif isinstance(came, Unauthorized):
            self._stopped = True
            shower.no_token(None)
        else:
            shower.no_token(came)

    async def _ask(self, reason: str) -> tuple[str | None] | Exception:
        source: Any = self._source
        try:
            token = source(reason=reason) if _is_function(source) else source
            if inspect.isawaitable(token):
                token = await token
            if token is not None and not isinstance(token, str):
                raise TypeError(f"token: expected a str or None, found {type(token).__name__}")
        except Exception as error:  # noqa: BLE001  (it is the program's own, and is logged)
            return error
        return (token,)


def _is_function(source: TokenSource | None) -> TypeGuard[Callable[..., Any]]:
    return callable(source)
