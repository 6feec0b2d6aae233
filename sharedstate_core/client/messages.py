"""The client side of the wire format: encodes requests and decodes a server's messages (PROTOCOL.md)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from sharedstate_core.errors import SharedStateError
from sharedstate_core.storage import Cursor
from sharedstate_core.updates import Update

from . import lenient

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sharedstate_core.storage import Condition

NULL: Final = Raw(b"null")


class MalformedError(SharedStateError):
    """A server sent something that is not a message of this protocol.

    Attributes:
        path: path of the collection it was about, which has missed something; None if unknown.
    """

    def __init__(self, reason: str, path: str | None = None) -> None:
        super().__init__(reason)
        self.path = path


class Notification(NamedTuple):
    """A change, or a part of a snapshot.

    Attributes:
        path: the path as subscribed.
        update: the update to apply.
        base: the version it leads from; None from a level 1 server.
        cursor: the state it leads to; None from a level 1 server.
        more: whether another part follows.
        size: characters of the message, or of all parts that were joined.
    """

    path: str
    update: Update
    base: int | None
    cursor: Cursor | None
    more: bool
    size: int


class SessionMessage(NamedTuple):
    """The user has changed, or is about to.

    Attributes:
        user, expires: as sent.
        reason: why.
    """

    user: Any
    expires: Any
    reason: str


class End(NamedTuple):
    """The server has ended a subscription."""

    path: str
    error: Mapping[str, Any]


class Reply(NamedTuple):
    """The answer to the request with this tunnel."""

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
    reason: str | None = None


class _Loose(Struct):
    """A message in which some member has the wrong type; `_value` decodes each."""

    type: Raw = NULL
    cmd: Raw = NULL
    path: Raw = NULL
    tunnel: Raw = NULL
    ok: Raw = NULL
    data: Raw = NULL
    epoch: Raw = NULL
    version: Raw = NULL
    error: Raw = NULL
    errors: Raw = NULL
    reason: Raw = NULL


class _Data(Struct):
    remove: list[str] = []
    insert: list[Raw] = []
    reset: bool | None = None


class _Head(Struct):
    id: str


_message = msgspec.json.Decoder(_Message)
_loose = msgspec.json.Decoder(_Loose)
_data = msgspec.json.Decoder(_Data)
_head = msgspec.json.Decoder(_Head)
_tunnel: msgspec.json.Decoder[int | str | None] = msgspec.json.Decoder(int | str | None)
_encode = msgspec.json.Encoder().encode


Message: TypeAlias = "Notification | Reply | SessionMessage | End"


def decode(text: str) -> Message | None:
    """Decode one message from a server; None for a kind that this client does not know.

    A lone surrogate, which is not Unicode text, is read as U+FFFD.

    Raises:
        MalformedError: it is not a message.
    """
    try:
        return _read(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        text = lenient.well_formed(text)
    try:
        try:
            return _read(text)
        except RecursionError:
            return _read_deep(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        raise MalformedError(str(error)) from None


def _read(text: str) -> Message | None:
    try:
        return _read_strictly(text)
    except msgspec.ValidationError:
        text = lenient.unique(text)
    try:
        return _read_strictly(text)
    except msgspec.ValidationError as error:
        return _read_loosely(text, str(error))


def _read_strictly(text: str) -> Message | None:
    message = _message.decode(text)
    cursor = None
    if message.epoch is not None and message.version is not None:
        cursor = Cursor(message.epoch, message.version)
    if message.type == "REPLY":
        errors = dict(message.errors or ())
        tunnel = _tunnel_of(message.tunnel)
        return Reply(tunnel, message.ok, message.data, cursor, message.error or {}, errors)
    if message.type == "MESSAGE" and message.cmd == "NOTIFY":
        data = _data.decode(message.data)
        insert = {_head.decode(raw).id: bytes(raw) for raw in data.insert}
        update = Update(tuple(data.remove), insert, bool(data.reset))
        return Notification(
            message.path, update, message.base, cursor, bool(message.more), len(text)
        )
    if message.type == "MESSAGE" and message.cmd == "SESSION":
        said = members(message.data)
        return SessionMessage(said.get("user"), said.get("expires"), message.reason or "")
    if message.type == "MESSAGE" and message.cmd == "END":
        return End(message.path, message.error or {})
    return None


def _read_loosely(text: str, problem: str) -> Message | None:
    """Decode a message in which a member has the wrong type.

    A reply still settles its request, which would never be settled otherwise: it is a success only if `ok` is true,
    and other members of the wrong type count as absent. A notification cannot be used. JSON of an unknown kind is
    ignored, whatever its members are.
    """
    message = _loose.decode(text)
    type_ = _value(message.type)
    if type_ == "REPLY":
        cursor = None
        epoch, version = _value(message.epoch), _value(message.version)
        if isinstance(epoch, str) and isinstance(version, int) and not isinstance(version, bool):
            cursor = Cursor(epoch, version)
        error = _value(message.error)
        details = error if isinstance(error, dict) else {}
        errors = _by_path(_value(message.errors)) or {}
        tunnel, ok = _tunnel_of(message.tunnel), _value(message.ok) is True
        return Reply(tunnel, ok, message.data, cursor, details, errors)
    if type_ == "MESSAGE" and _value(message.cmd) == "NOTIFY":
        path = _value(message.path)
        raise MalformedError(problem, path if isinstance(path, str) else None)
    if type_ == "MESSAGE" and _value(message.cmd) == "SESSION":
        said, why = members(message.data), _value(message.reason)
        return SessionMessage(
            said.get("user"), said.get("expires"), why if isinstance(why, str) else ""
        )
    if type_ == "MESSAGE" and _value(message.cmd) == "END":
        path, error = _value(message.path), _value(message.error)
        if isinstance(path, str):
            return End(path, error if isinstance(error, dict) else {})
    return None


def _read_deep(text: str) -> Reply | None:
    """Decode a message that is nested too deep: which request or path it is for, but not its contents."""
    problem = "it is nested too deep"
    reply = _read_loosely(lenient.shallow(text), problem)
    if not isinstance(reply, Reply):
        return None
    error = {"code": "bad_message", "message": f"the server's answer cannot be read: {problem}"}
    return reply._replace(ok=False, data=NULL, error=error)


def _tunnel_of(raw: Raw) -> int | str | None:
    """Return a tunnel; None for one that no request of this client carries."""
    try:
        return _tunnel.decode(raw)
    except msgspec.ValidationError:
        return None


def _value(raw: Raw) -> object:
    """Return a JSON value; None if it cannot be decoded."""
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return None


def _by_path(pairs: object) -> dict[str, object] | None:
    """Return a dict of those pairs in a list that begin with a path; None if `pairs` is not a list."""
    if not isinstance(pairs, list):
        return None
    return {
        pair[0]: pair[1] if len(pair) > 1 else None
        for pair in pairs
        if isinstance(pair, list) and pair and isinstance(pair[0], str)
    }


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


def encode_session(key: str | None, token: str | UnsetType | None) -> bytes:
    """Return the argument of `PUT /session`."""
    arg = {"key": key}
    return _encode(arg if isinstance(token, UnsetType) else arg | {"token": token})


def encode_update(update: Update, condition: Condition | None) -> bytes:
    """Return the argument of a `PUT` to a collection."""
    wanted: _If | UnsetType = UNSET
    if condition is not None:
        ids = UNSET if condition.ids is None else condition.ids
        wanted = _If(*condition.cursor, ids)
    insert = tuple(Raw(text) for text in update.insert.values())
    return _encode(_Update(update.remove, insert, update.reset, wanted))


def encode_subscribe(subs: Mapping[str, Cursor | None], *, whole: bool) -> bytes:
    """Return the argument of a `PUT /subs` that adds these paths, resuming where there is a cursor.

    A server that knows `brief` answers with these alone.

    Args:
        subs: the cursor to resume from, if any, by path.
        whole: whether these replace all subscriptions.
    """
    insert = []
    for path, cursor in subs.items():
        sub: dict[str, object] = {"parts": True}
        if cursor is not None:
            sub["since"] = {"epoch": cursor.epoch, "version": cursor.version}
        insert.append((path, sub))
    return _encode(
        {"insert": insert, "reset": True} if whole else {"insert": insert, "brief": True}
    )


def encode_unsubscribe(path: str) -> bytes:
    """Return the argument of a `PUT /subs` that drops a path."""
    return _encode({"remove": [path], "brief": True})


def members(raw: Raw) -> dict[str, Any]:
    """Return the members of an object; none if it is something else."""
    value = _value(raw)
    return value if isinstance(value, dict) else {}


def accepted_paths(data: Raw) -> Collection[str] | None:
    """Return the paths in the reply to `PUT /subs`; None if it has no list of them."""
    return _by_path(_value(data))


def reason(reply: Reply) -> str:
    """Return why a server refused, in its own words if it gave a reason."""
    said = _value(reply.data)
    return said if isinstance(said, str) else "the server refused"
