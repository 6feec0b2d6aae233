"""The start of both commands, before anything else is imported: Ctrl-C, and pipes that nobody reads.

1. Ctrl-C ends a command with one line and status 130, at any point of its start. Imports take up much of the start, so
   this module itself imports next to nothing.
2. A closed standard stream is replaced by a file, so that no socket gets its number.
3. A command whose output nobody reads any more ends with status 141, like programs that SIGPIPE ends. The server goes
   on; see `logs/console.py`.
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
    """Run `sharedstate-anyio`, and end the process."""
    _run("sharedstate-anyio", "sharedstate_anyio.server_command.main")


def command() -> None:
    """Run `sharedstate`, and end the process."""
    _run("sharedstate", "sharedstate_anyio.client_command")


def _run(program: str, module: str) -> None:
    def leave(*_: object) -> NoReturn:
        with suppress(OSError):
            os.write(STDERR, f"{program}: interrupted\n".encode())
        os._exit(SIGNALLED + signal.SIGINT)

    _occupy_standard_streams()
    # Some shells have background processes ignore Ctrl-C, and it stays ignored.
    listens = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if listens:
        signal.signal(signal.SIGINT, leave)  # an exception could be lost inside an import
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
        # Python would complain that it cannot flush the stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), STDOUT)
        sys.exit(SIGNALLED + signal.SIGPIPE)
    except KeyboardInterrupt:
        leave()


def _occupy_standard_streams() -> None:
    """Make sure that no socket gets the number of a closed standard stream; using that stream fails."""
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDONLY if fd else os.O_WRONLY)
