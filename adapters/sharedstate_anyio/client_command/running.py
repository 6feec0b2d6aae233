"""Runs a command of a client to its end, whatever the outcome."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Final

import anyio

from sharedstate_anyio.client import SharedStateError
from sharedstate_anyio.entry import SIGNALLED
from sharedstate_anyio.logs.first_error import first_error

from .deleting import delete
from .failures import FAILED, CommandError
from .kicking import kick
from .loading import load
from .patching import patch
from .reading import dump, get, watch
from .saying import say
from .writing import put

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Coroutine, Mapping
    from typing import Any

COMMANDS: Final[Mapping[str, Callable[[Namespace], Coroutine[Any, Any, int]]]] = {
    "get": get,
    "put": put,
    "patch": patch,
    "watch": watch,
    "load": load,
    "dump": dump,
    "delete": delete,
    "kick": kick,
}


def run(options: Namespace) -> int:
    """Run the command that the options name; return its exit status."""
    return anyio.run(_run, options)


async def _run(options: Namespace) -> int:
    """Run the command until it ends or is interrupted; report on one line what went wrong, and how far it got."""
    status = FAILED
    signum = 0

    async def attend() -> None:
        nonlocal signum
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async for number in signals:
                signum = number
                tasks.cancel_scope.cancel()
                return

    problem: Exception | None = None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(attend)
        try:
            status = await COMMANDS[options.command](options)
        except Exception as error:  # noqa: BLE001  (reported, or raised again, outside of the task group)
            problem = error
        tasks.cancel_scope.cancel()
    tally = options.tally
    if problem is not None:
        first = first_error(problem)
        in_doubt = isinstance(first, CommandError) and first.in_doubt
        so_far = tally and (tally.in_doubt() if in_doubt else str(tally))
        return _tell(first, f"; {so_far}" if so_far else "")
    if signum:
        say(f"interrupted; {tally.at_least()}" if tally else "interrupted")
        return SIGNALLED + signum
    return status


def _tell(error: BaseException, so_far: str) -> int:
    match error:
        case CommandError():
            say(f"{error}{so_far}")
            return error.status
        case SharedStateError():
            say(f"{error}{so_far}")
            return FAILED
        case BrokenPipeError():
            raise error
        case OSError():
            say(f"cannot write: {(error.strerror or str(error)).lower()}{so_far}")
            return FAILED
        case _:
            raise error
