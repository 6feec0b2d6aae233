"""Checks of the `Backend` contract: a plugin's mistake costs one failed operation.

The core checks its own inputs (`sharedstate_core.results`); this module checks what only the adapter can.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, TypeVar

from sharedstate_core import Cursor
from sharedstate_core.arguments import found

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from sharedstate_core import CollectionPath

T = TypeVar("T")

ADVICE: Final = "see python -m pydoc sharedstate_backends.contract"


class BrokenContractError(Exception):
    """A backend violated the `Backend` contract: it returned something invalid, or cancelled its own call."""


async def call(operation: Awaitable[T], name: str) -> T:
    """Await an operation; a cancellation that did not come from here is an error like any other.

    Args:
        operation: what the method returned; for a plain function, its result.
        name: of the method.

    A database driver that cancels a task of its own and awaits it raises such a cancellation: the server would take it
    for its own.

    Raises:
        BrokenContractError: such a cancellation, or `operation` cannot be awaited.
    """
    if not inspect.isawaitable(operation):
        problem = f"{name} is not a coroutine function, make it `async def`: it returned"
        raise BrokenContractError(f"{problem} {found(operation)}; {ADVICE}")
    try:
        return await operation
    except asyncio.CancelledError as error:
        if _is_cancelled():
            raise
        raise BrokenContractError("the service has cancelled its own call") from error


def _is_cancelled() -> bool:
    """Return whether the current task was cancelled; False on trio, which has its own exception for it."""
    try:
        task = asyncio.current_task()
    except RuntimeError:
        return False
    return task is not None and task.cancelling() > 0


def heads(result: object) -> Mapping[CollectionPath, Cursor]:
    """Return the checked result of `heads`."""
    if not isinstance(result, Mapping) or not set(map(type, result.values())) <= {Cursor}:
        raise BrokenContractError(f"heads returned {repr(result)[:200]}; {ADVICE}")
    return result


def refused(operation: str, error: Exception) -> BrokenContractError:
    """Return a backend error for a result that the core has refused."""
    return BrokenContractError(f"{operation} returned {error}; {ADVICE}")


def sizes(result: object) -> Mapping[str, int]:
    """Return the checked result of `sizes`."""
    if (
        not isinstance(result, Mapping)
        or not set(map(type, result)) <= {str}
        or not set(map(type, result.values())) <= {int}
    ):
        raise BrokenContractError(f"sizes returned {repr(result)[:200]}; {ADVICE}")
    return result
