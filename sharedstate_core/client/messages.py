"""A server's messages, as they are read (PROTOCOL.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import msgspec
from msgspec import Raw, Struct

from sharedstate_core.errors import SharedStateError
from sharedstate_core.storage import Cursor
from sharedstate_core.updates import Update

from . import lenient
from .views import Key

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from .views import At

NULL: Final = Raw(b"null")


class MalformedError(SharedStateError):
    """A server sent something that is not a message of this protocol.

    Attributes:
        key: the subscription it was about, which has missed something; None if unknown.
    """

    def __init__(self, reason: str, key: Key | None = None) -> None:
        super().__init__(reason)
        self.key = key


class Notification(NamedTuple):
    """A change, or a part of a snapshot.

    Attributes:
        key: the path and the view as subscribed.
        update: the update to apply.
        places: where its items stand in the order of the collection, by id; None if that is not said.
        base: the version it leads from; None from a level 1 server.
        cursor: the state it leads to; None from a level 1 server.
        scope: what the server calls that which the user may see of it; None if it looks at no rules for that.
        more: whether another part follows.
        size: characters of the message, or of all parts that were joined.
    """

    key: Key
    update: Update
    places: Mapping[str, At] | None
    base: int | None
    cursor: Cursor | None
    scope: str | None
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

    key: Key
    error: Mapping[str, Any]


class Reply(NamedTuple):
    """The answer to the request with this tunnel.

    Attributes:
        tunnel, ok, data, error: as sent.
        cursor: the state that it names, if it names one.
        errors: why subscriptions were refused, by path and view.
        at: the places of the items in `data`, in that order; None if they are not said.
        more: whether older items were left out.
    """

    tunnel: int | str | None
    ok: bool
    data: Raw
    cursor: Cursor | None
    error: Mapping[str, Any]
    errors: Mapping[Key, Any]
    at: Sequence[At] | None = None
    more: bool = False


class _Message(Struct):
    type: str = ""
    cmd: str | None = ""
    path: str = ""
    view: str | None = None
    tunnel: Raw = NULL
    ok: bool = False
    data: Raw = NULL
    at: list[tuple[int, int]] | None = None
    epoch: str | None = None
    base: int | None = None
    version: int | None = None
    scope: str | None = None
    more: bool | None = None
    error: dict[str, Any] | None = None
    errors: list[Any] | None = None
    reason: str | None = None


class _Loose(Struct):
    """A message in which some member has the wrong type; `_value` decodes each."""

    type: Raw = NULL
    cmd: Raw = NULL
    path: Raw = NULL
    view: Raw = NULL
    tunnel: Raw = NULL
    ok: Raw = NULL
    data: Raw = NULL
    at: Raw = NULL
    epoch: Raw = NULL
    version: Raw = NULL
    more: Raw = NULL
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
_list = msgspec.json.Decoder(list[Raw])
_places: msgspec.json.Decoder[list[tuple[int, int]]] = msgspec.json.Decoder(list[tuple[int, int]])


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
        tunnel, errors = _tunnel_of(message.tunnel), _errors(message.errors)
        error = message.error or {}
        reply = Reply(tunnel, message.ok, message.data, cursor, error, errors)
        return reply._replace(at=_fitting(message.at, message.data), more=bool(message.more))
    key = Key(message.path, message.view)
    if message.type == "MESSAGE" and message.cmd == "NOTIFY":
        data = _data.decode(message.data)
        ids = [_head.decode(raw).id for raw in data.insert]
        insert = {id: bytes(raw) for id, raw in zip(ids, data.insert, strict=True)}
        update = Update(tuple(data.remove), insert, bool(data.reset))
        places = None if message.at is None else _by_id(ids, message.at)
        return Notification(
            *(key, update, places, message.base, cursor, message.scope),
            more=bool(message.more),
            size=len(text),
        )
    if message.type == "MESSAGE" and message.cmd == "SESSION":
        said = members(message.data)
        return SessionMessage(said.get("user"), said.get("expires"), message.reason or "")
    if message.type == "MESSAGE" and message.cmd == "END":
        return End(key, message.error or {})
    return None


def _by_id(ids: Sequence[str], at: Sequence[At]) -> dict[str, At]:
    if len(ids) != len(at):
        raise msgspec.ValidationError(f"{len(at)} places of {len(ids)} items")
    return dict(zip(ids, at, strict=True))


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
        errors = _errors(_value(message.errors))
        tunnel, ok = _tunnel_of(message.tunnel), _value(message.ok) is True
        reply = Reply(tunnel, ok, message.data, cursor, details, errors)
        at = _fitting(_at(message.at), message.data)
        return reply._replace(at=at, more=_value(message.more) is True)
    if type_ == "MESSAGE" and _value(message.cmd) == "NOTIFY":
        raise MalformedError(problem, _key(_value(message.path), _value(message.view)))
    if type_ == "MESSAGE" and _value(message.cmd) == "SESSION":
        said, why = members(message.data), _value(message.reason)
        return SessionMessage(
            said.get("user"), said.get("expires"), why if isinstance(why, str) else ""
        )
    if type_ == "MESSAGE" and _value(message.cmd) == "END":
        key, error = _key(_value(message.path), _value(message.view)), _value(message.error)
        if key is not None:
            return End(key, error if isinstance(error, dict) else {})
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


def _at(raw: Raw) -> list[At] | None:
    """Return places; None for anything else."""
    try:
        return None if raw == NULL else _places.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return None


def _fitting(at: list[At] | None, data: Raw) -> list[At] | None:
    """Return the places of a reply; None if they are not those of its items."""
    if at is None:
        return None
    try:
        return at if len(_list.decode(data)) == len(at) else None
    except (msgspec.DecodeError, RecursionError):
        return None


def _key(path: object, view: object) -> Key | None:
    """Return the subscription that is named; None if none is."""
    if not isinstance(path, str) or not isinstance(view, str | None):
        return None
    return Key(path, view)


def _errors(listed: object) -> dict[Key, Any]:
    """Return why subscriptions were refused: a list of `[path, error]` or `[path, error, view]`."""
    found = {}
    for each in listed if isinstance(listed, list) else ():
        if isinstance(each, list) and each:
            path, error, view = (*each, None, None)[:3]
            if (key := _key(path, view)) is not None:
                found[key] = error
    return found


def members(raw: Raw) -> dict[str, Any]:
    """Return the members of an object; none if it is something else."""
    value = _value(raw)
    return value if isinstance(value, dict) else {}


def accepted_keys(data: Raw) -> Collection[Key] | None:
    """Return what the reply to a `PUT /subs` lists, `[path, sub]` each; None if it has no list."""
    listed = _value(data)
    if not isinstance(listed, list):
        return None
    pairs = [(*each, None)[:2] for each in listed if isinstance(each, list) and each]
    keys = (_key(path, sub.get("view") if isinstance(sub, dict) else None) for path, sub in pairs)
    return {key for key in keys if key is not None}


def reason(reply: Reply) -> str:
    """Return why a server refused, in its own words if it gave a reason."""
    said = _value(reply.data)
    return said if isinstance(said, str) else "the server refused"
