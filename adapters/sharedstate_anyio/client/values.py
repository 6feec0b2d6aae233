"""Conversion between Python values and JSON text, the form in which the core keeps items."""

import json
import sys
import uuid
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, Final, Generic, TypeAlias

import msgspec

from sharedstate_core import Condition, Cursor, RequestError, Update
from sharedstate_core.arguments import as_condition, check_text, expect, found, item_id
from sharedstate_core.errors import bad_update

from .patches import PatchLike, make_patches

if sys.version_info >= (3, 13):
    from typing import TypeVar
else:
    from typing_extensions import TypeVar

Item: TypeAlias = dict[str, Any]
"""An item as it is read, unless `loads` makes something else from its JSON text."""

T = TypeVar("T")
ItemT = TypeVar("ItemT", default=Item)
ItemT_co = TypeVar("ItemT_co", covariant=True, default=Item)
"""What `loads` makes from an item's JSON text."""

ItemLike: TypeAlias = Mapping[str, Any] | bytes
"""An item to insert: a mapping of JSON values, or the JSON text of an object, which is sent unchanged."""

_DIGITS: Final = 4300
"""Digits of the longest integer that Python parses by default; beyond it parsing takes quadratic time."""


def loads(text: bytes) -> Any:
    """Return the value of a JSON text; numbers that do not fit a Python number become infinite, as in JavaScript.

    Raises:
        ValueError: it is not JSON in UTF-8.
    """
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return json.loads(text.decode(), parse_int=_whole, parse_constant=_constant)


def decoded(answer: bytes, decode: Callable[[bytes], T], problem: str) -> T:
    """Return what a server has answered.

    Args:
        answer: its JSON text.
        decode: returns its value, or raises `msgspec.DecodeError` if that is of the wrong kind.
        problem: says so.

    Raises:
        RequestError: `bad_message`: it is of the wrong kind.
    """
    try:
        return decode(answer)
    except msgspec.DecodeError:
        raise RequestError("bad_message", f"{problem}: {answer[:100]!r}") from None


number: Final = msgspec.json.Decoder(int).decode
"""Decodes an answer that is a whole number."""


def check_loads(loads: object) -> None:
    """Check that `loads` can be called.

    Raises:
        TypeError: it cannot.
    """
    if not callable(loads):
        raise TypeError(f"loads: expected a function of bytes, found {found(loads)}")


def _constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _whole(digits: str) -> float:
    return int(digits) if len(digits) <= _DIGITS else float(digits)


class Reader(Generic[ItemT_co]):
    """Makes the items of one collection from their JSON text. Exceptions of `loads` get a note that names the item.

    Args:
        loads: makes an item.
        path: of the collection.
    """

    def __init__(self, loads: Callable[[bytes], ItemT_co], path: str) -> None:
        self._loads = loads
        self._path = path

    def __call__(self, text: bytes) -> ItemT_co:
        """Return the item."""
        try:
            return self._loads(text)
        except Exception as error:
            with suppress(ValueError):  # it is not the text of an item
                error.add_note(f"this was the item {item_id(text)!r} of {self._path}")
            raise


def make_update(
    insert: Iterable[ItemLike] = (),
    remove: Iterable[str] = (),
    *,
    reset: bool = False,
    patch: Iterable[PatchLike] = (),
) -> Update:
    """Return an update in the core's form; an item without `id` gets a random one.

    Raises:
        RequestError: `bad_update`, with the place; the server checks the rest.
        TypeError: `insert`, `remove` or `patch` is a single value instead of a list, or `reset` is not a bool.
    """
    for name, value in (("insert", insert), ("remove", remove)):
        if isinstance(value, str | bytes | dict) or not isinstance(value, Iterable):
            raise TypeError(f"{name}: expected a list, found {type(value).__name__}")
    expect("reset", reset, bool)
    texts = dict(_item(item, f"insert[{number}]") for number, item in enumerate(insert))
    ids = tuple(remove)
    for number, id in enumerate(ids):
        place = f"remove[{number}]"
        if not isinstance(id, str):
            raise bad_update(place, f"expected a string, found {found(id)}")
        try:
            check_text(place, id)
        except ValueError as error:
            raise RequestError("bad_update", str(error), place=place) from None
    return Update(tuple(dict.fromkeys(ids)), texts, reset, make_patches(patch))


def _item(item: ItemLike, place: str) -> tuple[str, bytes]:
    try:
        if isinstance(item, bytes):
            return item_id(item), item
        if not isinstance(item, Mapping):
            problem = f"expected a mapping, or JSON text as bytes, not {type(item).__name__}"
            raise bad_update(place, problem)
        members = dict(item)
        id = members.setdefault("id", str(uuid.uuid4()))
        if not isinstance(id, str):
            raise bad_update(f"{place}.id", f"expected a string, found {found(id)}")
        text = json.dumps(members, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return id, text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise bad_update(place, str(error)) from error


def make_condition(wanted: Cursor | Condition | None) -> Condition | None:
    """Return a condition in the core's form; a cursor alone stands for the whole collection.

    Raises:
        TypeError: it is neither, or names no state.
        RequestError: `bad_update`; a text in it is not Unicode.
    """
    try:
        return None if wanted is None else as_condition(wanted, "if_")
    except ValueError as error:
        raise RequestError("bad_update", str(error), place="if") from None
