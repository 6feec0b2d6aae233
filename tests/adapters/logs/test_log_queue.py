"""The log when nobody reads it: the server goes on, and what was lost is counted."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from sharedstate_anyio.logs import log_queue
from sharedstate_anyio.logs.formatting import JsonFormatter, LineFormatter
from sharedstate_anyio.logs.log_queue import QueueHandler

if TYPE_CHECKING:
    from collections.abc import Iterator

LONG = 1 << 20  # longer than any pipe holds


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    os.close(reading)
    os.close(writing)


def record(text: str) -> logging.LogRecord:
    return logging.LogRecord("sharedstate", logging.INFO, "", 0, "%s", (text,), None)


def read_all(reading: int, end: bytes) -> list[str]:
    data = b""
    while end not in data or not data.endswith(b"\n"):
        data += os.read(reading, 1 << 16)
    return data.decode().splitlines()


def test_lines_come_in_order(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    handler = QueueHandler(writing)
    handler.setFormatter(LineFormatter())
    for number in range(20):
        handler.handle(record(f"line {number} \ud800"))
    handler.close()
    lines = read_all(reading, b"line 19 \\ud800\n")
    assert [line.split(" INFO ")[1] for line in lines] == [f"line {n} \\ud800" for n in range(20)]


def test_nobody_reads_and_then_somebody_does(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    handler = QueueHandler(writing, max_lines=50)
    handler.setFormatter(JsonFormatter())
    handler.handle(record("x" * LONG))
    deadline = time.monotonic() + 20
    while handler._lines.qsize():  # until the thread is busy with it
        assert time.monotonic() < deadline
    for number in range(1000):
        handler.handle(record(f"line {number}"))
    lines = read_all(reading, b"line 49")
    handler.handle(record("back"))
    handler.close()
    lines += read_all(reading, b"back")
    *before, told, last = [json.loads(line) for line in lines if line.startswith("{")]
    assert len(before) == 51
    assert (told["dropped"], told["event"], told["level"]) == (950, "log_dropped", "warning")
    assert last["message"] == "back"


def test_the_end_does_not_wait_for_ever(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_queue, "CLOSE_SECONDS", 0.05)
    reading, writing = pipe
    handler = QueueHandler(writing, max_lines=2)
    handler.setFormatter(LineFormatter())
    handler.handle(record("x" * LONG))
    for _ in range(10):
        handler.handle(record("y"))
    thread = handler._thread
    assert thread is not None
    handler.close()
    assert thread.is_alive()
    os.dup2(writing, reading)  # so the write fails, and what waits is thrown away
    with handler._lines.mutex:
        handler._lines.queue.clear()
        handler._lines.not_full.notify_all()
    handler._lines.put(None)
    thread.join(20)
    assert not thread.is_alive()


def test_what_cannot_be_formatted_harms_nobody(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    handler = QueueHandler(writing)
    handler.setFormatter(LineFormatter())
    wrong = logging.LogRecord("sharedstate", logging.INFO, "", 0, "%d", ("x",), None)
    before, logging.raiseExceptions = logging.raiseExceptions, False
    try:
        handler.handle(wrong)
    finally:
        logging.raiseExceptions = before
    handler.handle(record("next"))
    handler.close()
    assert read_all(reading, b"next\n")


def test_a_line_from_an_object_that_the_end_of_the_interpreter_destroys() -> None:
    """Starting the thread then would wait for ever."""
    script = (
        "from sharedstate_anyio.logs.formatting import configure\n"
        "configure('text', 'info')\n"
        "async def forgotten(): ...\n"
        "cycle = [forgotten()]\n"
        "cycle.append(cycle)\n"
        "del cycle\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 0
    assert "coroutine 'forgotten' was never awaited" in ended.stderr
