"""`python -m tests.support.faults.halting WORDS…`: sharedstate-anyio, whose migration stands still when it has said so.

So a test has all the time it needs to choose how it ends.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Final

from sharedstate_anyio.server_command import main as cli
from sharedstate_anyio.server_command import migrate

MODULE: Final = __name__


def main(words: str, *arguments: str) -> None:
    """Run the command with these arguments; stop the process when it has said a line with these words."""
    say = migrate._say

    def say_and_halt(name: str, line: str) -> None:
        say(name, line)
        if words in line:
            os.kill(os.getpid(), signal.SIGSTOP)

    migrate._say = say_and_halt
    cli.main(arguments)


if __name__ == "__main__":
    main(*sys.argv[1:])
