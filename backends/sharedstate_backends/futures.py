"""Telling whoever waits for a commit what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")


def settle(future: asyncio.Future[T], outcome: T | Exception) -> None:
    """Tell whoever waits for a future, unless they wait no more, or know already.

    Args:
        future: may be done, or cancelled.
        outcome: what it comes to; an exception is raised there.
    """
    if future.done():
        return
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
