"""Logging that never blocks: a thread writes the lines, from a bounded queue.

Standard error may be a pipe to a program that hangs, or a stopped terminal. Lines that the queue cannot hold are
dropped and counted, and the count is written when there is room again.

While the interpreter shuts down, objects being destroyed may still log, and starting a thread would block forever: such
lines are written directly, if that is possible without waiting.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import select
import sys
import threading
from typing import Final

QUEUED_LINES: Final = 10_000
"""Maximum number of lines that wait to be written: a few megabytes."""

CLOSE_SECONDS: Final = 2.0
"""How long closing waits for the last lines to be written."""


class QueueHandler(logging.Handler):
    """Has a thread write each record, formatted, to a file.

    Args:
        number: descriptor of the open file, which stays open.
        max_lines: maximum number of lines that wait.
    """

    def __init__(self, number: int, max_lines: int = QUEUED_LINES) -> None:
        super().__init__()
        self._number = number
        self._lines: queue.Queue[str | None] = queue.Queue(max_lines)
        self._dropped = 0
        self._thread: threading.Thread | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Queue a record; never waits. The caller holds the handler's lock."""
        try:
            line = self.format(record)
        except Exception:  # noqa: BLE001  (as the handlers of `logging` do)
            self.handleError(record)
            return
        if sys.is_finalizing():
            self._write_at_once(line)
            return
        if self._thread is None:  # not earlier: a process that forks must not have threads
            self._thread = threading.Thread(target=self._write, name="log", daemon=True)
            self._thread.start()
        try:
            if self._dropped:
                self._lines.put_nowait(self._format_dropped())
                self._dropped = 0
            self._lines.put_nowait(line)
        except queue.Full:
            self._dropped += 1

    def close(self) -> None:
        """Write the lines that wait, within `CLOSE_SECONDS`, and end the thread."""
        with self.lock or contextlib.nullcontext():
            thread, self._thread = self._thread, None
        if thread is not None:
            with contextlib.suppress(queue.Full):
                self._lines.put(None, timeout=CLOSE_SECONDS)
                thread.join(CLOSE_SECONDS)
        super().close()

    def _format_dropped(self) -> str:
        text = "%d lines of the log were dropped: nobody read them"
        made = logging.LogRecord(
            "sharedstate", logging.WARNING, "", 0, text, (self._dropped,), None
        )
        made.fields = {"event": "log_dropped", "dropped": self._dropped}
        return self.format(made)

    def _write_at_once(self, line: str) -> None:
        """Write a line if the file accepts it without blocking."""
        data = f"{line}\n".encode(errors="backslashreplace")
        with contextlib.suppress(OSError, ValueError):
            if len(data) <= select.PIPE_BUF and select.select([], [self._number], [], 0)[1]:
                os.write(self._number, data)

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            rest = f"{line}\n".encode(errors="backslashreplace")
            while rest:
                try:
                    # Not sys.stderr: its lock, held by a thread that waits, would abort the end of the process.
                    rest = rest[os.write(self._number, rest) :]
                except OSError:  # closed: whoever did that does not want the log
                    break
