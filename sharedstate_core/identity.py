"""Whose a connection is: what is known of its user."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from .errors import AuthReason, RequestError

_text: Final = msgspec.json.Encoder().encode

_TEXTS: Final[dict[AuthReason, str]] = {
    "missing": "sign in first",
    "invalid": "the token is not valid",
    "expired": "the token has expired",
    "revoked": "the user was signed out by the server",
    "unavailable": "the token could not be verified",
}


class Identity(Struct, frozen=True, eq=False):
    """The user of a connection, or that there is none.

    Attributes:
        user: what is known of the user, a JSON object with an `id`; None for nobody.
        expires: when the proof of it expires, in seconds since the Unix epoch; None for never.
        reason: why there is no user.
    """

    user: Mapping[str, Any] | None = None
    expires: float | None = None
    reason: AuthReason = "missing"

    def is_of_same_user(self, other: Identity) -> bool:
        """Return whether the user is the same, with the same claims; to rules, 1 and true are not."""
        return self.user == other.user and _text(self.user) == _text(other.user)

    def refusal(self) -> RequestError:
        """Return what a request is answered that needs a user."""
        return unauthenticated(self.reason)

    def denial(self, text: str, rule: str | None = None) -> RequestError:
        """Return what a request is answered that this user may not make, or one without a user.

        Args:
            text: why, for a user.
            rule: which rule denies it, for a user who may know.
        """
        if self.user is None:
            return self.refusal()
        return RequestError("forbidden", text, rule=rule)


NOBODY: Final = Identity()


def unauthenticated(reason: AuthReason, text: str | None = None) -> RequestError:
    """Return the error for whoever has not shown who it is."""
    return RequestError("unauthenticated", text or _TEXTS[reason], reason)


def public_id(key: str) -> str:
    """Return the public name of the session with this secret key."""
    digest = hashlib.sha256(key.encode()).digest()
    return base64.urlsafe_b64encode(digest[:12]).decode()
