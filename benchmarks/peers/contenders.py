"""Who takes part: this project, and its peers as far as they are installed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from benchmarks.peers.wires import Relay, ShareDb, SharedState, SocketIo, Yjs
from benchmarks.processes import program, server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from benchmarks.processes import Process

HERE: Final = Path(__file__).parent
PYTHON: Final = HERE / ".venv/bin/python"
MODULES: Final = HERE / "node_modules"
OURS: Final = "SharedState"
"""The first contender: what the others are compared with."""


class Contender(NamedTuple):
    """A server, and how to speak to it."""

    name: str
    wire: Callable[[], Relay]
    start: Callable[[Path], AbstractContextManager[Process]]
    """What starts it: a context manager of its process; it is given an empty folder."""

    missing: str = ""
    """Why it cannot take part; "": it can."""

    @contextmanager
    def running(self, folder: Path) -> Iterator[Process]:
        """Start it, and end it."""
        folder.mkdir(exist_ok=True)
        with self.start(folder) as process:
            yield process


def contenders() -> list[Contender]:
    """Return all of them, ours first."""
    return [
        _ours(OURS, "asyncio", "benchmarks.no_storage"),
        _ours(f"{OURS}, trio", "trio", "benchmarks.no_storage"),
        _ours(f"{OURS}, SQLite", "asyncio", "items_service"),
        _python("websockets", Relay),
        _python("picows", Relay),
        _python("socketify", Relay),
        _node("ws", "ws", Relay),
        _node("socket.io", "socketio", SocketIo),
        _node("y-websocket", "y_websocket", Yjs, "@y/websocket-server"),
        _node("ShareDB", "sharedb", ShareDb),
    ]


def _ours(name: str, loop: str, module: str) -> Contender:
    def start(folder: Path) -> AbstractContextManager[Process]:
        stored = module == "items_service"
        file: dict[str, object] = {"db_type": "sqlite", "db_name": str(folder / "items.db")}
        config = file if stored else {}
        return server(folder, loop, module, config)

    return Contender(name, SharedState, start)


def _python(name: str, wire: type[Relay]) -> Contender:
    installed = [*PYTHON.parent.parent.glob(f"lib/*/site-packages/{name}")]
    missing = "" if installed else "not installed; try: make bench-peers"
    return Contender(name, wire, lambda _: program(PYTHON, HERE / f"{name}_server.py"), missing)


def _node(name: str, file: str, wire: type[Relay], package: str = "") -> Contender:
    installed = (MODULES / (package or name.lower())).exists()
    missing = "" if installed else "not installed; try: make bench-peers"
    return Contender(name, wire, lambda _: program("node", HERE / f"{file}_server.js"), missing)


def present() -> Iterator[Contender]:
    """Return those who can take part; say a line on standard error about each of the others."""
    for contender in contenders():
        if contender.missing:
            skipped(contender, contender.missing)
        else:
            yield contender


def skipped(contender: Contender, why: object) -> None:
    """Say that a contender does not take part."""
    print(f"benchmarks peers: without {contender.name}: {why}", file=sys.stderr)


def versions() -> dict[str, str]:
    """Return the versions of what is installed, by name."""
    found = {}
    for line in (HERE / "requirements.txt").read_text("utf-8").splitlines():
        name, exact, version = line.partition("==")
        if exact and [*PYTHON.parent.parent.glob(f"lib/*/site-packages/{name}")]:
            found[name] = version
    node = json.loads((HERE / "package.json").read_text("utf-8"))["dependencies"]
    found |= {name: version for name, version in node.items() if (MODULES / name).exists()}
    if shutil.which("node"):
        command = ["node", "--version"]
        found["node"] = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return {name: version.strip() for name, version in found.items()}
