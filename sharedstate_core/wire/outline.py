"""Huge arguments are looked at before they are decoded, which makes an object of each of their elements.

What names too many ids or paths, or holds something else in their place, is refused while it is still text. What
remains has few elements, however long it is: of a member that is spelled twice only the last is left, which counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Raw, Struct

from sharedstate_core.errors import RequestError, bad_update
from sharedstate_core.json_faults import decoder_fault, fault_place

from .faults import item_fault
from .validation import check_number_in_condition, check_number_of_ids, check_number_of_paths

if TYPE_CHECKING:
    from sharedstate_core.limits import Limits

FEW: Final = 40_000
"""Elements that any argument may be decoded to; it has one more than commas, at most, and fewer than bytes."""

_NOTHING: Final = Raw(b"[]")


class _Update(Struct, omit_defaults=True):
    """The members of an update, as text."""

    remove: Raw = _NOTHING
    insert: Raw = _NOTHING
    reset: Raw = _NOTHING
    condition: Raw = msgspec.field(name="if", default=_NOTHING)
    patch: Raw = _NOTHING
    op: Raw = _NOTHING
    again: Raw = _NOTHING


class _Condition(Struct, omit_defaults=True):
    epoch: Raw = _NOTHING
    version: Raw = _NOTHING
    ids: Raw = _NOTHING


class _Subs(Struct, omit_defaults=True):
    insert: Raw = _NOTHING
    remove: Raw = _NOTHING
    reset: Raw = _NOTHING
    brief: Raw = _NOTHING


class _Item(Struct, gc=False):
    id: str


class _Pair(Struct, gc=False, array_like=True):
    path: str


_update = msgspec.json.Decoder(_Update)
_condition = msgspec.json.Decoder(_Condition)
_subs = msgspec.json.Decoder(_Subs)
_items = msgspec.json.Decoder(list[_Item])
_pairs = msgspec.json.Decoder(list[_Pair])


def outline_update(arg: Raw, limits: Limits) -> Raw:
    """Check the lists of a large update, and return what of it is left to decode: each member once.

    Raises:
        RequestError: `bad_update`, naming the place of the fault; `too_many` for too many ids.
    """
    if _has_few_elements(arg):
        return arg
    try:
        update = _update.decode(arg)
    except msgspec.ValidationError:
        return arg  # not an object: the decoder sees at once
    check_number_of_ids(_fewest_strings(update.remove), limits)
    _check_items(update.insert, "insert", limits)
    _check_items(update.patch, "patch", limits)
    if bytes(update.condition).startswith(b"{"):
        condition = _condition.decode(update.condition)
        check_number_in_condition(_fewest_strings(condition.ids), limits)
        update.condition = _encoded(condition)
    return _encoded(update)


def _check_items(items: Raw, name: str, limits: Limits) -> None:
    if bytes(items).startswith(b"["):
        try:
            number = len(_items.decode(items))
        except msgspec.ValidationError as error:
            index = fault_place(error)[1:].partition("]")[0]
            raise bad_update(*item_fault(f"{name}[{index}]", error)) from None
        check_number_of_ids(number, limits)


def outline_subscriptions(arg: Raw, limits: Limits) -> Raw:
    """Check the lists in a large argument of `PUT /subs`, and return what of it is left to decode.

    Raises:
        RequestError: `bad_message`, naming the place of the fault; `too_many` for too many paths.
    """
    if _has_few_elements(arg):
        return arg
    try:
        subs = _subs.decode(arg)
    except msgspec.ValidationError:
        return arg
    check_number_of_paths(_fewest_strings(subs.remove), limits)
    if bytes(subs.insert).startswith(b"["):
        try:
            number = len(_pairs.decode(subs.insert))
        except msgspec.ValidationError as error:
            raise RequestError("bad_message", f"insert{decoder_fault(error)}") from None
        check_number_of_paths(number, limits)
    return _encoded(subs)


def _has_few_elements(arg: Raw) -> bool:
    return bytes(arg).count(b",") < FEW


def _encoded(members: Struct) -> Raw:
    return Raw(msgspec.json.encode(members))


def _fewest_strings(array: Raw) -> int:
    """Return a number of strings that an array surely holds if it holds only strings: at least half of them.

    Escaped quotes do not count, nor does the last one of a string that ends with an escaped backslash.
    """
    text = bytes(array)
    quotes = text.count(b'"') - text.count(b'\\"')
    return quotes // 2 if text.startswith(b"[") else 0
