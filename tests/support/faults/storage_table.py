"""What the server says of storage that cannot be used: the page's table.

`python -m tests.support.faults.storage_table` prints it.

Each kind of `broken_storage` twice: there before a start and a check, and coming over a server that runs.
"""

from __future__ import annotations

import json
import re
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anyio

from tests.support.asking import ask
from tests.support.peer import open_client
from tests.support.services import mariadb
from tests.support.services.command import INSTALLED, Command
from tests.support.services.servers import document, until

from .broken_storage import KINDS, USER, Kind, Place, as_server, place_of

if TYPE_CHECKING:
    from collections.abc import Iterator

C: Final = "/app/items/c"
LOOPS: Final = ("asyncio", "trio")
HEAD: Final = (
    "| storage | a start | `check` | `/readyz` | a put | the log |",
    "|---|---|---|---|---|---|",
)
NEVER: Final = "-"
_LEVELS: Final = {"warning", "error", "critical"}


def line(kind: Kind, folder: Path, loop: str, database: mariadb.MariaDb | None = None) -> str:
    """Return the line of the table about one kind, in an empty folder that everybody may enter.

    Raises:
        NoDiskError: it needs a disk of its own, which may not be mounted here.
    """
    if kind.mariadb:
        assert database is not None
        prepare(database)
    with place_of(kind, folder, database) as place:
        service: dict[str, object] = {
            "name": "items",
            "module": "items_service",
            "poll_seconds": 0,
            "config": dict(place.config),
        }
        (folder / "config.json").write_text(json.dumps(document(service)))
        _started_and_stopped(place, loop)
        at_start, running = [NEVER] * 2, [NEVER] * 3
        if kind.at_start:
            with kind.broken(place):
                checked = _check(place)  # first: it creates nothing
                at_start = [_start(place, loop), checked]
                if at_start[0] == at_start[1]:
                    at_start[1] = "the same"
        if place.database is None and not place.file.exists():
            _started_and_stopped(place, loop)
        if kind.running:
            running = anyio.run(_running, kind, place, loop)
    return f"| {' | '.join([kind.name, *at_start, *running])} |"


def _command(place: Place, *arguments: str, log: Path | None = None) -> Command:
    words = [*place.limit, *as_server(), str(INSTALLED), *arguments]
    return Command(*words[1:], folder=place.folder, program=Path(words[0]), log=log)


def _started_and_stopped(place: Place, loop: str) -> None:
    said = _start(place, loop)
    assert said == "it starts", said


def _start(place: Place, loop: str) -> str:
    command = _command(place, "config.json", "--loop", loop)
    try:
        try:
            command.says("Ctrl-C")
        except AssertionError:
            return _refused(command)
        command.send(signal.SIGTERM)
        assert command.finish() == 0, command.errors
        return "it starts"
    finally:
        command.kill()


def _check(place: Place) -> str:
    command = _command(place, "check", "config.json")
    try:
        if command.finish() != 0:
            return _refused(command)
        found = re.search(r"^ok: services.*; (.*)$", command.output, re.MULTILINE)
        return f"ok: {_told(found[1])}" if found else "ok"
    finally:
        command.kill()


def _refused(command: Command) -> str:
    (problem,) = command.errors.splitlines()
    return f"1: {_told(problem)}"


async def _running(kind: Kind, place: Place, loop: str) -> list[str]:
    """Let it come over a server that runs, and be mended; return the cells about that."""
    log = place.folder / "log"
    command = _command(place, "config.json", "--loop", loop, "--log-format", "json", log=log)

    def said() -> list[dict[str, Any]]:
        return [json.loads(text) for text in log.read_text().splitlines()]

    def events() -> list[str]:
        return [line["event"] for line in said()]

    try:
        await until(lambda: "ready" in events())
        place.pid = command.pid
        (port,) = (line["port"] for line in said() if line["event"] == "listening")
        async with open_client(port) as client:
            await client.put(C, {"insert": [{"id": "before"}]})
            with kind.broken(place):
                put = _answer(await client.ask("PUT", C, {"insert": [{"id": "meanwhile"}]}))
                await anyio.sleep(1.5)  # an answer about storage holds for a second
                ready = str((await ask(port, "/readyz"))[0])
            if "storage_down" in events():
                await until(lambda: "storage_back" in events())
            reply = await client.ask("PUT", C, {"insert": [{"id": "after"}]})
            assert reply["ok"] == kind.mends, reply
        command.send(signal.SIGTERM)
        assert await command.finished() == 0
    finally:
        command.kill()
        place.pid = None
    return [ready, put, ", ".join(_logged(said())) or "nothing"]


def _answer(reply: dict[str, Any]) -> str:
    if reply["ok"]:
        return "stored"
    unknown = ", outcome unknown" if "outcome" in reply["error"] else ""
    return f"`{reply['error']['code']}`{unknown}"


def _logged(said: list[dict[str, Any]]) -> Iterator[str]:
    """Yield each event that is worth an operator's attention, once, with the reason of the last that has one."""
    reason = ""
    for each in said:
        if each["level"] in _LEVELS and "repeated" not in each:
            found = re.search(
                r"(?:failed, outcome unknown|failed|no updates): (.*)", each["message"]
            )
            new = f": {_told(found[1])}" if found else ""
            yield f"`{each['event']}`{new if new != reason else ''}"
            reason = new or reason


def _told(problem: str) -> str:
    """Return a complaint without what differs from place to place."""
    text = problem.removeprefix("sharedstate-anyio: ").removeprefix("services[0]: ")
    text = re.sub(r"; it may be stored or not$", "", text)
    text = re.sub(r"\S*/?data/items\.db", "items.db", text)
    text = re.sub(r"^(?:items\.db: )+(items\.db)?", r"\1", text)
    text = re.sub(r"^database \S+ at \S+: ", "", text)
    return re.sub(r" \(.*\)", "", text)


def main() -> None:
    """Print the table."""
    print("\n".join(HEAD))
    with tempfile.TemporaryDirectory() as base:
        template = mariadb.make_template(Path(base))
        (Path(base) / "database").mkdir()
        with mariadb.started(template, Path(base) / "database") as database:
            prepare(database)
            for number, kind in enumerate(KINDS):
                with tempfile.TemporaryDirectory() as folder:
                    print(
                        line(kind, Path(folder), ("asyncio", "trio")[number % 2], database),
                        flush=True,
                    )


def prepare(database: mariadb.MariaDb) -> None:
    """Make the database of the kinds of MariaDB, and its user."""
    for statement in (
        "CREATE DATABASE IF NOT EXISTS sharedstate",
        f"CREATE USER IF NOT EXISTS {USER} IDENTIFIED BY '{USER}'",
        f"GRANT ALL ON sharedstate.* TO {USER}",
    ):
        database.sql(statement)


if __name__ == "__main__":
    main()
