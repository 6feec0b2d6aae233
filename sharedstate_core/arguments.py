"""Checks of the embedding program's arguments, made before anything is done with them.

A mistake raises a `TypeError` or a `ValueError` that names the argument, before anything has changed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from .errors import RequestError
from .json_faults import decoder_fault
from .names import Paging
from .patches.patch import Patch
from .patches.pointers import inside
from .paths import split_path
from .storage import Condition, Cursor
from .updates import Update

if TYPE_CHECKING:
    from collections.abc import Iterable


class _Item(msgspec.Struct):
    id: str


_item = msgspec.json.Decoder(_Item)


def expect(name: str, value: object, kind: type, article: str = "a") -> None:
    """Check that an argument is of the given type.

    Raises:
        TypeError: it is not.
    """
    if not isinstance(value, kind):
        raise TypeError(f"{name}: expected {article} {kind.__name__}, found {found(value)}")


def found(value: object) -> str:
    """Describe a value in a few words; give only its type if it may be long or secret."""
    if value is None or isinstance(value, bool | int | float):
        return repr(value)
    return type(value).__name__


def as_json(name: str, value: object) -> bytes:
    """Return the JSON text of an argument, an object.

    Raises:
        TypeError: it is not an object, or holds what JSON cannot say.
        ValueError: the same, of a number or a text; or it is nested too deep.
    """
    expect(name, value, dict)
    try:
        return json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{name}: {error}") from None
    except RecursionError:
        raise ValueError(f"{name}: nested too deep") from None


def check_now(now: float) -> None:
    """Check the time of an input, nearly always in one step; see `check_seconds`."""
    if now.__class__ is not float or not math.isfinite(now):
        check_seconds(now)


def check_seconds(now: object, name: str = "now") -> None:
    """Check that an argument is a finite number of seconds.

    Raises:
        TypeError: it is not a number.
        ValueError: it is not finite: deadlines would never come, or all at once.
    """
    if type(now) is not float:
        if isinstance(now, bool) or not isinstance(now, int | float):
            raise TypeError(f"{name}: expected seconds, a float, found {found(now)}")
        return
    if not math.isfinite(now):
        raise ValueError(f"{name}: expected seconds of a monotonic clock, found {now}")


def check_number(
    name: str, value: object, least: float, *, whole: bool = True, optional: bool = False
) -> None:
    """Check that an argument is a finite number of at least `least`, or None if `optional`.

    Raises:
        TypeError: it is not a number, or not a whole one.
        ValueError: it is too small or not finite.
    """
    if optional and value is None:
        return
    what = f"{'a whole' if whole else 'a'} number from {least}"
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        raise TypeError(f"{name}: expected {what}, found {found(value)}")
    if not least <= value < math.inf:
        raise ValueError(f"{name}: expected {what}, found {value}")


def as_condition(wanted: object, name: str = "condition") -> Condition:
    """Return the condition of an update; a cursor alone is about the whole collection.

    Raises:
        TypeError: it is neither a condition nor a cursor, or something in it has the wrong type.
        ValueError: its version is less than 0, or a text in it is not Unicode.
    """
    condition = Condition(wanted) if isinstance(wanted, Cursor) else wanted
    if not isinstance(condition, Condition):
        raise TypeError(f"{name}: expected a Cursor or a Condition, found {found(condition)}")
    expect(f"{name}.cursor", condition.cursor, Cursor)
    check_text(f"{name}.cursor.epoch", condition.cursor.epoch, "a")
    check_number(f"{name}.cursor.version", condition.cursor.version, 0)
    if condition.ids is not None:
        expect(f"{name}.ids", condition.ids, tuple)
        for index, id in enumerate(condition.ids):
            check_text(f"{name}.ids[{index}]", id, "a")
    return condition


def check_paging(paging: object) -> None:
    """Check that an argument names a page of a list.

    Raises:
        TypeError: it, or something in it, has the wrong type.
        ValueError: the limit is less than 1, or the text is not Unicode.
    """
    expect("paging", paging, Paging)
    assert isinstance(paging, Paging)  # noqa: S101  (for the type checker)
    check_text("paging.after", paging.after, "a")
    check_number("paging.limit", paging.limit, 1, optional=True)


def check_update(update: object) -> None:
    """Check that an argument is an update whose items can be sent: JSON text in UTF-8, each under its own id.

    Raises:
        TypeError: it, or something in it, has the wrong type.
        ValueError: a text is not that of an item, or is that of another item.
    """
    expect("update", update, Update, "an")
    assert isinstance(update, Update)  # noqa: S101  (for the type checker)
    remove: object = update.remove
    if isinstance(remove, str | bytes) or not isinstance(remove, Sequence):
        raise TypeError(f"remove: expected a tuple of ids, found {found(remove)}")
    for index, id in enumerate(remove):
        check_text(f"remove[{index}]", id)
    if not isinstance(update.insert, Mapping):
        problem = f"expected a mapping from id to JSON text, found {found(update.insert)}"
        raise TypeError(f"insert: {problem}")
    expect("reset", update.reset, bool)
    for id, text in update.insert.items():
        if not isinstance(id, str):
            raise TypeError(f"insert[{found(id)}]: expected an id, a str, for a key")
        try:
            named = item_id(text)
        except (TypeError, ValueError) as error:
            raise type(error)(f"insert[{id!r}]: {error}") from None
        if named != id:
            raise ValueError(f"insert[{id!r}]: the text is that of another item, {named!r}")
    patches: object = update.patch
    if not isinstance(patches, Sequence) or isinstance(patches, str | bytes):
        raise TypeError(f"patch: expected a tuple of patches, found {found(patches)}")
    for index, patch in enumerate(patches):
        _check_patch(patch, f"patch[{index}]")


def _check_patch(patch: object, place: str) -> None:
    """Check that an argument is a patch whose values can be sent."""
    expect(place, patch, Patch)
    assert isinstance(patch, Patch)  # noqa: S101  (for the type checker)
    check_text(f"{place}.id", patch.id)
    for kind in ("set", "inc", "add", "pull"):
        members: object = getattr(patch, kind)
        if not isinstance(members, Mapping):
            problem = f"expected a mapping from member to JSON text, found {found(members)}"
            raise TypeError(f"{place}.{kind}: {problem}")
        for member, text in members.items():
            check_text(f"{place}.{kind}", member, "the name of a member, a")
            check_json(inside(f"{place}.{kind}", member), text)
    for kind in ("unset", "now"):
        names: object = getattr(patch, kind)
        if not isinstance(names, tuple):
            raise TypeError(f"{place}.{kind}: expected a tuple of names, found {found(names)}")
        for member in names:
            check_text(f"{place}.{kind}", member, "the name of a member, a")
    expect(f"{place}.upsert", patch.upsert, bool)
    if patch.whole is not None and item_id(patch.whole) != patch.id:
        raise ValueError(f"{place}.whole: the text is that of another item")


def item_id(text: object) -> str:
    """Return the id in an item's JSON text, after checking that it is one JSON object in UTF-8.

    Raises:
        TypeError: it is not bytes.
        ValueError: it is not the text of an item.
    """
    if not isinstance(text, bytes):
        raise TypeError(f"expected JSON text as bytes, found {found(text)}")
    try:
        if not text.isascii():
            text.decode()  # the decoder does not check members that it skips
        return _item.decode(text).id
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not UTF-8: {error.reason}") from None
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        raise ValueError(decoder_fault(error)) from None


def check_text(name: str, text: object, what: str = "an id, a") -> None:
    """Check that an argument is Unicode text, by default an id.

    Raises:
        TypeError: it is not a str.
        ValueError: it holds a lone surrogate.
    """
    if not isinstance(text, str):
        raise TypeError(f"{name}: expected {what} str, found {found(text)}")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            problem = "holds half of a surrogate pair, which is not Unicode"
            raise ValueError(f"{name}: {problem}") from None


def check_json(name: str, text: object) -> None:
    """Check that an argument is JSON text.

    Raises:
        TypeError: it is not bytes.
        ValueError: it is not one JSON value.
    """
    if not isinstance(text, bytes):
        raise TypeError(f"{name}: expected JSON text as bytes, found {found(text)}")
    try:
        text.decode()
        msgspec.json.decode(text, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{name}: {decoder_fault(error)}") from None


def messages(unsent: Iterable[bytes]) -> Sequence[bytes]:
    """Return the messages that a transport keeps, as a sequence.

    Raises:
        TypeError: one of them is not bytes.
    """
    try:
        kept = tuple(unsent)
    except TypeError:
        raise TypeError(f"unsent: expected several messages, found {found(unsent)}") from None
    if not all(issubclass(kind, bytes | bytearray | memoryview) for kind in set(map(type, kept))):
        raise TypeError("unsent: expected several messages, each of bytes")
    return kept


def service_names(services: Iterable[str]) -> tuple[str, ...]:
    """Return the names of services, after checking that each can be a path segment.

    Raises:
        TypeError: `services` is a single text, or contains anything but str.
        ValueError: a name cannot be a path segment.
    """
    if isinstance(services, str | bytes):
        raise TypeError('services: expected several names, such as ["items"], found a single text')
    try:
        names = tuple(services)
    except TypeError:
        raise TypeError(f"services: expected names, found {found(services)}") from None
    for index, name in enumerate(names):
        if not isinstance(name, str):
            raise TypeError(f"services[{index}]: expected a str, found {found(name)}")
        try:
            segments = split_path(name)
        except RequestError as error:
            raise ValueError(f"services[{index}]: {error.message}") from None
        if segments != (name,):
            raise ValueError(f"services[{index}]: expected one segment of a path, found {name!r}")
    return names
