"""Whose connection it is, and what its server can do: what a client says, and is told, through `/session`.

The rules:

1. Each connection begins with `PUT /session`, and what else there is to say follows at once. Nothing depends on an
   answer: a server that does not know the path refuses it, or says nothing.
2. While a token is shown, the application's requests wait until the server has accepted it, or has shown that it knows
   no sessions: it has answered something that was asked later.
3. After a token that is refused another one is wanted. If that is refused too, none is until the next connection. Until
   then, and for as long as an answer may take, it is undecided whose the connection is.
4. What has waited is nobody else's: it is refused when its user signs out, when no token of theirs is accepted, or when
   somebody else signs in.
5. A server that hangs up before it has said a word may do so because of `/session`. The next connection does without,
   unless there is a token, or the server has ever answered it. What the server can do is not known then.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any, Final

from msgspec import UNSET, UnsetType

from sharedstate_core.errors import RequestError

from . import encoding, messages, tunnels
from .bounds import UNKNOWN, bounds_of
from .effects import Identified, SendText, TokenWanted, Unauthenticated
from .requests import ServerRefusedError
from .views import features_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from .effects import ClientEffect

_LATER: Final = frozenset({"unavailable", "internal", "too_many"})
"""Codes of a server that knows sessions, but cannot look into a token now."""


class Session:
    """The session of one client, over all its connections; methods add their effects to `out`.

    Args:
        key: its secret name; None for a client that does without sessions.

    Attributes:
        bounds: what the server takes, as far as it has said.
        features: what the server can do beyond level 2; None if that is not known on this connection.
        user: whose the latest connection was, as far as known.
        is_held: whether the application's requests wait for a token to be accepted.
    """

    def __init__(self, key: str | None) -> None:
        self._key = key
        self.bounds = UNKNOWN
        self.features: Collection[str] | None = None
        self.user: Mapping[str, Any] | None = None
        self.is_held = False
        self._connected = False
        self._asked = 0
        self._unanswered: str | None = None  # the tunnel of the latest request
        self._age = 0  # ticks since it was sent, or refused
        self._limit = inf  # how many of them an answer may take
        self._token: str | UnsetType | None = UNSET  # as shown last
        self._is_known = False  # whether the server has ever answered
        self._heard = False  # whether it has said anything on this connection
        self._avoid = False
        self._again = False  # whether another token was asked for since one was accepted
        self._gave_up = False
        self._waits_for: str | None = (
            None  # the id of the user for whom requests wait, as far as known
        )
        self._refusal: RequestError | None = None

    @property
    def takes_patches(self) -> bool | None:
        """Whether the server knows patches; None as long as it may yet say so."""
        if self.features is not None:
            return "patch" in self.features
        return None if self._unanswered is not None else False

    @property
    def is_undecided(self) -> bool:
        """Whether the server may yet accept another token than the one that it has refused, or has not answered.

        Not for longer than an answer may take.
        """
        return self.is_held and self._age <= self._limit

    # --- the connection ---------------------------------------------------------------------------

    def connection_opened(self, token: str | UnsetType | None, out: list[ClientEffect]) -> None:
        """Say who it is; UNSET says nothing about that."""
        self._connected = True
        self._heard = self._again = self._gave_up = False
        self._token = token
        if token is None:
            self._sign_out()
        avoid, self._avoid = self._avoid, False
        self.is_held = self._key is not None and isinstance(token, str)
        self.features = None
        if self._key is not None and not (avoid and token is UNSET):
            self._ask(out)

    def connection_lost(self) -> None:
        """Record that what was asked will not be answered."""
        if self._unanswered is not None and not self._heard and not self._is_known:
            self._avoid = True
        self._unanswered = None
        self._connected = self.is_held = False

    def sign_in(self, token: str | None, out: list[ClientEffect]) -> None:
        """Show another token; None signs out. Requests that wait for one go on waiting until it is accepted."""
        self._token = token
        if token is None:
            self._sign_out()
        if self._connected and self._key is not None:
            self._ask(out)
        elif token is None:
            self._identify(None, None, out)

    def _sign_out(self) -> None:
        if self._waits_for is not None or self.is_held:
            self._refusal = _gone()
        self._waits_for = None
        self.is_held = False

    def take_refusal(self) -> RequestError | None:
        """Return why what waits is refused, if it is; once."""
        refusal, self._refusal = self._refusal, None
        return refusal

    def tick(self, limit: int) -> bool:
        """Record that a tick has passed; return whether a server that knows sessions owes an answer for `limit` ticks.

        Any other counts by then as one that knows none.
        """
        self._limit = limit
        is_late = self._unanswered is not None and self._age >= limit
        self._age += 1
        if is_late and not self._is_known:
            self.overtaken()
        return is_late and self._is_known

    def _ask(self, out: list[ClientEffect]) -> None:
        self._asked += 1
        self._age = 0
        self._unanswered = tunnel = tunnels.signing_in(self._asked)
        arg = encoding.encode_session(self._key, self._token)
        out.append(SendText(encoding.encode_request("PUT", "/session", arg, tunnel)))

    # --- messages of the server -------------------------------------------------------------------

    def heard(self) -> None:
        """Record that the server has said something."""
        self._heard = True

    def issued(self, tunnel: str) -> bool:
        """Return whether this tunnel was ever used for a session, on any connection."""
        return tunnels.is_own_session(tunnel, self._asked)

    def overtaken(self) -> bool:
        """Record that the server has answered what was asked later: it knows no sessions, if it has not answered.

        Returns:
            Whether that is news. Where nothing waits for it, a late answer still counts.
        """
        if self._unanswered is None or self._is_known or self.features is not None:
            return False
        self.features = frozenset()
        if self.is_held:
            self._unanswered = None
        self.is_held = False
        return True

    def blamed(self) -> bool:
        """Return whether a refusal of something that cannot be told is that of a session; it is over then."""
        if self._unanswered is None or self._is_known:
            return False
        self.overtaken()
        self._unanswered = None
        return True

    def answered(self, reply: messages.Reply, out: list[ClientEffect]) -> bool:
        """Handle the reply to a request; return whether a user was accepted, or nobody."""
        if reply.tunnel != self._unanswered:
            if reply.ok or reply.error.get("code") == "unauthenticated":
                self._is_known = True
            return False  # a later one counts
        self._unanswered = None
        if not reply.ok:
            self._refused(reply, out)
            return False
        data = messages.members(reply.data)
        self._is_known = True
        self._again = self._gave_up = self.is_held = False
        self.bounds = bounds_of(data.get("limits"))
        self.features = features_of(data.get("features"))
        self._identify(data.get("user"), data.get("expires"), out)
        if self.user is not None:
            if self._waits_for not in {None, self.user["id"]}:
                self._refusal = _gone()
            self._waits_for = self.user["id"]
        return True

    def _refused(self, reply: messages.Reply, out: list[ClientEffect]) -> None:
        code, reason = reply.error.get("code"), reply.error.get("reason")
        if isinstance(self._token, str) and (code == "unauthenticated" or code in _LATER):
            self._is_known = True
            self._age = 0
            error = ServerRefusedError(reply.error, messages.reason(reply))
            if code in _LATER or reason == "unavailable":
                out.append(TokenWanted("unavailable"))
            elif self._again or reason == "revoked":
                self._gave_up = True
                if self.is_held:  # else whoever was signed in before on this connection stays so
                    self.is_held = False
                    self._refusal = error
                    self._identify(None, None, out)
                out.append(Unauthenticated(error))
            else:
                self._again = True
                out.append(TokenWanted(reason if isinstance(reason, str) else "invalid"))
            return
        self.is_held = self._is_known = False
        self.bounds = UNKNOWN
        self.features = frozenset()
        self._identify(None, None, out)

    def told(self, message: messages.SessionMessage, out: list[ClientEffect]) -> None:
        """Handle the message that the user has changed, or is about to."""
        if not self._connected:
            return
        self._identify(message.user, message.expires, out)
        is_over = message.reason == "expired"
        if is_over and self._gave_up:
            self._sign_out()
        if not isinstance(self._token, str) or self._gave_up:
            return
        if is_over:
            self.is_held = True
        if (is_over or message.reason == "expires") and self._unanswered is None:
            out.append(TokenWanted(message.reason))

    def _identify(self, user: Any, expires: Any, out: list[ClientEffect]) -> None:
        known = isinstance(user, dict) and isinstance(user.get("id"), str)
        self.user = user if known else None
        is_time = isinstance(expires, int | float) and not isinstance(expires, bool)
        out.append(Identified(self.user, float(expires) if is_time else None))


def _gone() -> RequestError:
    return RequestError("unauthenticated", "its user has signed out", "missing")


REFRESH_SECONDS: Final = 60.0
"""How long before its end a token is replaced at the latest."""


def refresh_after(expires: float, now: float) -> float:
    """Return in how many seconds a token should be replaced that is shown now: before the last minute, or quarter.

    Args:
        expires: when it expires, by the server's clock.
        now: what time that clock shows.
    """
    life = max(0.0, expires - now)
    return life - min(REFRESH_SECONDS, life / 4)
