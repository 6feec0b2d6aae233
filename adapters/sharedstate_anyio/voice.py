"""How the command speaks: in plain lines to people, in JSON lines to machines."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, NoReturn

from .censor import Censor
from .events import about
from .logs import conceal, configure, printable, shortened

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .logs import Format

log = logging.getLogger("sharedstate")


class Voice:
    """What one run of the command says.

    Attributes:
        style: `text`: what goes well on standard output, the log and what goes wrong on standard error; `json`:
            everything on standard error, in the format of the log.
    """

    def __init__(self) -> None:
        self.style: Format = "text"
        self._censor = Censor()

    def configure(self, style: Format, level: str) -> None:
        """Choose the style, and what is worth logging (see `logs.configure`)."""
        self.style = style
        configure(style, level)

    def conceal(self, configs: Iterable[Mapping[str, object]]) -> None:
        """Say none of the secrets in these objects of the configuration."""
        self._censor = Censor(configs)
        conceal(self._censor)

    def say(self, text: str, event: str, **fields: object) -> None:
        """Tell what happens; `event` and `fields` are for machines."""
        if self.style == "json":
            log.info("%s", text.strip(), extra=about(event, **fields))
        else:
            print(text, flush=True)

    def fail(self, problems: str | Sequence[str], status: int, event: str) -> NoReturn:
        """Tell what is wrong, one line each, and end the process; `event` is for machines."""
        if self.style == "text":
            logging.shutdown()  # what was logged before comes first
        for whole in [problems] if isinstance(problems, str) else problems:
            problem = shortened(self._censor(whole))
            if self.style == "json":
                log.critical("%s", problem, extra=about(event))
            else:
                print(f"sharedstate-anyio: {printable(problem)}", file=sys.stderr)
        sys.exit(status)
