"""A program at a terminal, where it asks before it does something."""

from __future__ import annotations

import os
import pty
import subprocess
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
