"""The command `sharedstate`: reads the command line, and imports a client once there is something to do."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

from .options import names_configuration, parse

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command, and end the process with its exit status."""
    given = sys.argv[1:] if argv is None else list(argv)
    if names_configuration(given):  # the server used to be started like this
        import_module("sharedstate_anyio.server_command.main").main(given)
        return
    options = parse(given)
    sys.exit(import_module(".running", __package__).run(options))
