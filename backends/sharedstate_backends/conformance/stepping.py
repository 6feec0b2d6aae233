# ruff: noqa: S101 (asserts are how a suite of cases speaks)
"""Calls that are cancelled at a chosen moment, on asyncio and on trio, for any store.

Three kinds of moments, since stores wait in three ways:

- when the call suspends for the n-th time: at each `await` of a store that works in the caller's task;
- after n turns of the loop: at each step of a store that works in a task of its own;
- after some seconds: somewhere within the work of a thread or a database.

For the first two, n = 0, 1, 2, … until the call ends before it is cancelled; beyond `EACH` in growing steps.
"""

from __future__ import annotations

import types
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import anyio
import anyio.lowlevel

from .rules import Rule

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator, Iterator

    from anyio.abc import TaskGroup

T = TypeVar("T")

EACH: Final = 24
"""Number of consecutive moments of a kind."""

MOST: Final = 56
"""Number of moments of a kind in total; the last is some 1,000 suspensions or turns after the first."""

FRACTIONS: Final = 8
"""Number of moments by the clock."""

SUSPENSIONS: Final = 10_000
"""Number of suspensions after which a cancelled call counts as looping for ever."""

CALL_SECONDS: Final = 30.0
"""Seconds after which a call counts as one that never ends."""


class Moment(NamedTuple):
    """When a caller is cancelled: at a suspension of the call, or after a number of turns of the loop and seconds."""

    suspension: int | None = None
    turns: int = 0
    seconds: float = 0.0

    def __str__(self) -> str:
        if self.suspension is not None:
            return f"cancelled at suspension {self.suspension}"
        if self.seconds:
            return f"cancelled after {self.seconds * 1000:.3f} ms"
        return f"cancelled after {self.turns} turns of the loop"


class Ended(NamedTuple):
    """The outcome of a call: what it returned, empty if nothing; and whether it ended before it was to be cancelled."""

    results: list[Any]
    early: bool


async def each_moment(seconds: float, attempt: Callable[[Moment], Awaitable[bool]]) -> None:
    """Make an attempt at each moment of every kind.

    Args:
        seconds: how long the undisturbed call takes.
        attempt: makes the call, and returns whether it ended before it was to be cancelled.
    """
    for number in _numbers():
        if await attempt(Moment(suspension=number)):
            break
    for number in _numbers():
        if await attempt(Moment(turns=number)):
            break
    for number in range(FRACTIONS):
        await attempt(Moment(seconds=seconds * (number + 1) / FRACTIONS))


def _numbers() -> Iterator[int]:
    number = 0
    for index in range(MOST):
        yield number
        number += 1 if index < EACH else 1 + number // 8


async def cancelled(call: Coroutine[Any, Any, object], moment: Moment) -> Ended:
    """Make a call whose caller is cancelled at that moment."""
    scope = anyio.CancelScope()
    results: list[object] = []
    failures: list[Exception] = []
    suspended = after = 0
    ended = False

    def suspends(number: int) -> None:
        nonlocal suspended, after
        suspended = number + 1
        if number == moment.suspension:
            scope.cancel()
        after += scope.cancel_called
        assert after < SUSPENSIONS, f"{Rule.CANCEL}: {moment}, the call goes on for ever"

    async def make() -> None:
        nonlocal ended
        with scope:
            try:
                results.append(await watched(call, suspends))
            except Exception as error:  # noqa: BLE001 (raised below, out of the group)
                failures.append(error)
        ended = True

    if moment.suspension is not None:
        await make()
        early = suspended <= moment.suspension
    else:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(make)
            for _ in range(moment.turns):
                await anyio.lowlevel.checkpoint()
            if moment.seconds:
                await anyio.sleep(moment.seconds)
            early = ended
            scope.cancel()
    for error in failures:
        if early or isinstance(error, AssertionError):
            raise error
        raise AssertionError(f"{Rule.CANCEL}: {moment}, the call raised {error!r}") from error
    return Ended(results, early)


@types.coroutine
def watched(
    call: Coroutine[Any, Any, T], suspends: Callable[[int], None]
) -> Generator[Any, Any, T]:
    """Await the call; call `suspends` just before each suspension."""
    resume: Callable[[], Any] = partial(call.send, None)
    for number in count():
        try:
            awaited = resume()
        except StopIteration as stop:
            result: T = stop.value
            return result
        try:
            suspends(number)
        except BaseException:
            with suppress(RuntimeError):  # it still goes on
                call.close()
            raise
        try:
            answer = yield awaited
        except BaseException as error:  # noqa: BLE001 (the call's to handle)
            resume = partial(call.throw, error)
        else:
            resume = partial(call.send, answer)
    raise AssertionError


@asynccontextmanager
async def together() -> AsyncIterator[TaskGroup]:
    """Run tasks; raise the first failure by itself, so that a report begins with what is wrong."""
    try:
        async with anyio.create_task_group() as tasks:
            yield tasks
    except ExceptionGroup as group:
        raise group.exceptions[0] from None


@contextmanager
def time_limit(when: object) -> Iterator[None]:
    """Fail if what is awaited within takes longer than `CALL_SECONDS`, or raises."""
    with anyio.move_on_after(CALL_SECONDS) as scope:
        try:
            yield
        except AssertionError:
            raise
        except Exception as error:
            message = f"{Rule.CANCEL}: a call made after one was {when} raised {error!r}"
            raise AssertionError(message) from error
    assert not scope.cancelled_caught, (
        f"{Rule.CANCEL}: a call made after one was {when} has not ended in {CALL_SECONDS:g} seconds"
    )
