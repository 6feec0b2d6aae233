"""Where both commands begin, before anything else is imported: Ctrl-C and pipes that nobody reads.

1. Ctrl-C ends a command with one line and status 130, wherever in its start it comes. The imports take a good part of
   that, so this module imports next to nothing by itself.
2. A standard stream that was closed gets a file of its own: no socket may have its number.
3. A command whose output nobody reads any more ends with status 141, as programs do that the signal ends. The server
   goes on; see `logs/console.py`.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from importlib import import_module
from typing import Final, NoReturn

STDOUT: Final = 1
STDERR: Final = 2

SIGNALLED: Final = 128
"""Added to the number of the signal that ended a command, as shells do: 130 after Ctrl-C."""


def serve() -> None:
    """Run `sharedstate-anyio`; ends the process."""
    _run("sharedstate-anyio", "sharedstate_anyio.cli.main")


def command() -> None:
    """Run `sharedstate`; ends the process."""
    _run("sharedstate", "sharedstate_anyio.command")


def _run(program: str, module: str) -> None:
    def leave(*_: object) -> NoReturn:
        with suppress(OSError):
            os.write(STDERR, f"{program}: interrupted\n".encode())
        os._exit(SIGNALLED + signal.SIGINT)

    _occupy_standard_streams()
    # In the background of some shells Ctrl-C is ignored, and stays so.
    listens = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if listens:
        signal.signal(signal.SIGINT, leave)  # an exception could get lost within an import
    main = import_module(module).main
    try:
        if listens:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            main()
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except BrokenPipeError:
        # Python would complain about what it cannot flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), STDOUT)
        sys.exit(SIGNALLED + signal.SIGPIPE)
    except KeyboardInterrupt:
        leave()


def _occupy_standard_streams() -> None:
    """See that no socket gets the number of a standard stream that was closed; using that stream fails."""
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDONLY if fd else os.O_WRONLY)
