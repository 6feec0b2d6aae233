"""A program at a terminal, where it asks before it does something."""

from __future__ import annotations

import os
import pty
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def answered(
    command: list[str], answer: bytes, seconds: float, folder: Path | None = None
) -> tuple[int, str]:
    """Return the exit status of a program that asks `[y/N]`, is given an answer and ends, and what it has printed."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        command, cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        seen = b""
        while b"[y/N] " not in seen:
            seen += os.read(ours, 1000)
        os.write(ours, answer)
        process.wait(seconds)
        seen += os.read(ours, 1000)
        os.close(ours)
        return process.returncode, seen.decode()


def shown(command: list[str], seconds: float) -> tuple[int, str]:
    """Return the exit status of a program that only prints to a terminal, and what it has printed."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        seen = b""
        with suppress(OSError):  # the end of a terminal, on Linux
            while data := os.read(ours, 1000):
                seen += data
        os.close(ours)
        return process.wait(seconds), seen.decode()
