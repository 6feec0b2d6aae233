"""Items as JSON text: what is in one, and the part of it that somebody asks for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Raw

if TYPE_CHECKING:
    from collections.abc import Collection

_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode
_members: Final = msgspec.json.Decoder(dict[str, Raw]).decode
_encode: Final = msgspec.json.Encoder().encode


def decode_item(text: bytes) -> dict[str, Any]:
    """Return the members of an item, whatever the size of its numbers."""
    try:
        return _decode(text)
    except msgspec.DecodeError:
        item: dict[str, Any] = json.loads(text, parse_int=float)
        return item


def some_members(text: bytes, names: Collection[str]) -> bytes:
    """Return an item with no other members than `id` and these, each as it is spelled there."""
    kept = [
        b"%b:%b" % (_encode(name), value)
        for name, value in _members(text).items()
        if name == "id" or name in names
    ]
    return b"{%b}" % b",".join(kept)
