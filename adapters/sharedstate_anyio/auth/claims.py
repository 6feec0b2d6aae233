"""The claims of a verified JSON Web Token: whether they hold now, and here, and the user that they make.

Read strictly (RFC 7519, section 4): a claim that is there twice, or a time that is no number, makes the token invalid.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NoReturn

import msgspec

from sharedstate_anyio.config.auth import MAX_ID

from .identity import Identity, Unauthenticated, is_deep

if TYPE_CHECKING:
    from sharedstate_anyio.config.jwt import JwtConfig

LAST_SECOND: Final = 253_402_300_799
"""The end of the year 9999: times beyond it are milliseconds, or nonsense."""

OF_THE_TOKEN: Final = frozenset(
    {
        *("iss", "aud", "exp", "nbf", "iat", "jti"),
        *("nonce", "at_hash", "c_hash", "s_hash"),  # of one login
    }
)
"""Claims about the token, not about the user: they differ from one token to the next."""


def read_object(text: bytes, what: str) -> dict[str, Any]:
    """Return a JSON object, every member of which is there once.

    Raises:
        Unauthenticated: it is none.
    """
    try:
        msgspec.json.decode(text)  # refuses what is no Unicode, or no number
        value = _READER.decode(text.decode())
    except (msgspec.DecodeError, ValueError, RecursionError):
        _refuse(f"{what} of the token cannot be read")
    if not isinstance(value, dict):
        _refuse(f"{what} of the token is no object")
    if is_deep(value):
        _refuse(f"{what} of the token is nested too deep")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError
    return members


_READER: Final = json.JSONDecoder(object_pairs_hook=_once)


def identity_of(claims: dict[str, Any], rules: JwtConfig, now: float) -> Identity:
    """Return the user that claims name.

    Args:
        claims: of a token whose signature is right.
        rules: what they have to say.
        now: seconds since the Unix epoch.

    Raises:
        Unauthenticated: they do not hold now, or are meant for somebody else, or name nobody.
    """
    leeway = rules.leeway_seconds
    if rules.require_exp and "exp" not in claims:
        _refuse(
            "the token would never expire, which auth.jwt.require_exp forbids: it has no claim exp"
        )
    ends, begins = _time(claims, "exp"), _time(claims, "nbf")
    expires = None if ends is None else ends + leeway
    if expires is not None and expires <= now:
        raise Unauthenticated("expired", "the token has expired")
    if begins is not None and begins > now + leeway:
        _refuse("the token is not valid yet")
    if rules.issuer and claims.get("iss") not in rules.issuer:
        _refuse("the token was issued by somebody else: its claim iss is none of auth.jwt.issuer")
    if rules.audience and not _meant(claims.get("aud"), rules.audience):
        _refuse(
            "the token was issued for somebody else: its claim aud names none of auth.jwt.audience"
        )
    user = {name: claim for name, claim in claims.items() if name not in OF_THE_TOKEN}
    id = user.pop("sub", None) if rules.user == "sub" else claims.get(rules.user)
    if isinstance(id, int) and not isinstance(id, bool):
        id = str(id)
    if not isinstance(id, str) or not 0 < len(id) <= MAX_ID:
        _refuse(f"the token names no user: its claim {rules.user} is missing, or no text")
    return Identity({**user, "id": id}, expires)


def _time(claims: dict[str, Any], name: str) -> float | None:
    if name not in claims:
        return None
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or value > LAST_SECOND:
        _refuse(f"the claim {name} of the token is no time in seconds")
    return float(max(value, 0))


def _meant(audience: object, names: tuple[str, ...]) -> bool:
    """Return whether one of our names is among those of a token."""
    if isinstance(audience, list):
        return any(name in audience for name in names)
    return audience in names


def _refuse(text: str) -> NoReturn:
    raise Unauthenticated("invalid", text)
