"""Decode the patches of an update, each as soon as what comes before it is known to be right."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Raw, Struct

from sharedstate_core.errors import RequestError, bad_update
from sharedstate_core.json_faults import decoder_fault
from sharedstate_core.patches.patch import Patch, PatchFault, check_patch
from sharedstate_core.patches.pointers import MAX_PATH, inside, path_of
from sharedstate_core.patches.values import is_number

from .faults import too_deep
from .nesting import may_nest_deeper, nests_deeper
from .outline import FEW
from .validation import id_problem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sharedstate_core.limits import Limits


class _Patch(Struct, forbid_unknown_fields=True):
    id: str
    set: dict[str, Raw] = {}
    unset: list[str] = []
    inc: dict[str, Raw] = {}
    now: list[str] = []
    add: dict[str, Raw] = {}
    pull: dict[str, Raw] = {}
    upsert: bool = False


_decode: Final = msgspec.json.Decoder(_Patch).decode


def decode_patches(raws: Sequence[Raw], limits: Limits) -> tuple[Patch, ...]:
    """Decode the elements of the `patch` of an update.

    Raises:
        RequestError: `bad_update`, naming the place of the fault, such as `patch[2].inc.votes`; `too_many` for too many
            members, `too_large` for one element that lists too much.
    """
    patches = []
    for index, raw in enumerate(raws):
        place = f"patch[{index}]"
        try:
            patch = _patch(raw, place)
        except RecursionError:
            raise bad_update(place, too_deep(limits)) from None
        _check_shape(patch, place, limits)
        patches.append(patch)
    _check_sizes(patches, limits)
    return tuple(patches)


def check_patches(patches: Sequence[Patch], limits: Limits) -> None:
    """Check patches that did not pass through the decoder.

    Raises:
        RequestError: as `decode_patches`.
    """
    for index, patch in enumerate(patches):
        _check_shape(patch, f"patch[{index}]", limits)
    _check_sizes(patches, limits)


def _patch(raw: Raw, place: str) -> Patch:
    if len(raw) > FEW and bytes(raw).count(b",") > FEW:
        problem = f"{place}: more than {FEW} values or members; insert the item instead"
        raise RequestError("too_large", problem, place=place)
    try:
        known = _decode(raw)
    except msgspec.ValidationError as error:
        found, _, problem = decoder_fault(error).rpartition(": ")
        raise bad_update(f"{place}.{found}" if found else place, problem) from None
    return Patch(
        known.id,
        _texts(known.set),
        tuple(known.unset),
        _texts(known.inc),
        tuple(known.now),
        _texts(known.add),
        _texts(known.pull),
        known.upsert,
    )


def _texts(members: dict[str, Raw]) -> dict[str, bytes]:
    return {member: bytes(value) for member, value in members.items()} if members else {}


def _check_shape(patch: Patch, place: str, limits: Limits) -> None:
    """Check all of one patch but how many members it names."""
    if problem := id_problem(patch.id, limits):
        raise bad_update(f"{place}.id", problem)
    for member, number in patch.inc.items():
        if not is_number(number):
            raise bad_update(inside(f"{place}.inc", member), "expected a number")
    for kind, lists in (("add", patch.add), ("pull", patch.pull)):
        for member, values in lists.items():
            if not values.startswith(b"["):
                raise bad_update(inside(f"{place}.{kind}", member), "expected an array of values")
    try:
        check_patch(patch)
    except PatchFault as fault:
        raise bad_update(place + fault.place, fault.problem) from None
    if limits.depth < MAX_PATH:
        _check_paths(patch, place, limits)
    _check_depth(patch.set, f"{place}.set", limits)
    _check_depth(patch.add, f"{place}.add", limits)


def _check_paths(patch: Patch, place: str, limits: Limits) -> None:
    for kind, member in patch.members():
        if len(path_of(member)) > limits.depth:
            raise bad_update(inside(f"{place}.{kind}", member), too_deep(limits))


def _check_depth(values: Mapping[str, bytes], place: str, limits: Limits) -> None:
    for member, text in values.items():
        if len(text) <= 2 * (limits.depth - MAX_PATH):
            continue  # wherever it goes
        most = limits.depth - len(path_of(member))
        if len(text) > 2 * most and may_nest_deeper(text, most) and nests_deeper(text, most):
            raise bad_update(inside(place, member), too_deep(limits))


def _check_sizes(patches: Sequence[Patch], limits: Limits) -> None:
    """Check how many members of one item are changed."""
    most = limits.patch_operations
    if sum(patch.size for patch in patches) <= most:
        return
    changed: Counter[str] = Counter()
    for index, patch in enumerate(patches):
        changed[patch.id] += patch.size
        if changed[patch.id] > most:
            place = f"patch[{index}]"
            problem = f"{place}: an update may change at most {most} members of one item"
            raise RequestError("too_many", problem, place=place)
