"""Explain why a text is not a valid message or update: called once decoding has failed, so speed does not matter."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, NoReturn

import msgspec
from msgspec import Raw, Struct

from sharedstate_core.errors import ErrorCode, RequestError
from sharedstate_core.json_faults import decoder_fault

from .nesting import nests_deeper

if TYPE_CHECKING:
    from sharedstate_core.limits import Limits

NULL: Final = Raw(b"null")


class BadMessageError(RequestError):
    """A message that is not a valid request, with whatever could be decoded of it.

    Attributes:
        cmd: JSON text of the `cmd` for the reply.
        tunnel: JSON text of the tunnel for the reply.
    """

    def __init__(self, code: ErrorCode, message: str, cmd: Raw = NULL, tunnel: Raw = NULL) -> None:
        super().__init__(code, message)
        self.cmd = cmd
        self.tunnel = tunnel


class _Members(Struct):
    """An update whose members may be anything; they stay raw, so numbers out of range are never decoded."""

    remove: Raw = Raw(b"[]")
    insert: Raw = Raw(b"[]")
    reset: Raw = Raw(b"false")


_members = msgspec.json.Decoder(_Members)
_array = msgspec.json.Decoder(list[Raw])


def explain(text: str, error: Exception, limits: Limits) -> NoReturn:
    """Explain why a text is not a message, with what the laxer standard decoder can still read of it.

    Raises:
        BadMessageError: always; `bad_message`, or `bad_path` if only the path is at fault.
    """
    try:
        message = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise BadMessageError("bad_message", f"not a message: {decoder_fault(error)}") from None
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
    raise ValueError(name)  # NaN and Infinity: Python's decoder accepts them, JSON does not


def update_fault(arg: Raw) -> str:
    """Describe the first member of an update that has the wrong type (the decoder reports no index)."""
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
    """Describe what is wrong with an item's `id`, or with the item itself if it is not an object."""
    if "missing" in str(error):
        return ".id: is missing"
    return ".id: expected a string" if "$.id" in str(error) else ": expected an object"


def too_deep(limits: Limits) -> str:
    """Return the message for something that exceeds `Limits.depth`."""
    return f"nested deeper than {limits.depth} levels"
