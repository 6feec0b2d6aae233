"""Console output of the command: plain lines for people, log lines for files and programs.

1. Progress goes to standard output: plain lines at a terminal, elsewhere log lines with time and level.
2. What ends the command goes to standard error.
3. With `--log-format json` everything is JSON, on standard error.
4. A reader that stops or hangs neither ends the server nor blocks it; see `log_queue`.
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
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from .formatting import Format

log = logging.getLogger("sharedstate")


class Console:
    """The console of one run of the command.

    Attributes:
        style: `text`: progress on standard output, the log and errors on standard error; `json`: everything on
            standard error, in the format of the log.
    """

    def __init__(self) -> None:
        self.style: Format = "text"
        self._redactor = Redactor()
        self._output = QueueHandler(STDOUT)
        self._errors = QueueHandler(STDERR)

    def configure(self, style: Format, level: str) -> None:
        """Write as a server: choose the style and the log level (see `formatting.configure`)."""
        self.style = style
        configure(style, level)
        if not os.isatty(STDOUT):
            self._output.setFormatter(LineFormatter())

    def conceal(
        self,
        configs: Iterable[Mapping[str, object]],
        public: Collection[str],
        members: Collection[str] = (),
    ) -> None:
        """Redact the secrets in these configuration objects; see `Redactor`."""
        self._redactor = Redactor(configs, public, members)
        conceal(self._redactor)

    def say(self, text: str, event: str, **fields: object) -> None:
        """Report progress; `event` and `fields` are for machines."""
        if self.style == "json":
            log.info("%s", text.strip(), extra=about(event, **fields))
        else:
            in_log = isinstance(self._output.formatter, LineFormatter)
            self._output.handle(_record(text.strip() if in_log else text))

    def fail(self, problems: str | Sequence[str], status: int, event: str) -> NoReturn:
        """Report errors, one per line, and end the process; `event` is for machines."""
        if self.style == "text":
            logging.shutdown()  # earlier log lines come first
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
