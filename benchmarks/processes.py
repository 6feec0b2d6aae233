"""Processes that are measured from outside: how much of a processor they have used, how much memory they hold."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).resolve().parent.parent


class Process:
    """A process under way (Linux).

    Attributes:
        port: where it listens.
        pid: its number.
    """

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self._process = process
        self.port = port
        self.pid = process.pid

    def cpu(self) -> float:
        """Return the seconds of processor time that it has used, its threads and the kernel on its behalf included."""
        # The clock of another process, as clock_getcpuclockid(3) makes it.
        return time.clock_gettime((~self._process.pid << 3) | 2)

    def memory(self) -> int:
        """Return the bytes of physical memory that it holds."""
        pages = Path(f"/proc/{self._process.pid}/statm").read_text("ascii").split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def metrics(self) -> dict[str, float]:
        """Return the metrics of a server, by name and labels."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics") as response:
            lines = response.read().decode().splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        return {name: float(value) for name, value in pairs}

    def command(self, line: str) -> str:
        """Send it one line, wait for one and return it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        if not (answer := self._process.stdout.readline()):
            raise RuntimeError("the process has ended")
        return answer


@contextmanager
def program(*command: str | Path, until: str = "") -> Iterator[Process]:
    """Run a program that prints `port N` before it prints `until`; it is killed at the end."""
    packages = (ROOT, ROOT / "adapters", ROOT / "backends")  # these, whatever is installed
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, packages))}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            assert process.stdout is not None
            output = ""
            while not (found := re.search(r"\bport (\d+)\n", output)) or until not in output:
                line = process.stdout.readline()
                if not line:
                    raise RuntimeError(f"{command[0]} did not start: {output}")
                output += line
            yield Process(process, int(found[1]))
        finally:
            process.kill()


@contextmanager
def server(
    folder: Path,
    loop: str,
    module: str,
    config: dict[str, object],
    listener: dict[str, object] | None = None,
    more: dict[str, object] | None = None,
    limits: Mapping[str, float] | None = None,
) -> Iterator[Process]:
    """Run a server with one service called `items`, with more keys for its listener, the document and its limits."""
    document = {
        **(more or {}),
        "service": {"port": 0, **(listener or {})},
        "limits": {"ping_seconds": 0, **(limits or {})},  # nobody here answers
        "services": [{"name": "items", "module": module, "config": config}],
    }
    file = folder / "config.json"
    file.write_text(json.dumps(document), "utf-8")
    command = Path(sys.executable).with_name("sharedstate-anyio")
    with program(command, file, "--loop", loop, until="Ctrl-C") as process:
        yield process
