"""The command `sharedstate-anyio`: finds out which of its commands is meant.

Each is imported when it is wanted: a question such as `--help` needs no server.
"""

from __future__ import annotations

import signal
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Final

from sharedstate_anyio.entry import SIGNALLED
from sharedstate_anyio.logs.console import Console

from .options import parse_serve

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS: Final = ("migrate", "check", "schema", "backup", "restore", "token", "explain")
"""What there is beside serving: each has a module of its name, and therein a function, such as `check_command`."""

console = Console()


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command, and end the process with its exit status."""
    try:
        _run(sys.argv[1:] if argv is None else list(argv))
    except KeyboardInterrupt:
        console.fail("interrupted", SIGNALLED + signal.SIGINT, "interrupted")


def _run(arguments: list[str]) -> None:
    if arguments and arguments[0] in COMMANDS:
        module = import_module(f".{arguments[0]}", __package__)
        getattr(module, f"{arguments[0]}_command")(console, arguments[1:])
    else:
        options = parse_serve(arguments, COMMANDS)
        import_module(".serving", __package__).serve_command(console, options)
