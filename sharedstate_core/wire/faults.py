"""Why a text is no message or no update: `decode` asks when it could not read one, so nothing here needs to be fast."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, NoReturn

import msgspec
from msgspec import Raw, Struct

from sharedstate_core.errors import ErrorCode, RequestError

from .nesting import nests_deeper

if TYPE_CHECKING:
    from sharedstate_core.limits import Limits

NULL: Final = Raw(b"null")


class BadMessageError(RequestError):
    """A message that is no request; it carries what could still be read of it.

    Attributes:
        cmd: JSON text of the `cmd` to name in the reply.
        tunnel: JSON text of the tunnel to return.
    """

    def __init__(self, code: ErrorCode, message: str, cmd: Raw = NULL, tunnel: Raw = NULL) -> None:
        super().__init__(code, message)
        self.cmd = cmd
        self.tunnel = tunnel


class _Members(Struct):
    """An update whose members may be anything: numbers out of range are never read."""

    remove: Raw = Raw(b"[]")
    insert: Raw = Raw(b"[]")
    reset: Raw = Raw(b"false")


_members = msgspec.json.Decoder(_Members)
_array = msgspec.json.Decoder(list[Raw])


def explain(text: str, error: Exception, limits: Limits) -> NoReturn:
    """Say why a text is no message. The standard decoder is laxer: what it can still read helps to answer.

    Raises:
        BadMessageError: always; `bad_message`, or `bad_path` if only the path is at fault.
    """
    try:
        message = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise BadMessageError("bad_message", f"not a message: {lowered(error)}") from None
    if not isinstance(message, dict):
        raise BadMessageError("bad_message", "not a message: expected an object")
    cmd, tunnel = message.get("cmd"), message.get("tunnel")
    known = Raw(msgspec.json.encode(cmd)) if cmd in ("GET", "PUT") else NULL
    try:
        echo = Raw(json.dumps(tunnel, allow_nan=False).encode())
    except (ValueError, RecursionError):  # a number too big for Python, or nested too deep
        echo = NULL
    if nests_deeper(bytes(echo), limits.depth):
        echo = NULL
    path = message.get("path")
    if isinstance(path, str) and any("\ud800" <= char <= "\udfff" for char in path):
        raise BadMessageError("bad_path", "path: holds a lone surrogate", known, echo)
    raise BadMessageError(
        "bad_message", "a string holds a lone surrogate, which is not Unicode text", known, echo
    )


def _refuse(name: str) -> NoReturn:
    raise ValueError(name)  # NaN and Infinity: Python's decoder knows them, JSON does not


def update_fault(arg: Raw) -> str:
    """Find the first member of an update whose type is wrong (the decoder names no index)."""
    if not bytes(arg).startswith(b"{"):
        return "expected an object with remove, insert, reset"
    update = _members.decode(arg)
    if not bytes(update.remove).startswith(b"["):
        return "remove: expected an array"
    for index, id in enumerate(_array.decode(update.remove)):
        if not bytes(id).startswith(b'"'):
            return f"remove[{index}]: expected a string"
    if not bytes(update.insert).startswith(b"["):
        return "insert: expected an array"
    if bytes(update.reset) not in {b"true", b"false"}:
        return "reset: expected true or false"
    return 'if: expected {"epoch": string, "version": whole number, "ids": array of strings}'


def head_fault(error: msgspec.ValidationError) -> str:
    """Say what is wrong with an item's `id`, or with the item, if it has none to look at."""
    about_id = "`id`" in str(error) or "$.id" in str(error)
    return ".id: expected a string" if about_id else ": expected an object"


def too_deep(limits: Limits) -> str:
    """Say that something exceeds `Limits.depth`."""
    return f"nested deeper than {limits.depth} levels"


def lowered(error: Exception) -> str:
    """Return the decoder's own words, to stand behind a colon."""
    text = str(error)
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]
