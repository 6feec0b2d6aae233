"""The wire as a client sees it: what it says, and what it reads of what a server says (PROTOCOL.md)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from sharedstate_core.errors import SharedStateError
from sharedstate_core.storage import Cursor
from sharedstate_core.updates import Update

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sharedstate_core.storage import Condition

NULL: Final = Raw(b"null")


class MalformedError(SharedStateError):
    """A server sent what is no message of this protocol.

    Attributes:
        path: of the collection that it was about, if that can be told: something was missed there.
    """

    def __init__(self, reason: str, path: str | None = None) -> None:
        super().__init__(reason)
        self.path = path


class Notification(NamedTuple):
    """A change, or a part of a snapshot.

    Attributes:
        path: as subscribed.
        update: what to apply.
        base: the version it leads from; None from a level 1 server.
        cursor: the state it leads to; None from a level 1 server.
        more: whether another part follows.
    """

    path: str
    update: Update
    base: int | None
    cursor: Cursor | None
    more: bool


class Reply(NamedTuple):
    """The answer to the request of this tunnel."""

    tunnel: int | str | None
    ok: bool
    data: Raw
    cursor: Cursor | None
    error: Mapping[str, Any]
    errors: Mapping[str, Any]


class _Message(Struct):
    type: str = ""
    cmd: str | None = ""
    path: str = ""
    tunnel: Raw = NULL
    ok: bool = False
    data: Raw = NULL
    epoch: str | None = None
    base: int | None = None
    version: int | None = None
    more: bool | None = None
    error: dict[str, Any] | None = None
    errors: list[tuple[str, Any]] | None = None


class _Kind(Struct):
    """What can be told of a message that cannot be read."""

    type: Any = None
    cmd: Any = None
    path: Any = None


class _Data(Struct):
    remove: list[str] = []
    insert: list[Raw] = []
    reset: bool | None = None


class _Head(Struct):
    id: str


_message = msgspec.json.Decoder(_Message)
_kind = msgspec.json.Decoder(_Kind)
_data = msgspec.json.Decoder(_Data)
_head = msgspec.json.Decoder(_Head)
_tunnel = msgspec.json.Decoder(int | str | None)
_encode = msgspec.json.Encoder().encode


def decode(text: str) -> Notification | Reply | None:
    """Read one message of a server; None for a kind that this client does not know.

    Raises:
        MalformedError: it is no message.
    """
    path: str | None = None
    try:
        try:
            message = _message.decode(text)
        except msgspec.ValidationError as error:
            _check_unknown(text, error)
            return None
        cursor = None
        if message.epoch is not None and message.version is not None:
            cursor = Cursor(message.epoch, message.version)
        if message.type == "REPLY":
            errors = dict(message.errors or ())
            tunnel = _tunnel.decode(message.tunnel)
            return Reply(tunnel, message.ok, message.data, cursor, message.error or {}, errors)
        if message.type == "MESSAGE" and message.cmd == "NOTIFY":
            path = message.path
            data = _data.decode(message.data)
            insert = {_head.decode(raw).id: bytes(raw) for raw in data.insert}
            update = Update(tuple(data.remove), insert, bool(data.reset))
            return Notification(path, update, message.base, cursor, bool(message.more))
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        raise MalformedError(str(error), path) from None
    return None


def _check_unknown(text: str, error: msgspec.ValidationError) -> None:
    """Ignore JSON of an unknown kind, whatever its members are; raise what it is otherwise."""
    kind = _kind.decode(text)
    notifies = kind.type == "MESSAGE" and kind.cmd == "NOTIFY"
    if notifies or kind.type == "REPLY":
        path = kind.path if notifies and isinstance(kind.path, str) else None
        raise MalformedError(str(error), path)


class _Request(Struct, tag_field="type", tag="REQUEST"):
    cmd: Literal["GET", "PUT"]
    path: str
    arg: Raw
    tunnel: int | str


class _If(Struct, omit_defaults=True):
    epoch: str
    version: int
    ids: Sequence[str] | UnsetType = UNSET


class _Update(Struct, omit_defaults=True):
    remove: Sequence[str] = ()
    insert: Sequence[Raw] = ()
    reset: bool = False
    condition: _If | UnsetType = msgspec.field(name="if", default=UNSET)


def encode_request(cmd: Literal["GET", "PUT"], path: str, arg: bytes, tunnel: int | str) -> bytes:
    """Return one request; `arg` is JSON text."""
    return _encode(_Request(cmd, path, Raw(arg), tunnel))


def encode_update(update: Update, condition: Condition | None) -> bytes:
    """Return the argument of a `PUT` to a collection."""
    wanted: _If | UnsetType = UNSET
    if condition is not None:
        ids = UNSET if condition.ids is None else condition.ids
        wanted = _If(*condition.cursor, ids)
    insert = tuple(Raw(text) for text in update.insert.values())
    return _encode(_Update(update.remove, insert, update.reset, wanted))


def encode_subscribe(subs: Mapping[str, Cursor | None]) -> bytes:
    """Return the argument of a `PUT /subs` that adds these paths, resuming where there is a cursor."""
    insert = []
    for path, cursor in subs.items():
        sub: dict[str, object] = {"parts": True}
        if cursor is not None:
            sub["since"] = {"epoch": cursor.epoch, "version": cursor.version}
        insert.append((path, sub))
    return _encode({"insert": insert})


def encode_unsubscribe(path: str) -> bytes:
    """Return the argument of a `PUT /subs` that drops a path."""
    return _encode({"remove": [path]})


def accepted_paths(data: Raw) -> set[str] | None:
    """Return the paths in the reply to `PUT /subs`; None if it does not tell."""
    try:
        return {path for path, _ in msgspec.json.decode(data, type=list[tuple[str, Any]])}
    except msgspec.DecodeError:
        return None
