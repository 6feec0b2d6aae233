"""Whose the connections are: proofs that are looked into, users that expire or are sent away.

The rules:

1. While a proof is looked into, whatever else the connection asks for waits, so that it is answered for the user.
2. A user changes at once: nothing more is sent that the new one may not read. The subscriptions of the connection are
   examined, by turns; those that it may not have end. Only then does it hear of its user, and what waits goes on.
3. When the rules change, that is done for all connections, by turns, too: none is sent anything before its own.
4. A server that begins or ceases to know users closes the connections that it has: their clients come back, and say
   what they have not been asked for.
5. A proof that fails changes nothing: whoever was signed in stays so until the earlier proof expires.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Final, Generic, NamedTuple

from sharedstate_core.collection.reader import tell_nobody
from sharedstate_core.effects import Authenticate, C, Effect, Effects
from sharedstate_core.errors import CLOSE_RESTARTED, CLOSE_SENT_AWAY, AuthReason
from sharedstate_core.identity import NOBODY, Identity, unauthenticated
from sharedstate_core.timers import Timers
from sharedstate_core.wire.encode_session import encode_session_message, session_data

from .users import Users

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sharedstate_core.clock import WallClock
    from sharedstate_core.limits import LiveLimits
    from sharedstate_core.peer.request import Request
    from sharedstate_core.peer.session import Session

    from .access import Access, LiveAccess


class Proof(NamedTuple, Generic[C]):
    """A proof that is looked into: of a connection, and the request that it came with, unless it came with none."""

    session: Session[C]
    request: Request[C] | None


FEATURES: Final = ("session", "where", "last", "fields")
"""What this server knows beyond level 2, as clients are told; where there are users, or storage takes patches, more."""


class Identities(Generic[C]):
    """The users of all connections.

    Args:
        live: what is demanded.
        limits: what clients are told of.
        clock: what time it is.
        issue: returns a ticket for a proof.
        takes_patches: whether any service does.

    Attributes:
        users: the connections of each.
    """

    def __init__(
        self,
        live: LiveAccess,
        limits: LiveLimits,
        clock: WallClock,
        issue: Callable[[Proof[C]], int],
        *,
        takes_patches: bool,
        keeps_receipts: bool,
    ) -> None:
        optional = {"patch": takes_patches, "op": keeps_receipts}
        self._features = (*FEATURES, *[name for name, is_there in optional.items() if is_there])
        self._live = live
        self._limits = limits
        self._clock = clock
        self._issue = issue
        self._deadlines: Timers[Session[C]] = Timers()
        self._new: dict[Session[C], None] = {}  # their time to sign in has not begun
        self._expired: set[Session[C]] = set()  # they keep their user for a while
        self._to_examine: deque[Session[C]] = deque()  # by new rules
        self.users: Users[C] = Users()

    @property
    def access(self) -> Access | None:
        """What is demanded; None if nobody signs in here."""
        return self._live.current

    def describe(self, session: Session[C]) -> object:
        """Return what a client may know of its session, and of the server."""
        known = self._features
        features = known if self.access is None else (*known, "auth", "end")
        identity, limits = session.identity, self._limits.current
        return session_data(session.id, identity.user, identity.expires, features, limits)

    # --- proofs -----------------------------------------------------------------------------------

    def opened(self, session: Session[C], out: list[Effect[C]], *, has_proof: bool) -> None:
        """Begin with a new connection, which may have come with a proof."""
        if self.access is None:
            return
        session.is_of_user = True
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
        session.is_proving = True
        self.users.begin_proof(session)
        session.postpone_requests(out)
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
        if self.users.end_proof(session, identity.user["id"] if identity.user else None):
            self.failed(proof, "revoked", out)
            return
        session.is_proving = False
        self._change(session, identity, partial(self._answer, session, proof.request), out)
        session.take_up(out)

    def failed(self, proof: Proof[C], reason: AuthReason, out: Effects[C]) -> None:
        """Take the outcome of a proof: it is not one."""
        session = proof.session
        if session.state == "closed":
            return
        session.is_proving = False
        self.users.end_proof(session)
        if session.identity.user is None:
            session.identity = Identity(reason=reason)
        if proof.request is not None:
            proof.request.fail(unauthenticated(reason), out)
        session.take_up(out)

    def sign_out(self, request: Request[C], out: Effects[C]) -> None:
        """Let a connection be nobody's, as it asks."""
        session = request.reader
        self._change(session, NOBODY, partial(self._answer, session, request), out)

    def _answer(self, session: Session[C], request: Request[C] | None, out: Effects[C]) -> None:
        if request is not None:
            request.succeed(self.describe(session), out)

    # --- users ------------------------------------------------------------------------------------

    def _change(
        self,
        session: Session[C],
        identity: Identity,
        done: Callable[[Effects[C]], None],
        out: Effects[C],
    ) -> None:
        """Give a connection another user, or nobody; `done` is called when it is shown nothing else any more."""
        is_same = session.identity.is_of_same_user(identity)
        self.users.leave(session)
        session.identity = identity
        self.users.enter(session)
        self._expired.discard(session)
        self._new.pop(session, None)
        self._await_user(session, out)
        if identity.user is not None and identity.expires is not None:
            self._await_expiry(session, identity.expires, out)
        if is_same:
            done(out)
        else:
            self._examine(session, done, out)

    def _await_user(self, session: Session[C], out: Effects[C]) -> None:
        """Let the time begin that a connection has to sign in, if it has to."""
        self._deadlines.cancel(session)
        access = self.access
        if session.identity.user is None and access is not None and access.required:
            self._deadlines.set(session, out.now + access.deadline_seconds)

    def _await_expiry(self, session: Session[C], expires: float, out: Effects[C]) -> None:
        now = self._clock.at(out.now)
        self._deadlines.set(session, out.now + expires - (expires if now is None else now))

    def _examine(
        self, session: Session[C], done: Callable[[Effects[C]], None], out: Effects[C]
    ) -> None:
        """Take back what a connection may not have any more, by turns, and call `done`; all that it asks for waits."""
        session.examine(partial(self._examined, session, done), out)
        if not session.is_examined:
            session.postpone_requests(out)

    def _examined(
        self, session: Session[C], done: Callable[[Effects[C]], None], out: Effects[C]
    ) -> None:
        done(out)
        session.take_up(out)

    def withdraw(self, session: Session[C], out: Effects[C]) -> None:
        """Let the proof of a connection's user expire now."""
        identity = session.identity
        if identity.user is not None and session not in self._expired:
            session.identity = Identity(identity.user, self._clock.at(out.now))
            self._deadlines.set(session, out.now)

    def send_away(self, session: Session[C], out: Effects[C]) -> None:
        """Take a connection's user away, and close it for good; at once if its reader is slow."""
        is_slow = session.state == "blocked"
        self._tell(session, Identity(reason="revoked"), "revoked", out)
        if is_slow:
            _close_for_good(session, out)

    def _tell(self, session: Session[C], identity: Identity, why: str, out: Effects[C]) -> None:
        """Give a connection another user, and tell its client, who has not asked for it."""
        self._change(session, identity, partial(self._say, session, why), out)

    def _say(self, session: Session[C], why: str, out: Effects[C]) -> None:
        identity = session.identity
        session.send(encode_session_message(identity.user, identity.expires, why), out)
        if why == "revoked":
            _close_for_good(session, out)

    def leave(self, session: Session[C]) -> None:
        """Forget a connection that has ended."""
        self._new.pop(session, None)
        self._expired.discard(session)
        self._deadlines.cancel(session)
        self.users.leave(session)
        self.users.end_proof(session)

    # --- rules ------------------------------------------------------------------------------------

    def examine_all(self, sessions: Iterable[Session[C]]) -> None:
        """Examine these connections, all there are, by the rules now in force: in later turns."""
        self._to_examine = deque(sessions)
        for session in self._to_examine:
            session.await_examination()

    def _examine_next(self, session: Session[C], out: Effects[C]) -> None:
        if session.is_of_user != (self.access is not None):
            session.close("the server has changed; come back", out, CLOSE_RESTARTED)
        elif session.state != "closed":
            if session.identity.user is None:
                self._new.pop(session, None)
                self._await_user(session, out)
            self._examine(session, tell_nobody, out)

    # --- time -------------------------------------------------------------------------------------

    @property
    def is_waiting(self) -> bool:
        """Whether there is something to do with the next `wake`."""
        return bool(self._new or self._to_examine) or self.users.are_kicked

    def next_deadline(self) -> float | None:
        """Return when the next user expires, or the time to sign in is up."""
        return self._deadlines.next()

    def wake(self, most: int, out: Effects[C]) -> None:
        """Handle the passage of time, for `most` connections in one turn, fewer if they subscribe to much."""
        for session in [*self._new][:most]:
            del self._new[session]
            self._await_user(session, out)
        left = self._limits.turn_readers
        for session in self._deadlines.due(out.now, most):
            if session.state != "closed":
                self._end_time(session, out)
                left -= len(session.subscriptions)
            if left <= 0:
                return
        while self.users.are_kicked and left > 0:
            left -= 1
            if (kicked := self.users.next_kicked()) is not None:
                left -= len(kicked.subscriptions)
                self.send_away(kicked, out)
        while self._to_examine and left > 0:
            session = self._to_examine.popleft()
            left -= 1 + len(session.subscriptions)
            self._examine_next(session, out)

    def _end_time(self, session: Session[C], out: Effects[C]) -> None:
        """Handle the end of the time that a connection had: its user's, or the time to sign in."""
        access, user, expires = self.access, session.identity.user, session.identity.expires
        if access is None:
            return
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


def _close_for_good(session: Session[C], out: Effects[C]) -> None:
    session.close("signed out by the server", out, CLOSE_SENT_AWAY)
