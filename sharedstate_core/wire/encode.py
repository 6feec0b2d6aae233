"""Encode the server's replies and notifications as JSON text (PROTOCOL.md).

Items are raw text and are sent exactly as they were received.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from sharedstate_core.messages import PIECE_BYTES, SPLICED_BYTES, Items, splice

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sharedstate_core.errors import Refusal, RequestError
    from sharedstate_core.messages import Message, Seen
    from sharedstate_core.storage import Cursor

    from .decode_subscriptions import SubscriptionName


class Error(Struct, omit_defaults=True):
    """An error, as it is told."""

    code: str
    message: str
    outcome: str | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    place: str | UnsetType = UNSET
    rule: str | UnsetType = UNSET
    retry_after: float | UnsetType = UNSET
    ids: tuple[str, ...] | UnsetType = UNSET


class _Reply(Struct, tag_field="type", tag="REPLY"):
    cmd: str | Raw
    tunnel: Raw
    ok: bool
    data: Any
    epoch: str | UnsetType = UNSET
    version: int | UnsetType = UNSET
    error: Error | UnsetType = UNSET
    errors: list[tuple[str, Error] | tuple[str, Error, str]] | UnsetType = UNSET
    more: bool | UnsetType = UNSET
    duplicate: bool | UnsetType = UNSET


NO_NAMES: Final = Items((b"[]",), 2)

JOINED: Final = 1_000
"""Items that are joined at a time: a long text is not copied as a whole."""

_encode = msgspec.json.Encoder().encode


def error_of(error: RequestError | Refusal) -> Error:
    """Return an error as it is told."""
    return Error(
        error.code,
        error.message,
        reason=error.reason or UNSET,
        place=error.place or UNSET,
        rule=error.rule or UNSET,
        retry_after=error.retry_after or UNSET,
        ids=error.ids or UNSET,
    )


def encode_reply(cmd: str | Raw, tunnel: Raw, data: object, cursor: Cursor | None = None) -> bytes:
    """Return a reply with `ok: true`; `data` is any JSON value, or its text as `Raw`."""
    if cursor is None:
        return _encode(_Reply(cmd, tunnel, True, data))
    return _encode(_Reply(cmd, tunnel, True, data, cursor.epoch, cursor.version))


def encode_duplicate(cmd: str | Raw, tunnel: Raw, touched: int, cursor: Cursor) -> bytes:
    """Return the reply to an update that was stored before it was sent again."""
    reply = _Reply(cmd, tunnel, True, touched, cursor.epoch, cursor.version, duplicate=True)
    return _encode(reply)


def encode_names_reply(cmd: str | Raw, tunnel: Raw, names: Items, *, more: bool) -> Message:
    """Return the reply with a list of names, a long one in pieces; `more` says that the list goes on after them."""
    return _with_items(_encode(_Reply(cmd, tunnel, True, None, more=more or UNSET)), names)


def encode_items_reply(cmd: str | Raw, tunnel: Raw, items: Items, cursor: Cursor | None) -> Message:
    """Return a reply with `ok: true` whose data are items; a long one shares their text."""
    return _with_items(encode_reply(cmd, tunnel, None, cursor), items)


def encode_seen_reply(cmd: str | Raw, tunnel: Raw, seen: Seen, cursor: Cursor | None) -> Message:
    """Return a reply with `ok: true` whose data are what is seen of a collection; a long one shares its text."""
    reply = _Reply(cmd, tunnel, True, None, more=seen.more or UNSET)
    if cursor is not None:
        reply.epoch, reply.version = cursor.epoch, cursor.version
    head, tail = _encode(reply).rsplit(b'"data":null', 1)
    return splice(head + b'"data":', seen.items, tail[:-1] + b',"at":', seen.at, b"}")


def _with_items(reply: bytes, items: Items) -> Message:
    """Put an array in the place of a reply's data, which are null."""
    head, tail = reply.rsplit(b'"data":null', 1)
    head += b'"data":'
    return splice(head, items, tail)


def encode_subs_reply(
    tunnel: Raw,
    subs: Iterable[tuple[SubscriptionName, bytes]],
    errors: Iterable[tuple[SubscriptionName, Refusal]],
) -> bytes:
    """Return the reply to `PUT /subs`: the subscriptions that it tells of, and the ones that were refused."""
    refused = [
        (name.path, error_of(error), name.view) if name.view else (name.path, error_of(error))
        for name, error in errors
    ]
    data = [(name.path, Raw(sub)) for name, sub in subs]
    return _encode(_Reply("PUT", tunnel, True, data, errors=refused or UNSET))


def encode_failure(
    cmd: str | Raw,
    tunnel: Raw,
    error: RequestError,
    cursor: Cursor | None = None,
    *,
    outcome_unknown: bool = False,
) -> bytes:
    """Return a reply with `ok: false`."""
    detail = error_of(error)
    if outcome_unknown:
        detail.outcome = "unknown"
    reply = _Reply(cmd, tunnel, False, error.message, error=detail)
    if cursor is not None:
        reply.epoch, reply.version = cursor.epoch, cursor.version
    return _encode(reply)


def encode_subscription(
    part: Mapping[str, object], since: Cursor | None, view: str, *, parts: bool
) -> dict[str, object]:
    """Return a `sub`: the options of a subscription, to be encoded; `part` is what it asks for."""
    sub: dict[str, object] = {
        name: part[name] for name in ("where", "last", "fields") if name in part
    }
    if since is not None:
        sub["since"] = {"epoch": since.epoch, "version": since.version}
    if parts:
        sub["parts"] = True
    if view:
        sub["view"] = view
    return sub


def encode_items(texts: Sequence[bytes]) -> Items:
    """Return a JSON array of items; a long one in pieces of about `PIECE_BYTES`, and long items are not copied."""
    if len(texts) <= JOINED:
        text = b"[%b]" % b",".join(texts)
        if len(text) <= PIECE_BYTES:
            return Items((text,), len(text))
        if max(map(len, texts)) <= PIECE_BYTES:
            return Items(pieces(text), len(text))
    array = Array()
    for start in range(0, len(texts), JOINED):
        array.add_items(texts[start : start + JOINED])
    return array.end()


def encode_names(names: Sequence[str]) -> Items:
    """Return a JSON array of ids, or of names; a long one in pieces of about `PIECE_BYTES`."""
    if not names:
        return NO_NAMES
    text = _encode(names)
    return Items(pieces(text), len(text))


class Array:
    """A JSON array that is encoded by portions, in pieces of about `PIECE_BYTES`; a longer item is a piece itself."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._borrowed = 0
        self._rest = b"["  # not enough for a piece

    def add_items(self, texts: Sequence[bytes]) -> None:
        """Add items."""
        if max(map(len, texts), default=0) <= PIECE_BYTES:
            self._join(texts)
            return
        for is_long, group in groupby(texts, lambda text: len(text) > PIECE_BYTES):
            if is_long:
                self._borrow(group)
            else:
                self._join(group)

    def _join(self, texts: Iterable[bytes]) -> None:
        """Add short items."""
        if self._comma:
            self._cut(b",".join((self._rest, *texts)))
        else:
            self._cut(b"[" + b",".join(texts))

    def _borrow(self, texts: Iterable[bytes]) -> None:
        """Add long items, which are not copied."""
        for text in texts:
            self._pieces += (self._rest + self._comma, text)
            self._rest = b""
            self._borrowed += len(text)

    @property
    def _comma(self) -> bytes:
        return b"," if self._pieces or self._rest != b"[" else b""

    def add_names(self, names: Sequence[str]) -> None:
        """Add ids, or names."""
        if names:
            self._cut(b"%b%b%b" % (self._rest, self._comma, _encode(names)[1:-1]))

    def _cut(self, text: bytes) -> None:
        """Make pieces of a text that begins with the rest."""
        *whole, self._rest = pieces(text)
        self._pieces += whole

    def end(self) -> Items:
        """Return all of it."""
        self._pieces.append(self._rest + b"]")
        return Items(tuple(self._pieces), sum(map(len, self._pieces)), self._borrowed)


def pieces(text: bytes) -> tuple[bytes, ...]:
    """Cut a long text into pieces of `PIECE_BYTES`."""
    if len(text) <= PIECE_BYTES:
        return (text,)
    return tuple(text[at : at + PIECE_BYTES] for at in range(0, len(text), PIECE_BYTES))


class Part(Struct, frozen=True, eq=False):
    """One step of a net change, without the path: the same for every audience that takes it in the same parts.

    Attributes:
        base: the version it continues from.
        remove: the ids to remove.
        items: the items to set after that.
        reset: whether everything is removed before.
        more: whether another part follows.
        at: a JSON array with the place of each item in the order; None if they go where insertion puts them.
    """

    base: int
    remove: Items
    items: Items
    reset: bool = False
    more: bool = False
    at: Items | None = None


def encode_notification(
    path: str, part: Part, cursor: Cursor, view: str = "", scope: str = ""
) -> Message:
    """Return a notification whose last part leads to `cursor`.

    Args:
        path: the collection's path, as it was subscribed.
        part: what has changed.
        cursor: the state.
        view: the name of the subscription; empty if it has none.
        scope: names what the rules let the reader see of the collection; empty if they do not look at items.

    It is assembled by hand so that `remove` and `items` are copied only once, and not at all if they are long.
    """
    remove, items, at = part.remove, part.items, part.at
    named = b'%b,"view":%b' % (_encode(path), _encode(view)) if view else _encode(path)
    head = b'{"type":"MESSAGE","cmd":"NOTIFY","path":%b,"data":{"remove":' % named
    middle = b',"insert":'
    tail = b',"reset":%b},"epoch":%b,"base":%d,"version":%d%b}' % (
        b"true" if part.reset else b"false",
        _encode(cursor.epoch),
        part.base,
        cursor.version,
        b',"more":true' if part.more else b"",
    )
    if scope:
        tail = b'%b,"scope":%b}' % (tail[:-1], _encode(scope))
    if at is not None:
        return splice(head, remove, middle, items, tail[:-1] + b',"at":', at, b"}")
    if remove.size + items.size < SPLICED_BYTES:
        return b"".join((head, *remove.pieces, middle, *items.pieces, tail))
    return splice(head, remove, middle, items, tail)
