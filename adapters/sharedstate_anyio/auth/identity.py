"""The words: what is shown, who it names, and why it names nobody."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sharedstate_core import AuthReason

TOKEN_BYTES: Final = 8 * 1024
"""Longest token: a longer one is refused before anything looks at it."""

MAX_LEVELS: Final = 32
"""Levels of nesting in a user."""


class Unauthenticated(Exception):  # noqa: N818  (what the wire calls it)
    """What was shown names nobody.

    Attributes:
        reason: `missing`: there is no token; `invalid`; `expired`; `revoked`; `unavailable`: it cannot be told at the
            moment, and the same token may be valid later.
        text: one line for the operator, not for whoever showed it; never holds any part of it.
    """

    def __init__(self, reason: AuthReason, text: str) -> None:
        super().__init__(text)
        self.reason: AuthReason = reason
        self.text = text


def is_deep(value: object, levels: int = MAX_LEVELS) -> bool:
    """Return whether JSON is nested deeper than users may be."""
    if isinstance(value, dict):
        return levels == 0 or any(is_deep(member, levels - 1) for member in value.values())
    if isinstance(value, list):
        return levels == 0 or any(is_deep(element, levels - 1) for element in value)
    return False


@dataclass(frozen=True, slots=True)
class AuthRequest:
    """What a connection shows.

    Attributes:
        token: the token; None: there is none.
        headers: of the handshake, for a function that is configured, else empty; names in lower case; several of one
            name are joined by `, `. The header that names a user is left out unless a trusted proxy has set it.
        cookies: likewise, by name; of several with one name the first.
        peer: address of the peer; empty for a UNIX socket.
        origin: the page that opened the connection, as its browser says; None: it is no browser.
        user: id of a user, as a trusted proxy says; None if there is a token.
        fault: why what the handshake shows is nothing, in words for its client; None if nothing is wrong with it.
        is_asked: whether a function is asked in any case, whatever is shown.
    """

    token: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    cookies: Mapping[str, str] = field(default_factory=dict, repr=False)
    peer: str = ""
    origin: str | None = None
    user: str | None = None
    fault: str | None = None
    is_asked: bool = False

    @property
    def says_anything(self) -> bool:
        """Whether there is anything to look into."""
        shown = self.token or self.user or self.fault
        return self.is_asked or shown is not None

    def with_token(self, token: str) -> AuthRequest:
        """Return the same with the token of a message, which takes precedence over the handshake."""
        return replace(self, token=token, user=None, fault=None)


class Voucher(Protocol):
    """What vouches for users: a key, an entry of the configuration, or what is demanded of tokens.

    Attributes:
        alive: whether it is in force; if not, nobody is vouched for by it any more.
    """

    alive: bool


def in_force(vouchers: Iterable[Voucher]) -> bool:
    """Return whether all of these are."""
    return all(each.alive for each in vouchers)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who somebody is.

    Attributes:
        user: JSON, with an `id` that is a text of 1 to 255 characters. Many may share it: nobody changes it.
        expires: until when that is so, in seconds since the Unix epoch; None: for ever.
        vouchers: what has to be in force for that; empty if nothing can be taken back, as of what a function says.
    """

    user: dict[str, Any]
    expires: float | None = None
    vouchers: tuple[Voucher, ...] = field(default=(), repr=False, compare=False)

    @property
    def is_vouched_for(self) -> bool:
        """Whether all of its vouchers are in force."""
        return in_force(self.vouchers)
