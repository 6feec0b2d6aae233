"""Whose the connections are: proofs that are looked into, users that expire or are sent away.

The rules:

1. While a proof is looked into, whatever else the connection asks for waits, so that it is answered for the user.
2. A user changes at once: what the new one may not read is taken back, and its subscriptions end, before anything else
   is sent.
3. A proof that fails changes nothing: whoever was signed in stays so until the earlier proof expires.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, NamedTuple

from sharedstate_core.effects import Authenticate, C, Effect, Effects
from sharedstate_core.errors import CLOSE_SENT_AWAY, AuthReason
from sharedstate_core.identity import Identity, unauthenticated
from sharedstate_core.timers import Timers
from sharedstate_core.wire.encode_session import encode_session_message, session_data

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sharedstate_core.clock import WallClock
    from sharedstate_core.limits import LiveLimits
    from sharedstate_core.peer.request import Request
    from sharedstate_core.peer.session import Session

    from .access import Access


class Proof(NamedTuple, Generic[C]):
    """A proof that is looked into: of a connection, and the request that it came with, unless it came with none."""

    session: Session[C]
    request: Request[C] | None


class Identities(Generic[C]):
    """The users of all connections.

    Args:
        access: what is demanded; None if nobody signs in here.
        limits: what clients are told of.
        clock: what time it is.
        issue: returns a ticket for a proof.
        changed: called when a connection has another user, to take back what it may not read.
    """

    def __init__(
        self,
        access: Access | None,
        limits: LiveLimits,
        clock: WallClock,
        issue: Callable[[Proof[C]], int],
        changed: Callable[[Session[C], Effects[C]], None],
    ) -> None:
        self.access = access
        self._limits = limits
        self._clock = clock
        self._issue = issue
        self._changed = changed
        self._deadlines: Timers[Session[C]] = Timers()
        self._new: dict[Session[C], None] = {}  # their time to sign in has not begun
        self._expired: set[Session[C]] = set()  # they keep their user for a while

    def describe(self, session: Session[C]) -> object:
        """Return what a client may know of its session, and of the server."""
        features = ("session",) if self.access is None else ("session", "auth", "end")
        identity, limits = session.identity, self._limits.current
        return session_data(session.id, identity.user, identity.expires, features, limits)

    # --- proofs -----------------------------------------------------------------------------------

    def opened(self, session: Session[C], out: list[Effect[C]], *, has_proof: bool) -> None:
        """Begin with a new connection, which may have come with a proof."""
        if self.access is None:
            return
        if self.access.required:
            self._new[session] = None
        if has_proof:
            self.look_into(session, None, None, out)

    def look_into(
        self,
        session: Session[C],
        request: Request[C] | None,
        token: str | None,
        out: list[Effect[C]],
    ) -> None:
        """Find out whose connection it is; all that it asks for waits."""
        ticket = self._issue(Proof(session, request))
        session.begin_signing_in(out)
        out.append(Authenticate(ticket, session.connection, token))

    def succeeded(self, proof: Proof[C], identity: Identity, out: Effects[C]) -> None:
        """Take the outcome of a proof: a user, until some time, or nobody."""
        session = proof.session
        if session.state == "closed":
            return
        now = self._clock.at(out.now)
        if identity.expires is not None and now is not None and identity.expires <= now:
            self.failed(proof, "expired", out)
            return
        self.change(session, identity, out)
        self._end(proof, out)

    def failed(self, proof: Proof[C], reason: AuthReason, out: Effects[C]) -> None:
        """Take the outcome of a proof: it is not one."""
        session = proof.session
        if session.state == "closed":
            return
        if session.identity.user is None:
            session.identity = Identity(reason=reason)
        if proof.request is not None:
            proof.request.fail(unauthenticated(reason), out)
        self._go_on(session, out)

    def _end(self, proof: Proof[C], out: Effects[C]) -> None:
        if proof.request is not None:
            proof.request.succeed(self.describe(proof.session), out)
        self._go_on(proof.session, out)

    def _go_on(self, session: Session[C], out: Effects[C]) -> None:
        """Do what has waited, in order, as far as nothing has to wait again."""
        for request in session.end_signing_in(out):
            if session.state == "closed":
                request.abandon(out)
            elif session.signing_in is not None:
                session.wait_to_sign_in(request, out)
            else:
                request.resume(out)

    # --- users ------------------------------------------------------------------------------------

    def change(self, session: Session[C], identity: Identity, out: Effects[C]) -> None:
        """Give a connection another user, or nobody."""
        session.identity = identity
        self._expired.discard(session)
        self._new.pop(session, None)
        self._deadlines.cancel(session)
        if identity.user is None:
            if self.access is not None and self.access.required:
                self._deadlines.set(session, out.now + self.access.deadline_seconds)
        elif identity.expires is not None:
            self._await_expiry(session, identity.expires, out)
        self._changed(session, out)

    def _await_expiry(self, session: Session[C], expires: float, out: Effects[C]) -> None:
        now = self._clock.at(out.now)
        self._deadlines.set(session, out.now + expires - (expires if now is None else now))

    def send_away(self, session: Session[C], out: Effects[C]) -> None:
        """Take a connection's user away, and close it for good."""
        self._tell(session, Identity(reason="revoked"), "revoked", out)
        session.close("signed out by the server", out, CLOSE_SENT_AWAY)

    def _tell(self, session: Session[C], identity: Identity, why: str, out: Effects[C]) -> None:
        """Give a connection another user, and tell its client, who has not asked for it."""
        self.change(session, identity, out)
        session.send(encode_session_message(identity.user, identity.expires, why), out)

    def leave(self, session: Session[C]) -> None:
        """Forget a connection that has ended."""
        self._new.pop(session, None)
        self._expired.discard(session)
        self._deadlines.cancel(session)

    # --- time -------------------------------------------------------------------------------------

    @property
    def is_waiting(self) -> bool:
        """Whether the time for new connections has yet to begin, with the next `wake`."""
        return bool(self._new)

    def next_deadline(self) -> float | None:
        """Return when the next user expires, or the time to sign in is up."""
        return self._deadlines.next()

    def wake(self, most: int, out: Effects[C]) -> None:
        """Handle the passage of time, for `most` connections in one turn."""
        access = self.access
        if access is None:
            return
        for session in [*self._new][:most]:
            del self._new[session]
            self._deadlines.set(session, out.now + access.deadline_seconds)
        for session in self._due(most, out):
            user, expires = session.identity.user, session.identity.expires
            if session in self._expired:
                self._tell(session, Identity(reason="expired"), "expired", out)
            elif user is None:
                session.close(f"nobody signed in within {access.deadline_seconds:g} s", out)
            elif (now := self._clock.at(out.now)) is not None and now < (expires or now):
                self._await_expiry(session, expires or now, out)  # the clock was set meanwhile
            else:
                self._expired.add(session)
                self._deadlines.set(session, out.now + access.grace_seconds)
                session.send(encode_session_message(user, expires, "expires"), out)

    def _due(self, most: int, out: Effects[C]) -> Iterator[Session[C]]:
        return (each for each in [*self._deadlines.due(out.now, most)] if each.state != "closed")
