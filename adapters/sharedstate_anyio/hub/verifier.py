"""Finds out whose a connection is, when the core asks."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final

import anyio

from sharedstate_anyio.auth import AuthRequest, Unauthenticated
from sharedstate_anyio.auth.identity import in_force

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

    from sharedstate_anyio.auth import Authenticator, Identity
    from sharedstate_anyio.logs.repeated_errors import RepeatedErrors
    from sharedstate_anyio.net.gate import Gate
    from sharedstate_core import Authenticate
    from sharedstate_core.driver import Driver

    from .peer import Peer

WEIGHT: Final = 16
"""What a proof weighs at the gate, beside a message: to verify a signature takes up to a millisecond."""

LOOKED_AT: Final = 500
"""Connections that one turn looks at, whether anything still vouches for their users."""


class Verifier:
    """Puts the core's questions to the authenticator, and passes on the answers.

    Whom a known token names is said at once. Anything else is a task of its own, which waits at the gate.

    Args:
        authenticator: knows.
        driver: whose questions they are.
        gate: lets so many proofs in at a time.
        tasks: the task group that owns them.
        errors: logs what an authenticator must not return, and which tokens were refused.
    """

    def __init__(
        self,
        authenticator: Authenticator,
        driver: Driver[Peer],
        gate: Gate,
        tasks: TaskGroup,
        errors: RepeatedErrors,
    ) -> None:
        self._authenticator = authenticator
        authenticator.dropped = self._look_again
        self._driver = driver
        self._gate = gate
        self._tasks = tasks
        self._errors = errors

    def start(self, question: Authenticate[Peer]) -> None:
        """Find out, or begin to."""
        request = question.connection.proof or AuthRequest()
        if question.token is not None:
            request = request.with_token(question.token)
        if (known := self._authenticator.known(request)) is not None:
            self._succeed(question, known)
        else:
            self._tasks.start_soon(self._answer, question, request)

    def _look_again(self) -> None:
        """Report, by turns, which connections nothing vouches for any more."""
        self._tasks.start_soon(self._withdraw)

    async def _withdraw(self) -> None:
        for count, peer in enumerate(self._driver.server.users(), 1):
            if not in_force(peer.vouchers):
                self._driver.withdraw(peer, time.monotonic())
            if count % LOOKED_AT == 0:
                await anyio.lowlevel.checkpoint()

    async def _answer(self, question: Authenticate[Peer], request: AuthRequest) -> None:
        await self._gate.enter(WEIGHT)
        try:
            found = await self._authenticator.authenticate(request)
        except Unauthenticated as refused:
            self._tell(refused.reason, refused.text, request.peer)
            self._driver.authentication_failed(question, refused.reason, time.monotonic())
            return
        self._succeed(question, found)

    def _succeed(self, question: Authenticate[Peer], found: Identity | None) -> None:
        now = time.monotonic()
        if found is None:
            self._driver.authenticated(question, None, now)
            return
        try:
            self._driver.authenticated(question, found.user, now, found.expires)
            question.connection.vouchers = found.vouchers
        except ValueError as error:  # such as claims that are too long
            text = f"a user cannot be taken: {error}"
            self._errors.report(("user", type(error)), text, None, {"event": "authenticate_failed"})
            self._driver.authentication_failed(question, "unavailable", now)

    def _tell(self, reason: str, text: str, address: str) -> None:
        """Log why somebody was refused; whoever it was is told the `reason` alone."""
        whose = f" of {address}" if address else ""
        fields = {"event": "token_refused", "reason": reason, "address": address}
        line = f"a token{whose} was refused: {text}"
        self._errors.report(("refused", text), line, None, fields, logging.INFO)
