"""How both programs read their command lines."""

from __future__ import annotations

import argparse
from typing import Any, Final, NoReturn

WRONG: Final = 2
"""Status after a wrong command line."""


class Parser(argparse.ArgumentParser):
    """A parser that says what is wrong in one line, and takes options wherever they stand."""

    _within = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Let options stand between the other arguments, too."""
        if self._within or self._subparsers is not None:
            return super().parse_known_args(args, namespace)
        self._within = True  # what follows calls this method again
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._within = False

    def error(self, message: str) -> NoReturn:
        """End with that line."""
        self.exit(WRONG, f"{self.prog}: {message} ({self.prog} --help tells more)\n")
