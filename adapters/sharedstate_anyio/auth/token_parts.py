"""The form of a JSON Web Token: three parts in base64url (RFC 7515, section 7.1), each with one spelling."""

from __future__ import annotations

import base64
import re
from typing import Final, NamedTuple

from .claims import read_object
from .identity import Unauthenticated

MAX_KID: Final = 1000

_FORM: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")


class Parts(NamedTuple):
    """A token, taken apart; nothing of it is verified."""

    algorithm: str
    kid: str | None
    signed: bytes
    payload: bytes
    signature: bytes


def take_apart(token: str) -> Parts:
    """Take a token apart.

    Raises:
        Unauthenticated: it is none.
    """
    if _FORM.fullmatch(token) is None:
        raise Unauthenticated("invalid", "the token is no JSON Web Token")
    signed, _, signature = token.rpartition(".")
    header, _, payload = signed.partition(".")
    members = read_object(_decoded(header), "the head")
    algorithm, kid = members.get("alg"), members.get("kid")
    if not isinstance(algorithm, str):
        raise Unauthenticated("invalid", "the head of the token names no algorithm")
    if kid is not None and not (isinstance(kid, str) and len(kid) <= MAX_KID):
        raise Unauthenticated("invalid", "the head of the token names no key")
    if "crit" in members:  # what has to be understood is an extension (RFC 7515, section 4.1.11)
        raise Unauthenticated("invalid", "the head of the token asks for an extension")
    return Parts(algorithm, kid, signed.encode(), _decoded(payload), _decoded(signature))


def _decoded(part: str) -> bytes:
    """Decode base64url; there is one spelling of everything."""
    try:
        data = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except ValueError:
        data = b""
    if base64.urlsafe_b64encode(data).rstrip(b"=") != part.encode():
        raise Unauthenticated("invalid", "the token is no JSON Web Token")
    return data
