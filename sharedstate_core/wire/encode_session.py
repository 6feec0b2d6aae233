"""Encode what a client is told about itself: whose connection it is, and what it may no longer read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Struct

from .encode import Error, error_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sharedstate_core.errors import RequestError
    from sharedstate_core.limits import Limits

_encode: Final = msgspec.json.Encoder().encode


class _Data(Struct):
    id: str | None
    user: Any
    expires: float | None
    features: Sequence[str]
    limits: dict[str, int]


class _Changed(Struct):
    user: Any
    expires: float | None


class _Session(Struct, tag_field="type", tag="MESSAGE"):
    cmd: str
    data: _Changed
    reason: str


class _End(Struct, tag_field="type", tag="MESSAGE", omit_defaults=True):
    cmd: str
    path: str
    error: Error
    view: str = ""


def session_data(
    id: str | None,
    user: Mapping[str, Any] | None,
    expires: float | None,
    features: Sequence[str],
    limits: Limits,
) -> object:
    """Return the `data` of the reply to `PUT /session` and `GET /session`."""
    known = {
        "message_bytes": limits.message_bytes,
        "items": limits.items,
        "id_bytes": limits.id_bytes,
        "depth": limits.depth,
        "subscriptions": limits.subscriptions,
        "unanswered": limits.unanswered,
    }
    return _Data(id, user, expires, features, known)


def encode_session_message(
    user: Mapping[str, Any] | None, expires: float | None, reason: str
) -> bytes:
    """Return the message that says who the client is, without its having asked."""
    return _encode(_Session("SESSION", _Changed(user, expires), reason))


def encode_emptying(path: str, view: str = "") -> bytes:
    """Return a notification that leaves nothing of what a subscription has shown.

    Its epoch is nobody's: a client that goes on with it, and asks for what has changed since, is sent everything.
    """
    head = b'{"type":"MESSAGE","cmd":"NOTIFY","path":%b' % _encode(path)
    if view:
        head += b',"view":%b' % _encode(view)
    return head + b',"data":{"remove":[],"insert":[],"reset":true},"epoch":"","base":0,"version":0}'


def encode_end(path: str, error: RequestError, view: str = "") -> bytes:
    """Return the message that the server has ended a subscription; `view` is its name, empty if it has none."""
    return _encode(_End("END", path, error_of(error), view))
