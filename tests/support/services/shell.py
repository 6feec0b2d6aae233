"""The command `sharedstate` as a process of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, NamedTuple

import anyio.to_thread

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM: Final = Path(sys.executable).with_name("sharedstate")
SECONDS: Final = 30.0
PROGRESS: Final = re.compile(r"^sharedstate: .* stored so far\n", re.MULTILINE)
"""How far it is, which it says only if it takes long: on a busy machine, then, and tests leave it out."""


class Ended(NamedTuple):
    """How a run ended."""

    status: int
    output: str
    errors: str


class Run:
    """One run of the command, with pipes on all sides; lines are read and written by threads."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process

    async def line(self) -> str:
        """Return the next line of its output."""
        return await self._next(self.process.stdout)

    async def complaint(self) -> str:
        """Return the next line of its complaints."""
        while PROGRESS.fullmatch(line := await self._next(self.process.stderr)):
            pass
        return line

    @staticmethod
    async def _next(stream: IO[bytes] | None) -> str:
        assert stream is not None
        with anyio.fail_after(SECONDS):
            line: bytes = await anyio.to_thread.run_sync(stream.readline, abandon_on_cancel=True)
        return line.decode()

    def write(self, text: str) -> None:
        """Give it some input."""
        assert self.process.stdin is not None
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    async def ended(self, text: str = "") -> Ended:
        """Give it its last input; wait for its end."""

        def wait() -> Ended:
            output, errors = self.process.communicate(text.encode(), timeout=SECONDS)
            return Ended(
                self.process.returncode, output.decode(), PROGRESS.sub("", errors.decode())
            )

        return await anyio.to_thread.run_sync(wait)


@contextmanager
def running_command(*arguments: str | Path) -> Iterator[Run]:
    """Start the command; it is gone at the end of the block."""
    with subprocess.Popen(
        [PROGRAM, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            yield Run(process)
        finally:
            process.kill()


async def shell(*arguments: str | Path, given: str | bytes = "") -> Ended:
    """Run the command to its end."""
    text = given.decode("latin-1") if isinstance(given, bytes) else given
    with running_command(*arguments) as run:
        return await run.ended(text)
