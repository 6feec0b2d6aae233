"""Decode what a peer asks to be shown: subscriptions, and what a read is to contain (PROTOCOL.md).

Whatever the text, nothing but `RequestError` is raised here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
from msgspec import UNSET, Raw, Struct

from sharedstate_core.errors import RequestError
from sharedstate_core.filters.wanted import ALL, EVERYTHING, Wanted
from sharedstate_core.filters.where import parse_where
from sharedstate_core.json_faults import decoder_fault
from sharedstate_core.storage import Cursor

from .faults import too_deep
from .nesting import nests_deeper
from .outline import FEW, outline_subscriptions
from .validation import check_number_of_paths

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sharedstate_core.limits import Limits

MAX_VIEW_BYTES: Final = 64
"""Maximum length of the name of a view."""

MAX_FIELDS: Final = 64
"""Maximum number of members that a view shows, if not all of them."""

MAX_SUB_BYTES: Final = 4096
"""Maximum length of a `sub`, which the server keeps for the lifetime of the subscription."""


class SubscriptionName(NamedTuple):
    """The key of a subscription among those of its connection.

    Attributes:
        path: as it was spelled.
        view: what tells several subscriptions to one path apart; empty if there is nothing.
    """

    path: str
    view: str = ""


class Subscribe(NamedTuple):
    """A requested subscription: its name, and the JSON text of `sub`."""

    name: SubscriptionName
    sub: bytes


class SubscriptionChanges(NamedTuple):
    """The argument of `PUT /subs`. `brief`: the answer tells of `insert` alone, not of all subscriptions."""

    insert: Sequence[Subscribe]
    remove: Sequence[SubscriptionName]
    reset: bool
    brief: bool = False


class SubscriptionOptions(NamedTuple):
    """The options in a `sub`.

    Attributes:
        since: where to resume from; None for the beginning.
        scope: what the rules let the reader see then; empty if they did not look at items.
        parts: whether large snapshots are sent in parts.
        wanted: what is to be shown of the collection.
    """

    since: Cursor | None
    scope: str
    parts: bool
    wanted: Wanted


class _Since(Struct):
    epoch: str
    version: int
    scope: str = ""


class _Subs(Struct):
    insert: list[tuple[str, Raw]] = []
    remove: list[str | tuple[str, str]] = []
    reset: bool = False
    brief: bool = False


class _Sub(Struct):
    since: _Since | None = None
    parts: bool = False
    where: Any = UNSET
    last: int | None = None
    fields: list[str] | None = None


class _Named(Struct):
    view: str | None = None


class _Read(Struct):
    where: Any = UNSET
    last: int | None = None
    fields: list[str] | None = None
    before: tuple[int, int] | None = None


_subs = msgspec.json.Decoder(_Subs)
_sub = msgspec.json.Decoder(_Sub)
_named = msgspec.json.Decoder(_Named)
_read = msgspec.json.Decoder(_Read)


def decode_subscriptions(arg: Raw, limits: Limits) -> SubscriptionChanges:
    """Decode the argument of `PUT /subs`.

    Raises:
        RequestError: `bad_message`, naming the place of the fault; `too_many` for too many paths.
    """
    try:
        message = _subs.decode(arg if len(arg) <= FEW else outline_subscriptions(arg, limits))
    except RecursionError:
        raise RequestError("bad_message", f"arg: {too_deep(limits)}") from None
    except msgspec.ValidationError as error:
        raise RequestError("bad_message", decoder_fault(error, "arg")) from None
    check_number_of_paths(len(message.insert) + len(message.remove), limits)
    for index, (_, sub) in enumerate(message.insert):
        if nests_deeper(bytes(sub), limits.depth):
            raise RequestError("bad_message", f"insert[{index}]: {too_deep(limits)}")
    insert = [
        Subscribe(SubscriptionName(path, _view_of(sub)), bytes(sub)) for path, sub in message.insert
    ]
    remove = [
        SubscriptionName(each) if isinstance(each, str) else SubscriptionName(*each)
        for each in message.remove
    ]
    return SubscriptionChanges(insert, remove, message.reset, message.brief)


def _view_of(sub: Raw) -> str:
    """Return the name of the view in a `sub`; empty if there is none, or it is none."""
    if b'"view"' not in bytes(sub):
        return ""
    try:
        return _named.decode(sub).view or ""
    except msgspec.DecodeError:
        return ""


def decode_subscription(sub: bytes, limits: Limits) -> SubscriptionOptions:
    """Decode one `sub`.

    Raises:
        RequestError: `bad_message` if it is not an object or a known member is wrong;
            `too_large` if it exceeds `MAX_SUB_BYTES`; `too_many` if it asks for too much.
    """
    if len(sub) > MAX_SUB_BYTES:
        raise RequestError("too_large", f"sub: longer than {MAX_SUB_BYTES} bytes")
    try:
        message = _sub.decode(sub)
        view = _named.decode(sub).view if b'"view"' in sub else None
    except msgspec.DecodeError as error:
        raise RequestError("bad_message", decoder_fault(error, "sub")) from None
    if view is not None and not 0 < len(view.encode()) <= MAX_VIEW_BYTES:
        problem = f"expected 1 to {MAX_VIEW_BYTES} bytes of UTF-8"
        raise RequestError("bad_message", f"sub.view: {problem}")
    since, scope = None, ""
    if message.since is not None:
        since, scope = Cursor(message.since.epoch, message.since.version), message.since.scope
    return SubscriptionOptions(since, scope, message.parts, _wanted(message, "sub", limits))


def decode_read(arg: Raw, limits: Limits) -> Wanted:
    """Decode the argument of a `GET` of a collection.

    Level 1 has no such argument, so anything but an object is as if it were absent.

    Raises:
        RequestError: `bad_message`, naming the place of the fault; `too_many` if it asks for too much.
    """
    if memoryview(arg)[0] != ord("{"):
        return EVERYTHING
    if len(arg) > MAX_SUB_BYTES:
        raise RequestError("too_large", f"arg: longer than {MAX_SUB_BYTES} bytes")
    if nests_deeper(bytes(arg), limits.depth):
        raise RequestError("bad_message", f"arg: {too_deep(limits)}")
    try:
        message = _read.decode(arg)
    except msgspec.DecodeError as error:
        raise RequestError("bad_message", decoder_fault(error, "arg")) from None
    wanted, before = _wanted(message, "arg", limits), message.before
    return wanted if before is None else wanted._replace(before=before)


def _wanted(message: _Sub | _Read, place: str, limits: Limits) -> Wanted:
    """Return what is to be shown."""
    where, last, fields = message.where, message.last, message.fields
    if where is UNSET and last is None and fields is None:
        return EVERYTHING
    if last is not None and last < 1:
        raise RequestError("bad_message", f"{place}.last: expected a whole number from 1")
    if last is not None and last > limits.last:
        raise RequestError("too_many", f"{place}.last: at most {limits.last}")
    if fields is not None and not 0 < len(set(fields)) == len(fields) <= MAX_FIELDS:
        problem = f"expected 1 to {MAX_FIELDS} names, each once"
        raise RequestError("bad_message", f"{place}.fields: {problem}")
    tree = ALL if where is UNSET else parse_where(where, f"{place}.where")
    return Wanted(tree, last, None if fields is None else tuple(fields))
