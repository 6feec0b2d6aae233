"""Decode a peer's JSON text: requests and their arguments (PROTOCOL.md).

Items stay raw text: only their `id` is ever decoded, and of patches the names of members. Whatever the text, nothing
but `RequestError` is raised here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec
from msgspec import Raw, Struct

from sharedstate_core.errors import RequestError, bad_update
from sharedstate_core.json_faults import decoder_fault
from sharedstate_core.names import Paging
from sharedstate_core.paths import MAX_SEGMENT_BYTES
from sharedstate_core.results import MAX_VERSION
from sharedstate_core.storage import Condition, Cursor, Write
from sharedstate_core.updates import Update

from .decode_patches import decode_patches
from .faults import (
    COMMANDS,
    NULL,
    BadMessageError,
    Command,
    envelope_decoder,
    explain,
    item_fault,
    string_decoder,
    too_deep,
    update_fault,
)
from .nesting import may_nest_deeper, nests_deeper
from .outline import FEW, outline_update
from .validation import (
    check_number_in_condition,
    check_number_of_ids,
    id_problem,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sharedstate_core.limits import Limits


class RequestMessage(Struct, tag_field="type", tag="REQUEST"):
    """A well-formed request; `arg` is still JSON text."""

    cmd: Command
    path: str
    arg: Raw = NULL
    tunnel: Raw = NULL


class Places(NamedTuple):
    """Where in its message each id of an update stands, in the order of the update; listed twice, the last time.

    Attributes:
        insert: indices, of the items that are set.
        remove: indices, of the ids that are removed.
    """

    insert: Sequence[int]
    remove: Sequence[int]


class WriteMessage(NamedTuple):
    """The argument of a `PUT` to a collection.

    Attributes:
        write: what is asked for.
        places: of its ids; None if they stand in this order, each once.
        number: which of its session's updates it is; None if it does not say.
        again: whether it may have been sent before.
    """

    write: Write
    places: Places | None = None
    number: int | None = None
    again: bool = False


class _Head(Struct):
    id: str


class _Cursor(Struct):
    epoch: str
    version: int


class _If(_Cursor):
    ids: list[str] | None = None


class _Update(Struct):
    remove: list[str] = []
    insert: list[Raw] = []
    reset: bool = False
    condition: _If | None = msgspec.field(name="if", default=None)
    patch: list[Raw] = []
    op: int | None = None
    again: bool = False


class _Paging(Struct):
    after: str | None = None
    limit: int | None = None


_request = msgspec.json.Decoder(RequestMessage)
_head = msgspec.json.Decoder(_Head)
_update = msgspec.json.Decoder(_Update)
_paging = msgspec.json.Decoder(_Paging)


def decode_request(text: str, limits: Limits) -> RequestMessage:
    """Decode one message from a peer.

    Raises:
        BadMessageError: `bad_message`, or `bad_path` if only the path is at fault.
    """
    try:
        message = _request.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return _decode_piecemeal(text, limits)
    tunnel = message.tunnel
    if len(tunnel) > 2 * limits.depth and nests_deeper(bytes(tunnel), limits.depth):
        raise BadMessageError(
            "bad_message", f"tunnel: {too_deep(limits)}", Raw(b'"%b"' % message.cmd.encode())
        )
    return message


def _decode_piecemeal(text: str, limits: Limits) -> RequestMessage:
    """Decode a message member by member to find the one at fault."""
    try:
        envelope = envelope_decoder.decode(text)
    except RecursionError:
        raise BadMessageError("bad_message", "the message is nested too deep") from None
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        explain(text, error, limits)
    tunnel = envelope.tunnel
    cmd = COMMANDS.get(bytes(envelope.cmd))
    named = NULL if cmd is None else envelope.cmd
    if nests_deeper(bytes(tunnel), limits.depth):
        raise BadMessageError("bad_message", f"tunnel: {too_deep(limits)}", named)
    if bytes(envelope.type) != b'"REQUEST"':
        raise BadMessageError("bad_message", 'type: expected "REQUEST"', named, tunnel)
    if cmd is None:
        raise BadMessageError("bad_message", 'cmd: expected "GET" or "PUT"', named, tunnel)
    try:
        path = string_decoder.decode(envelope.path)
    except msgspec.ValidationError:
        raise BadMessageError("bad_path", "path: expected a string", named, tunnel) from None
    return RequestMessage(cmd, path, envelope.arg, tunnel)


def decode_write(arg: Raw, limits: Limits) -> WriteMessage:
    """Decode the argument of a `PUT` to a collection.

    Raises:
        RequestError: `bad_update`, naming the place of the fault; `too_many` for too many ids.
    """
    try:
        message = _decode_update(arg if len(arg) <= FEW else outline_update(arg, limits))
    except RecursionError:
        raise bad_update("", too_deep(limits)) from None
    check_number_of_ids(len(message.insert) + len(message.remove) + len(message.patch), limits)
    insert: dict[str, bytes] = {}
    bracketed: list[bytes] = []
    fault: tuple[str, str] | None = None
    flat = 2 * limits.depth  # a text of this length cannot nest deeper
    for index, raw in enumerate(message.insert):
        text = bytes(raw)
        if len(text) > flat and may_nest_deeper(text, limits.depth):
            bracketed.append(text)
        try:
            id = _head.decode(raw).id
        except msgspec.ValidationError as error:
            fault = item_fault(f"insert[{index}]", error)
            break
        if problem := id_problem(id, limits):
            fault = f"insert[{index}].id", problem
            break
        insert[id] = text
    if bracketed or fault is not None:
        _check_items(bracketed, fault, message.insert, limits)
    for index, id in enumerate(message.remove):
        if problem := id_problem(id, limits):
            raise bad_update(f"remove[{index}]", problem)
    remove = tuple(dict.fromkeys(message.remove)) if message.remove else ()
    patch = decode_patches(message.patch, limits) if message.patch else ()
    update = Update(remove, insert, message.reset, patch)
    wanted = message.condition
    write = Write(update, None if wanted is None else _condition(wanted, limits))
    _check_number(message)
    places = None
    if update.listed != len(message.insert) + len(message.remove) + len(patch):
        places = _places(message)
    return WriteMessage(write, places, message.op, message.again)


def _check_number(message: _Update) -> None:
    if message.op is None:
        if message.again:
            raise bad_update("again", "only an update with a number, `op`, can be sent again")
    elif not 1 <= message.op <= MAX_VERSION:
        raise bad_update("op", f"expected a whole number from 1 to {MAX_VERSION}")


def _places(message: _Update) -> Places:
    insert = {_head.decode(raw).id: index for index, raw in enumerate(message.insert)}
    remove = {id: index for index, id in enumerate(message.remove)}
    return Places(tuple(insert.values()), tuple(remove.values()))


def _check_items(
    bracketed: Sequence[bytes],
    fault: tuple[str, str] | None,
    insert: Sequence[Raw],
    limits: Limits,
) -> None:
    """Check texts with many brackets all at once: one by one they would cost several times as much.

    Raises:
        RequestError: one nests too deep, or there is another fault, which comes later.
    """
    if nests_deeper(b"".join(bracketed), limits.depth):
        index = next(n for n, raw in enumerate(insert) if nests_deeper(bytes(raw), limits.depth))
        fault = f"insert[{index}]", too_deep(limits)
    if fault is not None:
        raise bad_update(*fault)


def _decode_update(arg: Raw) -> _Update:
    try:
        return _update.decode(arg)
    except msgspec.ValidationError as error:
        raise update_fault(error) from None


def _condition(wanted: _If, limits: Limits) -> Condition:
    if wanted.ids is not None:
        check_number_in_condition(len(wanted.ids), limits)
    ids = None if wanted.ids is None else tuple(dict.fromkeys(wanted.ids))
    return Condition(Cursor(wanted.epoch, wanted.version), ids)


def decode_paging(arg: Raw, limits: Limits) -> Paging | None:
    """Decode the argument of a `GET` of a list of names; None if it names no part.

    Level 1 has no such argument, so anything but an object is as if it were absent.

    Raises:
        RequestError: `bad_message`, naming the place of the fault.
    """
    if memoryview(arg)[0] != ord("{"):
        return None
    try:
        message = _paging.decode(arg)
    except RecursionError:
        raise RequestError("bad_message", f"arg: {too_deep(limits)}") from None
    except msgspec.DecodeError as error:
        raise RequestError("bad_message", decoder_fault(error, "arg")) from None
    after, limit = message.after, message.limit
    if after is None and limit is None:
        return None
    if limit is not None and limit < 1:
        raise RequestError("bad_message", "limit: expected a whole number from 1")
    if after is not None and len(after.encode()) > MAX_SEGMENT_BYTES:
        problem = f"longer than a name, {MAX_SEGMENT_BYTES} bytes"
        raise RequestError("bad_message", f"after: {problem}")
    return Paging(after or "", limit)
