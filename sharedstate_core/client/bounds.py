"""What a server takes from one client, as it has said: what exceeds that is refused before it is sent.

Only what a server has named is checked. It is the server that decides in the end: a client that lets something pass
costs no more than a refusal, except for a message that is too long.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sharedstate_core.errors import RequestError, bad_update

if TYPE_CHECKING:
    from sharedstate_core.storage import Condition
    from sharedstate_core.updates import Update

_OTHERS: Final = bytes(set(range(256)) - set(b'[]{}"'))
_ALIKE: Final = bytes.maketrans(b"{}", b"[]")


class Bounds(NamedTuple):
    """The `limits` of a server; None for one that is not known.

    Attributes:
        message_bytes: of a message.
        items: ids that an update names, and those of a condition.
        id_bytes: of an id.
        depth: levels of nesting in an item.
        subscriptions: of a connection.
        unanswered: requests of a connection.
    """

    message_bytes: int | None = None
    items: int | None = None
    id_bytes: int | None = None
    depth: int | None = None
    subscriptions: int | None = None
    unanswered: int | None = None


UNKNOWN: Final = Bounds()


def bounds_of(limits: Any) -> Bounds:
    """Return what a server has said; what is not a whole number from 1 is as if it were absent."""
    if not isinstance(limits, dict):
        return UNKNOWN
    known = {name: limits.get(name) for name in Bounds._fields}
    return Bounds(
        **{name: at if type(at) is int and at > 0 else None for name, at in known.items()}
    )


def update_fault(
    update: Update, condition: Condition | None, bounds: Bounds
) -> RequestError | None:
    """Return why a server would refuse an update, or None."""
    most = bounds.items
    if most is not None and len(update.insert) + len(update.remove) > most:
        return RequestError("too_many", f"an update may name at most {most} ids")
    if most is not None and condition is not None and len(condition.ids or ()) > most:
        return RequestError("too_many", f"a condition may name at most {most} ids")
    return _long_id(update, bounds.id_bytes) or _deep_item(update, bounds.depth)


def message_fault(size: int, bounds: Bounds) -> RequestError | None:
    """Return why a server would close the connection over a message of this many bytes, or None."""
    most = bounds.message_bytes
    if most is None or size <= most:
        return None
    return RequestError("too_large", f"the message has {size} bytes; this server takes {most}")


def _long_id(update: Update, most: int | None) -> RequestError | None:
    """Return the error for an id that is too long, if one is."""
    if most is None or max(map(len, (*update.insert, *update.remove)), default=0) * 4 <= most:
        return None
    too_long = f"longer than {most} bytes of UTF-8"
    for place, id in enumerate(update.remove):
        if _is_long(id, most):
            return bad_update(f"remove[{place}]", too_long)
    for place, id in enumerate(update.insert):
        if _is_long(id, most):
            return bad_update(f"insert[{place}].id", too_long)
    return None


def _deep_item(update: Update, depth: int | None) -> RequestError | None:
    """Return the error for an item that is nested too deep, if one is."""
    if depth is None or max(map(len, update.insert.values()), default=0) <= 2 * depth:
        return None
    for place, text in enumerate(update.insert.values()):
        if _nests_deeper(text, depth):
            return bad_update(f"insert[{place}]", f"nested more than {depth} levels deep")
    return None


def _is_long(id: str, most: int) -> bool:
    return len(id) * 4 > most and len(id.encode()) > most


def _nests_deeper(text: bytes, depth: int) -> bool:
    """Return whether an item nests more than `depth` levels; the length or a count of brackets clears nearly all.

    With each pass the innermost brackets go, all of them.
    """
    if len(text) <= 2 * depth:
        return False
    if _at_most(depth, b"{", text) + _at_most(depth, b"[", text) <= depth:
        return False
    marks = _brackets(text)
    for _ in range(depth):
        if not marks:
            return False
        marks = marks.replace(b"[]", b"")
    return bool(marks)


def _at_most(most: int, bracket: bytes, text: bytes) -> int:
    """Return how many there are, or one more than `most`: to look for a few is far faster than to count."""
    found, at = 0, text.find(bracket)
    while at >= 0 and found <= most:
        found, at = found + 1, text.find(bracket, at + 1)
    return found


def _brackets(text: bytes) -> bytes:
    """Return the brackets outside strings, whatever their shape."""
    if b"\\" in text:
        text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    marks = text.translate(_ALIKE, _OTHERS)
    return b"".join(marks.replace(b'""', b"").split(b'"')[::2])
