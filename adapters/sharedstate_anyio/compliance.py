"""What a service's backend returns and raises, held to the contract: a plugin's mistake is one failed operation."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from operator import itemgetter
from types import NoneType
from typing import TYPE_CHECKING, TypeVar

from sharedstate_core import CommitResult, Committed, Cursor, Loaded, Rejected

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from sharedstate_core import CollectionPath

T = TypeVar("T")


class BrokenContractError(Exception):
    """A backend returned what it must not, or gave up by itself."""


async def call(operation: Awaitable[T]) -> T:
    """Return what it comes to; a cancellation that nobody here has asked for is an error like any other.

    A driver that cancels a task of its own, and waits for it, raises that: the server would take itself for
    cancelled.

    Raises:
        BrokenContractError: such a cancellation.
    """
    try:
        return await operation
    except asyncio.CancelledError as error:
        if _is_cancelled():
            raise
        raise BrokenContractError("the service has cancelled its own call") from error


def _is_cancelled() -> bool:
    """Tell whether somebody has cancelled the task at hand; on trio, which has another exception for it, nobody has."""
    try:
        task = asyncio.current_task()
    except RuntimeError:
        return False
    return task is not None and task.cancelling() > 0


def committed(result: object, count: int) -> CommitResult:
    """Return what `commit` returned for so many writes."""
    if (
        not isinstance(result, CommitResult)
        or type(result.epoch) is not str
        or len(result.outcomes) != count
        or not all(_is_outcome(outcome) for outcome in result.outcomes)
    ):
        raise BrokenContractError(f"commit of {count} writes returned {_shown(result)}")
    return result


def _is_outcome(outcome: object) -> bool:
    return isinstance(outcome, Committed | Rejected) and type(outcome.version) is int


def loaded(result: object) -> Loaded:
    """Return what `load` returned. Of its rows, looks at the ids and texts."""
    if (
        not isinstance(result, Loaded)
        or type(result.epoch) is not str
        or not {type(result.version), type(result.horizon)} == {int}
        or type(result.base) not in {int, NoneType}
        or not set(map(len, result.rows)) <= {5}
        or not set(map(type, map(itemgetter(0), result.rows))) <= {str}
        or not set(map(type, map(itemgetter(1), result.rows))) <= {bytes, NoneType}
    ):
        raise BrokenContractError(f"load returned {_shown(result)}")
    return result


def heads(result: object) -> Mapping[CollectionPath, Cursor]:
    """Return what `heads` returned."""
    if not isinstance(result, Mapping) or not set(map(type, result.values())) <= {Cursor}:
        raise BrokenContractError(f"heads returned {_shown(result)}")
    return result


def names(result: object) -> Sequence[str]:
    """Return what `collections` returned."""
    if (
        not isinstance(result, Sequence)
        or isinstance(result, str)
        or not set(map(type, result)) <= {str}
    ):
        raise BrokenContractError(f"collections returned {_shown(result)}")
    return result


def _shown(result: object) -> str:
    """Return what it is, briefly, and where to read what it should be."""
    text = repr(result)[:200]
    return f"{text}; see python -m pydoc sharedstate_backends.contract"
