"""Patches as a program writes them: mappings of Python values."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

import msgspec
from msgspec import Raw

from sharedstate_core import Patch
from sharedstate_core.arguments import check_text, found
from sharedstate_core.errors import bad_update
from sharedstate_core.json_faults import decoder_fault
from sharedstate_core.patches.patch import PatchFault, check_patch
from sharedstate_core.patches.pointers import inside

PatchLike: TypeAlias = Mapping[str, Any] | bytes
"""A patch: a mapping with `id` and any of `set`, `unset`, `inc`, `now`, `add`, `pull` and `upsert` (PROTOCOL.md, 5.5),
or the JSON text of one, whose values are sent unchanged."""


class _Text(msgspec.Struct, forbid_unknown_fields=True):
    """A patch that is given as text."""

    id: str
    set: dict[str, Raw] = {}
    unset: list[str] = []
    inc: dict[str, Raw] = {}
    now: list[str] = []
    add: dict[str, Raw] = {}
    pull: dict[str, Raw] = {}
    upsert: bool = False


_text: Final = msgspec.json.Decoder(_Text)

_KNOWN: Final = ("id", "set", "unset", "inc", "now", "add", "pull", "upsert")


def make_patches(patches: Iterable[PatchLike]) -> tuple[Patch, ...]:
    """Return patches in the core's form.

    Raises:
        RequestError: `bad_update`, with the place, such as `patch[2].inc.votes`; the server checks the rest.
        TypeError: `patches` is a single value instead of a list.
    """
    if isinstance(patches, str | bytes | Mapping) or not isinstance(patches, Iterable):
        raise TypeError(f"patch: expected a list, found {type(patches).__name__}")
    return tuple(_patch(patch, f"patch[{number}]") for number, patch in enumerate(patches))


def _patch(wanted: PatchLike, place: str) -> Patch:
    patch = _of_text(wanted, place) if isinstance(wanted, bytes) else _of_values(wanted, place)
    try:
        check_patch(patch)
    except PatchFault as fault:
        raise bad_update(place + fault.place, fault.problem) from None
    return patch


def _of_text(text: bytes, place: str) -> Patch:
    try:
        known = _text.decode(text)
    except msgspec.DecodeError as error:
        found_at, _, problem = decoder_fault(error).rpartition(": ")
        raise bad_update(f"{place}.{found_at}" if found_at else place, problem) from None
    for member, number in known.inc.items():
        if bytes(number)[:1] not in b"-0123456789":
            raise bad_update(inside(f"{place}.inc", member), "expected a number")
    for kind, lists in (("add", known.add), ("pull", known.pull)):
        for member, values in lists.items():
            if not bytes(values).startswith(b"["):
                raise bad_update(inside(f"{place}.{kind}", member), "expected a list of values")
    return Patch(
        known.id,
        _raw(known.set),
        tuple(known.unset),
        _raw(known.inc),
        tuple(known.now),
        _raw(known.add),
        _raw(known.pull),
        known.upsert,
    )


def _raw(members: Mapping[str, Raw]) -> dict[str, bytes]:
    return {member: bytes(value) for member, value in members.items()}


def _of_values(wanted: Mapping[str, Any], place: str) -> Patch:
    if not isinstance(wanted, Mapping):
        raise bad_update(place, f"expected a mapping, found {found(wanted)}")
    for name in wanted:
        if name not in _KNOWN:
            raise bad_update(place, f"unknown member {name!r}; there are {', '.join(_KNOWN)}")
    id, upsert = wanted.get("id"), wanted.get("upsert", False)
    _check(f"{place}.id", id)
    if not isinstance(upsert, bool):
        raise bad_update(f"{place}.upsert", f"expected true or false, found {found(upsert)}")
    return Patch(
        str(id),
        _texts(wanted.get("set", {}), f"{place}.set"),
        _names(wanted.get("unset", ()), f"{place}.unset"),
        _texts(wanted.get("inc", {}), f"{place}.inc", int | float, "a number"),
        _names(wanted.get("now", ()), f"{place}.now"),
        _texts(wanted.get("add", {}), f"{place}.add", list | tuple, "a list of values"),
        _texts(wanted.get("pull", {}), f"{place}.pull", list | tuple, "a list of values"),
        upsert,
    )


def _texts(members: object, place: str, kind: Any = object, expected: str = "") -> dict[str, bytes]:
    """Return values by member as JSON text."""
    if not isinstance(members, Mapping):
        raise bad_update(
            place, f"expected a mapping from members to values, found {found(members)}"
        )
    texts = {}
    for member, value in members.items():
        _check(place, member)
        at = inside(place, member)
        if not isinstance(value, kind) or (expected and isinstance(value, bool)):
            raise bad_update(at, f"expected {expected}, found {found(value)}")
        try:
            text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
            texts[member] = text.encode()
        except (TypeError, ValueError, RecursionError) as error:
            raise bad_update(at, str(error)) from error
    return texts


def _names(names: object, place: str) -> tuple[str, ...]:
    if isinstance(names, str | bytes | Mapping) or not isinstance(names, Iterable):
        raise bad_update(place, f"expected a list of members, found {found(names)}")
    listed = tuple(names)
    for number, name in enumerate(listed):
        _check(f"{place}[{number}]", name)
    return listed


def _check(place: str, text: object) -> None:
    try:
        check_text(place, text, "a")
    except (TypeError, ValueError) as error:
        raise bad_update(place, str(error).removeprefix(f"{place}: ")) from None
