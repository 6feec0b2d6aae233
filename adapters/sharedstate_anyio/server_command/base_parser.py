"""The argument parser of both commands."""

from __future__ import annotations

import argparse
from typing import Any, Final, NoReturn

from sharedstate_anyio.logs.formatting import printable

WRONG: Final = 2
"""Status after a wrong command line."""


class Parser(argparse.ArgumentParser):
    """A parser that reports errors on one line and accepts options anywhere."""

    _within = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Accept options between the other arguments too."""
        if self._within or self._subparsers is not None:
            return super().parse_known_args(args, namespace)
        self._within = True  # the call below calls this method again
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._within = False

    def error(self, message: str) -> NoReturn:
        """Print the error on one line, and end the process."""
        self.exit(WRONG, f"{self.prog}: {printable(message)} ({self.prog} --help tells more)\n")
