"""Check an update against `Limits`: its number of ids, their form, and how deep its items nest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sharedstate_core.errors import RequestError, bad_update

from .faults import too_deep
from .nesting import nests_deeper

if TYPE_CHECKING:
    from sharedstate_core.limits import Limits
    from sharedstate_core.storage import Write


def check_bounds(write: Write, limits: Limits) -> None:
    """Check an update that did not pass through the decoder, but for its patches: see `check_patches`.

    Raises:
        RequestError: `bad_update`, naming the place of the fault; `too_many` for too many ids.
    """
    update, condition = write.update, write.condition
    check_number_of_ids(update.listed, limits)
    for id, text in update.insert.items():
        if problem := id_problem(id, limits):
            raise bad_update(f"insert[{id!r}]", problem)
        if nests_deeper(text, limits.depth):
            raise bad_update(f"insert[{id!r}]", too_deep(limits))
    for index, id in enumerate(update.remove):
        if problem := id_problem(id, limits):
            raise bad_update(f"remove[{index}]", problem)
    if condition is not None and condition.ids is not None:
        check_number_in_condition(len(condition.ids), limits)


def check_number_of_ids(number: int, limits: Limits) -> None:
    """Check how many ids an update names.

    Raises:
        RequestError: `too_many`.
    """
    if number > limits.items:
        raise RequestError("too_many", f"an update may name at most {limits.items} ids")


def check_number_in_condition(number: int, limits: Limits) -> None:
    """Check how many ids a condition names.

    Raises:
        RequestError: `too_many`.
    """
    if number > limits.items:
        raise RequestError("too_many", f"a condition may name at most {limits.items} ids")


def check_number_of_paths(number: int, limits: Limits) -> None:
    """Check how many paths a `PUT /subs` names, `insert` or `remove` or both.

    Raises:
        RequestError: `too_many`.
    """
    most = 2 * limits.subscriptions  # to replace all there can be
    if number > most:
        raise RequestError("too_many", f"a request may name at most {most} paths")


def id_problem(id: str, limits: Limits) -> str | None:
    """Return what is wrong with an item's id, or None."""
    if not id:
        return "expected a non-empty string"
    if len(id) * 4 > limits.id_bytes and len(id.encode()) > limits.id_bytes:
        return f"longer than {limits.id_bytes} bytes of UTF-8"
    if "\0" in id:
        return "may not contain the character U+0000"
    return None
