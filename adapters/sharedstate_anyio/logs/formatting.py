"""The log of the command: one line for each event, as text for people or as JSON for machines.

The rules:

1. An event is one line, whatever it holds: control characters and line breaks are escaped.
2. Secrets of the configuration never appear; see `redactor`.
3. The server never waits for the reader of its log; see `log_queue`.
4. Programs that embed the server configure `logging` as they like; the logger is called `sharedstate`. The fields of an
   event are in the attribute `fields` of the record.
"""

from __future__ import annotations

import atexit
import json
import logging
import traceback
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from .log_queue import QueueHandler
from .redactor import Redactor

if TYPE_CHECKING:
    from collections.abc import Callable

Format: TypeAlias = Literal["text", "json"]
FORMATS: Final[tuple[Format, ...]] = ("text", "json")
LEVELS: Final = ("debug", "info", "warning", "error")

MAX_LINE: Final = 1000
"""Longest message that is printed in full, in characters."""

_OURS: Final = frozenset({"time", "level", "event"})
"""Keys of a JSON line whose values are never the configuration's."""

log = logging.getLogger("sharedstate")


class LineFormatter(logging.Formatter):
    """Formats a record as one line of text: time, level, message, and where an exception came from."""

    redactor: Callable[[str], str] = Redactor()

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        text = record.getMessage()
        error = _error(record)
        if error is not None:
            frames = traceback.extract_tb(error.__traceback__)
            where = " > ".join(f"{f.filename}:{f.lineno} {f.name}" for f in frames)
            text += f": {type(error).__name__}: {error} [{where}]"
        return f"{_time(record)} {record.levelname} {printable(self.redactor(text))}"


class JsonFormatter(logging.Formatter):
    """Formats a record as one JSON object.

    Its keys: `time`, `level`, `message`, the event's name (`event`) and fields, and for an exception `error` and
    `traceback`.
    """

    redactor: Callable[[str], str] = Redactor()

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, object] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        line |= getattr(record, "fields", {})
        error = _error(record)
        if error is not None:
            line["error"] = f"{type(error).__name__}: {error}"
            line["traceback"] = "".join(traceback.format_exception(error))
        if record.name != log.name:
            line["logger"] = record.name
        for key, value in line.items():
            if isinstance(value, str) and key not in _OURS:
                line[key] = self.redactor(value)
        return json.dumps(line, default=str)


def configure(style: Format, level: str) -> None:
    """Let the process log to standard error.

    Args:
        style: `text` or `json`.
        level: one of `LEVELS`. `debug` applies to this server only: drivers would log the contents of items.
    """
    handler = QueueHandler(2)
    atexit.register(handler.close)
    handler.setFormatter(JsonFormatter() if style == "json" else LineFormatter())
    number = logging.getLevelNamesMapping()[level.upper()]
    logging.basicConfig(handlers=[handler], level=max(number, logging.INFO), force=True)
    log.setLevel(number)
    logging.captureWarnings(capture=True)
    logging.raiseExceptions = False  # whoever closed our standard error does not want the log


def conceal(redactor: Redactor) -> None:
    """Redact these secrets in the handlers that `configure` has set up."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler.formatter, LineFormatter | JsonFormatter):
            handler.formatter.redactor = redactor


def printable(text: str) -> str:
    """Return the text on one line, with everything escaped that could move a terminal's cursor or fake another line."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def shortened(text: str) -> str:
    """Return the text without its middle if it is longer than `MAX_LINE`: names in it may be of any length."""
    if len(text) <= MAX_LINE:
        return text
    return f"{text[: MAX_LINE // 2]} ... {text[-MAX_LINE // 2 :]}"


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"


def _error(record: logging.LogRecord) -> BaseException | None:
    return record.exc_info[1] if record.exc_info else None
