"""How the command speaks: in plain lines to people, in the lines of a log to files and programs.

1. What goes well is said on standard output. At a terminal these are plain lines; elsewhere the server's are lines of
   its log, with time and level.
2. What ends the command is said on standard error.
3. With `--log-format json` all of it is JSON, on standard error.
4. Nobody who stops reading, or hangs, ends the server or keeps it waiting; see `log_queue`.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING, NoReturn

from sharedstate_anyio.entry import STDERR, STDOUT

from .events import about
from .formatting import LineFormatter, conceal, configure, printable, shortened
from .log_queue import QueueHandler
from .redactor import Redactor

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .formatting import Format

log = logging.getLogger("sharedstate")


class Console:
    """What one run of the command says.

    Attributes:
        style: `text`: what goes well on standard output, the log and what goes wrong on standard error; `json`:
            everything on standard error, in the format of the log.
    """

    def __init__(self) -> None:
        self.style: Format = "text"
        self._redactor = Redactor()
        self._output = QueueHandler(STDOUT)
        self._errors = QueueHandler(STDERR)

    def configure(self, style: Format, level: str) -> None:
        """Speak as a server: choose the style, and what is worth logging (see `formatting.configure`)."""
        self.style = style
        configure(style, level)
        if not os.isatty(STDOUT):
            self._output.setFormatter(LineFormatter())

    def conceal(self, configs: Iterable[Mapping[str, object]]) -> None:
        """Say none of the secrets in these objects of the configuration."""
        self._redactor = Redactor(configs)
        conceal(self._redactor)

    def say(self, text: str, event: str, **fields: object) -> None:
        """Tell what happens; `event` and `fields` are for machines."""
        if self.style == "json":
            log.info("%s", text.strip(), extra=about(event, **fields))
        else:
            in_log = isinstance(self._output.formatter, LineFormatter)
            self._output.handle(_record(text.strip() if in_log else text))

    def fail(self, problems: str | Sequence[str], status: int, event: str) -> NoReturn:
        """Tell what is wrong, one line each, and end the process; `event` is for machines."""
        if self.style == "text":
            logging.shutdown()  # what was logged before comes first
        for whole in [problems] if isinstance(problems, str) else problems:
            problem = shortened(self._redactor(whole))
            if self.style == "json":
                log.critical("%s", problem, extra=about(event))
            else:
                self._errors.handle(_record(f"sharedstate-anyio: {printable(problem)}"))
        self._errors.close()
        sys.exit(status)


def _record(text: str) -> logging.LogRecord:
    return logging.LogRecord(log.name, logging.INFO, "", 0, text, None, None)
