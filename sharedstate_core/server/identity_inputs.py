"""The inputs about users: the outcome of a proof, and users who are sent away."""

import math
from collections.abc import Mapping
from typing import Any, Final, get_args

import msgspec

from sharedstate_core.arguments import check_number, expect
from sharedstate_core.effects import C, Effect
from sharedstate_core.errors import AuthReason, LocalProtocolError
from sharedstate_core.identity import NOBODY, Identity

from .access import Access
from .inputs import Inputs

MAX_USER_BYTES: Final = 16 * 1024
"""What is known of a user, as JSON."""


class IdentityInputs(Inputs[C]):
    """Who the users are; `Server` has all inputs."""

    def authenticated(
        self, ticket: int, user: Mapping[str, Any] | None, now: float, expires: float | None = None
    ) -> list[Effect[C]]:
        """Report whose connection it is.

        Args:
            ticket: the ticket of the Authenticate.
            user: what is known of the user, a JSON object with an `id`, at most `MAX_USER_BYTES`; None if there was no
                proof at all.
            now: seconds, monotonic.
            expires: when the proof expires, in seconds since the Unix epoch; None for never. Call `set_clock` before.

        Raises:
            LocalProtocolError: no such Authenticate is under way, or `set_clock` was never called.
            TypeError, ValueError: `user` or `expires` is not what it should be; answer `authentication_failed` instead.
        """
        proof = self._tickets.proof(ticket)
        if user is None:
            identity = NOBODY
        else:
            check_user(user)
            if expires is not None:
                check_number("expires", expires, -math.inf, whole=False)
                if self._clock.at(now) is None:
                    raise LocalProtocolError("set_clock must come before a proof that expires")
            identity = Identity(dict(user), expires)
        out = self._begin(now)
        self._tickets.end(ticket)
        self._identities.succeeded(proof, identity, out)
        self._registry.flush(proof.session, out)
        return self._end(out)

    def authentication_failed(self, ticket: int, reason: AuthReason, now: float) -> list[Effect[C]]:
        """Report that it is not known whose connection it is; whoever it belonged to before, it still does.

        Raises:
            LocalProtocolError: no such Authenticate is under way.
            ValueError: there is no such reason.
        """
        proof = self._tickets.proof(ticket)
        if reason not in get_args(AuthReason):
            raise ValueError(f"reason: expected one of {', '.join(get_args(AuthReason))}")
        out = self._begin(now)
        self._tickets.end(ticket)
        self._identities.failed(proof, reason, out)
        self._registry.flush(proof.session, out)
        return self._end(out)

    def send_away(self, connection: C, now: float) -> list[Effect[C]]:
        """Sign out a connection's user and close it with 4403; its client does not come back by itself.

        Raises:
            LocalProtocolError: the connection is not open.
        """
        session = self._session(connection)
        out = self._begin(now)
        self._identities.send_away(session, out)
        return self._end(out)

    def kick(self, user: str, now: float) -> list[Effect[C]]:
        """Send away a user, by id: sign out all connections of it and close them with 4403, in later turns.

        `next_wakeup` asks for these. `connections_of` tells how many connections it concerns.
        """
        expect("user", user, str)
        out = self._begin(now)
        self._identities.users.kick(user)
        return self._end(out)

    def connections_of(self, user: str) -> int:
        """Return how many connections a user has, by id."""
        return self._identities.users.count(user)

    def withdraw(self, connection: C, now: float) -> list[Effect[C]]:
        """Report that what has vouched for a connection's user does so no more: its proof expires now.

        Raises:
            LocalProtocolError: the connection is not open.
        """
        session = self._session(connection)
        out = self._begin(now)
        self._identities.withdraw(session, out)
        return self._end(out)

    def change_access(self, access: Access | None, now: float) -> list[Effect[C]]:
        """Put other rules in force, for every request from now on.

        From now on nothing is sent that they do not allow. All connections are examined in later turns, for which
        `next_wakeup` asks: until its own a connection counts as blocked, and then those of its subscriptions end that
        it may not have any more. Updates that have been taken are decided by the earlier rules.

        Args:
            access: what is demanded; None if everybody may do everything. If there was none before, or there was and
                there is none now, all connections are closed with 1012, for their clients to come back.
            now: seconds, monotonic.

        Raises:
            TypeError: `access` is not an `Access`.
        """
        if access is not None:
            expect("access", access, Access, "an")
        out = self._begin(now)
        self._rights.change(access)
        self._identities.examine_all(self._sessions.values())
        return self._end(out)

    def users(self) -> dict[C, Mapping[str, Any]]:
        """Return the user of each connection that has one."""
        return {
            connection: session.identity.user
            for connection, session in self._sessions.items()
            if session.identity.user is not None
        }


def check_user(user: Mapping[str, Any]) -> None:
    """Check what is known of a user.

    Raises:
        TypeError, ValueError: it is not a JSON object with an `id`, or longer than `MAX_USER_BYTES`.
    """
    expect("user", user, Mapping)
    id = user.get("id")
    if not isinstance(id, str) or not id:
        raise ValueError("user: expected an id, which is a text")
    try:
        size = len(msgspec.json.encode(user))
    except (TypeError, ValueError, msgspec.MsgspecError) as error:
        raise ValueError(f"user: not a JSON object ({type(error).__name__})") from None
    if size > MAX_USER_BYTES:
        raise ValueError(f"user: longer than {MAX_USER_BYTES} bytes of JSON")
