"""The command `sharedstate-anyio` as a process of its own."""

from __future__ import annotations

import os
import re
import select
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio.to_thread

from sharedstate_anyio.ops.cautions import ROOT

if TYPE_CHECKING:
    import signal
    from collections.abc import Iterator

SECONDS: Final = 60.0
"""How long anything may take before a test gives up."""
INSTALLED: Final = Path(sys.executable).with_name("sharedstate-anyio")


class Command:
    """One run of the command.

    Attributes:
        output: standard output so far; complete once it has ended.
        errors: standard error, once it has ended; unless it goes to the file `log`. It is `without_root`.
    """

    def __init__(
        self, *arguments: str, folder: Path, program: Path = INSTALLED, log: Path | None = None
    ) -> None:
        with Path(log or os.devnull).open("ab") as file:
            self._process = subprocess.Popen(
                [program, *arguments],
                cwd=folder,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE if log is None else file,
                stdin=subprocess.DEVNULL,
            )
        self.output = ""
        self.errors = ""

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    @property
    def port(self) -> int:
        """The port that it says it listens on; waits until it has started."""
        return int(self.says(r" port (\d+)\n.*Ctrl-C")[1])

    def says(self, pattern: str) -> re.Match[str]:
        """Wait until standard output holds this."""
        deadline = time.monotonic() + SECONDS
        while (found := re.search(pattern, self.output, re.DOTALL)) is None:
            assert self._process.stdout is not None
            out = self._process.stdout.fileno()
            ready, _, _ = select.select([out], [], [], max(0, deadline - time.monotonic()))
            data = os.read(out, 1 << 16) if ready else b""
            if not data:
                self.kill()
                raise AssertionError(f"waited in vain for {pattern!r}: {self.output}{self.errors}")
            self.output += data.decode()
        return found

    def halted(self) -> None:
        """Wait until it stands still, or has ended."""
        deadline = time.monotonic() + SECONDS
        states = os.WSTOPPED | os.WEXITED | os.WNOWAIT | os.WNOHANG
        while os.waitid(os.P_PID, self.pid, states) is None:
            assert time.monotonic() < deadline, "it goes on"
            time.sleep(0.01)

    def send(self, signum: signal.Signals) -> None:
        """Send a signal."""
        self._process.send_signal(signum)

    def finish(self) -> int:
        """Wait for the end; return the exit status, negative for a signal."""
        output, errors = self._process.communicate(timeout=SECONDS)
        self.output += output.decode()
        self.errors += without_root((errors or b"").decode())
        return self._process.returncode

    async def finished(self) -> int:
        """Do as `finish`, while others run."""
        return await anyio.to_thread.run_sync(self.finish)

    def kill(self) -> None:
        """End it, whatever it does."""
        if self._process.returncode is None:
            self._process.kill()
            self.finish()


def without_root(errors: str) -> str:
    """Leave out the warning that tests run as root, if they do: it has a test of its own."""
    return "".join(line for line in errors.splitlines(keepends=True) if ROOT not in line)


def one_line(errors: str) -> str:
    """Check that what it said to standard error is one readable line; return it."""
    (line,) = errors.splitlines()
    assert line.startswith("sharedstate-anyio: ")
    assert "Traceback" not in line
    return line


@contextmanager
def started(
    *arguments: str, folder: Path, program: Path = INSTALLED, log: Path | None = None
) -> Iterator[Command]:
    """Run the command; it is gone at the end of the block."""
    command = Command(*arguments, folder=folder, program=program, log=log)
    try:
        yield command
    finally:
        command.kill()
