"""Items as JSON text: what is in one, and the part of it that somebody asks for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Raw

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

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


def decode_readable(text: bytes) -> dict[str, Any] | None:
    """Return the members of an item; None if a number is beyond what a double can be."""
    try:
        return _decode(text)
    except msgspec.DecodeError:
        return None


def joined_members(
    parts: Iterable[tuple[bytes, Collection[str]]], made: Mapping[str, Any]
) -> bytes:
    """Return an item that has some members of several items, each as it is spelled there, and some that are made anew.

    Args:
        parts: texts of items, each with the names of those members that it has and that are taken from it.
        made: values of the others.
    """
    joined: dict[str, object] = {}
    for text, names in parts:
        members = _members(text)
        joined.update((name, members[name]) for name in members if name in names)
    joined.update(made)
    return _encode(joined)


def some_members(text: bytes, names: Collection[str]) -> bytes:
    """Return an item with no other members than `id` and these, each as it is spelled there."""
    kept = [
        b"%b:%b" % (_encode(name), value)
        for name, value in _members(text).items()
        if name == "id" or name in names
    ]
    return b"{%b}" % b",".join(kept)
