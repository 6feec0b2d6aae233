"""`python -m tests.support.faults.halting_restore TAKEN ...`: sharedstate-anyio, whose restore stands still on its way.

So a test has all the time it needs to choose how it ends.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, Final

from sharedstate_anyio.server_command import main as cli
from sharedstate_anyio.server_command import restore

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sharedstate_anyio.server_command.saving import Talk
    from sharedstate_backends.portable import Portion

MODULE: Final = __name__


def main(taken: str, *arguments: str) -> None:
    """Run the command with these arguments; stop the process when so many portions were taken."""
    told = restore._told

    def told_and_halt(name: str, portions: Iterable[Portion], talk: Talk) -> Iterator[Portion]:
        number = 0
        for number, portion in enumerate(told(name, portions, talk)):
            if number == int(taken):
                os.kill(os.getpid(), signal.SIGSTOP)
            yield portion
        if number < int(taken):
            os.kill(os.getpid(), signal.SIGSTOP)

    restore._told = told_and_halt
    cli.main(arguments)


if __name__ == "__main__":
    main(*sys.argv[1:])
