"""Decode what a client says about itself: its session, and the proof of whose it is (PROTOCOL.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from sharedstate_core.errors import RequestError
from sharedstate_core.json_faults import decoder_fault

from .faults import NULL, too_deep

if TYPE_CHECKING:
    from sharedstate_core.limits import Limits

MIN_KEY_CHARACTERS: Final = 16
MAX_KEY_CHARACTERS: Final = 128
"""Length of the key of a session: it must not be guessed."""

MAX_TOKEN_CHARACTERS: Final = 8192
"""Maximum length of a token."""


class _Session(Struct):
    key: str | None = None
    token: str | UnsetType | None = UNSET


_session: Final = msgspec.json.Decoder(_Session)


class _Kick(Struct):
    user: str


_kick: Final = msgspec.json.Decoder(_Kick)


class SessionArgument(NamedTuple):
    """The argument of `PUT /session`.

    Attributes:
        key: the secret name of the client's session; None for none.
        token: the proof of who it is; None to sign out, UNSET to leave that as it is.
    """

    key: str | None
    token: str | UnsetType | None


def decode_session(arg: Raw, limits: Limits) -> SessionArgument:
    """Decode the argument of `PUT /session`; null is as good as an object without members.

    Raises:
        RequestError: `bad_message`, naming the place of the fault; `unauthenticated` for a token that is too long.
    """
    try:
        message = _Session() if arg == NULL else _session.decode(arg)
    except RecursionError:
        raise RequestError("bad_message", f"arg: {too_deep(limits)}") from None
    except msgspec.DecodeError as error:
        raise RequestError("bad_message", decoder_fault(error, "arg")) from None
    key, token = message.key, message.token
    if key is not None and not MIN_KEY_CHARACTERS <= len(key) <= MAX_KEY_CHARACTERS:
        problem = f"expected {MIN_KEY_CHARACTERS} to {MAX_KEY_CHARACTERS} characters"
        raise RequestError("bad_message", f"key: {problem}")
    if isinstance(token, str) and len(token) > MAX_TOKEN_CHARACTERS:
        problem = f"the token is longer than {MAX_TOKEN_CHARACTERS} characters"
        raise RequestError("unauthenticated", problem, "invalid")
    return SessionArgument(key, token)


def decode_kick(arg: Raw, limits: Limits) -> str:
    """Decode the argument of `PUT /kick`: the id of a user.

    Raises:
        RequestError: `bad_message`, naming the place of the fault.
    """
    try:
        return _kick.decode(arg).user
    except RecursionError:
        raise RequestError("bad_message", f"arg: {too_deep(limits)}") from None
    except msgspec.DecodeError as error:
        raise RequestError("bad_message", decoder_fault(error, "arg")) from None
