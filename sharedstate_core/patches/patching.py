"""An item with some members changed: a pure function from text to text.

The rules:

1. What is not named keeps its text: `1.10`, whole numbers of thirty digits, `1e400`. Members keep their order, new ones
   come last. (Spaces between members are not kept.)
2. A sum of whole numbers is exact, any other is that of doubles.
3. What does not fit the item, such as a text that is to be incremented, raises `Misfit`, and nothing has changed.
4. On the way to a member, objects that are not there are made, unless the member is only to be taken away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import msgspec
from msgspec import Raw

from .pointers import inside, path_of
from .values import is_number, spelling, total

if TYPE_CHECKING:
    from .patch import Patch

MAX_ITEM_BYTES: Final = 1024 * 1024
"""An item that a patch leaves longer than this, and longer than it was, is too large: all of it is read, written and
sent again for each patch."""

_Node: TypeAlias = "Raw | list[Raw] | _Members"
_Members: TypeAlias = "dict[str, _Node]"

_members: Final = msgspec.json.Decoder(dict[str, Raw]).decode
_values: Final = msgspec.json.Decoder(list[Raw]).decode
_encode: Final = msgspec.json.Encoder().encode


class Misfit(Exception):  # noqa: N818  (it is not an error of its own: callers name the whole place)
    """A patch does not fit the item.

    Attributes:
        code: `mismatch`; `too_large` if it is the result.
        place: where in the patch, such as `.inc.votes`; empty for the whole.
        problem: what is wrong, in words.
    """

    def __init__(
        self, place: str, problem: str, code: Literal["mismatch", "too_large"] = "mismatch"
    ) -> None:
        super().__init__(f"{place}: {problem}")
        self.code: Literal["mismatch", "too_large"] = code
        self.place = place
        self.problem = problem


def patched(text: bytes | None, patch: Patch) -> bytes:
    """Return the text of an item with the changes of a patch.

    Args:
        text: of the item, a JSON object that holds the patch's id; None if there is none.
        patch: what to change, checked by `check_patch`; its times must have values.

    Raises:
        Misfit: it does not fit: there is no such item, and no `upsert`; or a member, or what it is in, is of another
            kind; or a sum is no number; or the result is too large.
    """
    assert not patch.now  # noqa: S101  (`Patch.at` gives them values)
    if patch.whole is not None:
        text = patch.whole
        if not patch.size:
            return text
    if text is None:
        if not patch.upsert:
            raise Misfit("", "there is no such item")
        item: _Members = {"id": Raw(_encode(patch.id))}
    else:
        item = {**_members(text)}
    _change(item, patch)
    result = _encode(item)
    if len(result) > max(MAX_ITEM_BYTES, len(text or b"")):
        problem = f"the item would be longer than {MAX_ITEM_BYTES} bytes"
        raise Misfit("", problem, "too_large")
    return result


def _change(item: _Members, patch: Patch) -> None:
    for member, value in patch.set.items():
        holder, name = _holder(item, member, "set")
        holder[name] = Raw(value)
    for member in patch.unset:
        found = _found(item, member)
        if found is not None:
            found[0].pop(found[1], None)
    for member, number in patch.inc.items():
        _increment(item, member, number)
    for member, values in patch.add.items():
        _add(item, member, values)
    for member, values in patch.pull.items():
        _pull(item, member, values)


def _increment(item: _Members, member: str, number: bytes) -> None:
    holder, name = _holder(item, member, "inc")
    before = _text(holder.get(name, b"0"))
    if not is_number(before):
        raise Misfit(inside(".inc", member), "the member is not a number")
    try:
        holder[name] = Raw(total(before, number))
    except ValueError as error:
        raise Misfit(inside(".inc", member), str(error)) from None


def _add(item: _Members, member: str, values: bytes) -> None:
    holder, name = _holder(item, member, "add")
    before = _list(holder.get(name, b"[]"), member, "add")
    known = set(map(_key_of, before))
    new = []
    for value in _values(values):
        key = _key_of(value)
        if key not in known:
            known.add(key)
            new.append(value)
    if new or name not in holder:
        holder[name] = [*before, *new]


def _pull(item: _Members, member: str, values: bytes) -> None:
    found = _found(item, member)
    if found is None or found[1] not in found[0]:
        return
    holder, name = found
    before = _list(holder[name], member, "pull")
    gone = set(map(_key_of, _values(values)))
    left = [value for value in before if _key_of(value) not in gone]
    if len(left) < len(before):
        holder[name] = left


def _key_of(value: Raw) -> str:
    return spelling(bytes(value))


def _list(value: object, member: str, kind: str) -> list[Raw]:
    text = _text(value)
    if not text.startswith(b"["):
        raise Misfit(inside(f".{kind}", member), "the member is not a list")
    return _values(text)


def _text(value: object) -> bytes:
    """Return the text of a member."""
    if isinstance(value, bytes):
        return value
    return bytes(value) if isinstance(value, Raw) else _encode(value)


def _holder(item: _Members, member: str, kind: str) -> tuple[_Members, str]:
    """Return the object that holds a member, made if it is not there, and the member's name in it."""
    *way, name = path_of(member)
    for each in way:
        if each not in item:
            item[each] = {}
        inner = _opened(item, each)
        if inner is None:
            raise Misfit(inside(f".{kind}", member), "what it is in is not an object")
        item = inner
    return item, name


def _found(item: _Members, member: str) -> tuple[_Members, str] | None:
    """Return the object that holds a member, if there is one, and the member's name in it."""
    *way, name = path_of(member)
    for each in way:
        inner = _opened(item, each) if each in item else None
        if inner is None:
            return None
        item = inner
    return item, name


def _opened(item: _Members, name: str) -> _Members | None:
    """Return a member that is an object, with its own members from now on; None if it is not one."""
    value = item[name]
    if isinstance(value, dict):
        return value
    text = _text(value)
    if not text.startswith(b"{"):
        return None
    inner: _Members = {**_members(text)}
    item[name] = inner
    return inner
