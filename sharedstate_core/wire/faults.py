"""Explain why a text is not a valid message or update, once decoding has failed.

A bad message may not cost much more than a good one: the decoder has found the place of the fault, and what is read
again is read by the decoder, which makes nothing of what it only skips.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NoReturn, TypeAlias

import msgspec
from msgspec import Raw, Struct

from sharedstate_core.errors import ErrorCode, RequestError, bad_update
from sharedstate_core.json_faults import decoder_fault, fault_place

from .nesting import nests_deeper

if TYPE_CHECKING:
    from sharedstate_core.limits import Limits

Command: TypeAlias = Literal["GET", "PUT"]

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


class Envelope(Struct):
    """A message whose members may be anything; they stay raw, so numbers out of range are never decoded."""

    type: Raw = NULL
    cmd: Raw = NULL
    path: Raw = NULL
    arg: Raw = NULL
    tunnel: Raw = NULL


envelope_decoder: Final = msgspec.json.Decoder(Envelope)
string_decoder: Final = msgspec.json.Decoder(str)

COMMANDS: Final[dict[bytes, Command]] = {b'"GET"': "GET", b'"PUT"': "PUT"}


def explain(text: str, error: Exception, limits: Limits) -> NoReturn:
    """Explain why a text is not a message; if lone surrogates are all that is wrong, the rest of it can be read.

    Raises:
        BadMessageError: always; `bad_message`, or `bad_path` if only the path is at fault.
    """
    try:
        envelope = envelope_decoder.decode(_without_surrogates(text))
    except msgspec.ValidationError:
        raise BadMessageError("bad_message", "not a message: expected an object") from None
    except (msgspec.DecodeError, RecursionError):
        raise BadMessageError("bad_message", f"not a message: {decoder_fault(error)}") from None
    cmd = envelope.cmd if bytes(envelope.cmd) in COMMANDS else NULL
    tunnel = _with_surrogates(envelope.tunnel)
    if nests_deeper(bytes(tunnel), limits.depth):
        tunnel = NULL
    if bytes(envelope.path).startswith(b'"'):
        try:
            string_decoder.decode(_with_surrogates(envelope.path))
        except msgspec.DecodeError:
            raise BadMessageError("bad_path", "path: holds a lone surrogate", cmd, tunnel) from None
    raise BadMessageError(
        "bad_message", "a string holds a lone surrogate, which is not Unicode text", cmd, tunnel
    )


_SUBSTITUTES: Final = ((rb"\ud", rb"\ufdd0\u0"), (rb"\uD", rb"\uFDD0\u0"))
"""What stands for the beginning of an escaped surrogate; no text holds the noncharacter U+FDD0."""


def _without_surrogates(text: str) -> bytes:
    data = text.encode(errors="backslashreplace")
    for surrogate, substitute in _SUBSTITUTES:
        data = data.replace(surrogate, substitute)
    return data


def _with_surrogates(raw: Raw) -> Raw:
    data = bytes(raw)
    for surrogate, substitute in _SUBSTITUTES:
        data = data.replace(substitute, surrogate)
    return Raw(data)


def update_fault(error: msgspec.ValidationError) -> RequestError:
    """Return the error for the first member of an update that has the wrong type."""
    place = fault_place(error)
    if not place:
        return bad_update("", "expected an object with remove, insert, reset")
    if place == "reset":
        return bad_update(place, "expected true or false")
    if place.startswith("if"):
        members = '{"epoch": string, "version": whole number, "ids": array of strings}'
        return bad_update("if", f"expected {members}")
    return bad_update(place, f"expected {'a string' if place.endswith(']') else 'an array'}")


def item_fault(place: str, error: msgspec.ValidationError) -> tuple[str, str]:
    """Return place and problem of the `id` of an item at this place, or of the item itself if it is not an object."""
    if "missing" in str(error):
        return f"{place}.id", "is missing"
    if fault_place(error).endswith("id"):
        return f"{place}.id", "expected a string"
    return place, "expected an object"


def too_deep(limits: Limits) -> str:
    """Return the message for something that exceeds `Limits.depth`."""
    return f"nested deeper than {limits.depth} levels"
