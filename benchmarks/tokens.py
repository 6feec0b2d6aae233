"""What it costs to know who clients are: many reconnect at once, each with a token of its own, beside none."""

from __future__ import annotations

import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from benchmarks.crowd import PATH, Client, Crowd, frame, subscribe
from benchmarks.measure import Result
from benchmarks.processes import server

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.processes import Process

LOOPS: Final = ("asyncio", "trio")
COUNT: Final = 10_000
AGAIN: Final = 1_000
"""How many of them come back, before their tokens have to be verified again."""

OUTSTANDING: Final = 200
"""How many connect at once."""

SECRET: Final = "a secret of the benchmark, long enough to sign with"
RULES: Final = [{"path": "/app/items/*", "read": "user != null", "write": "user.role == 'staff'"}]

NOBODY: Final = "nobody signs in"
HS256: Final = "HS256"
ES256: Final = "ES256"


def run() -> Iterator[Result]:
    """Yield the costs of a client that connects, signs in and subscribes; and its memory."""
    for loop in LOOPS:
        alone: list[Result] = []
        for kind in (NOBODY, HS256, ES256):
            with tempfile.TemporaryDirectory() as folder:
                results = list(_measured(Path(folder), loop, kind))
            if kind == NOBODY:
                alone = results
                yield from results
            else:
                yield from (one.against(two) for one, two in zip(results, alone, strict=True))


def _measured(folder: Path, loop: str, kind: str) -> Iterator[Result]:
    """Let them connect; then some come back, whose tokens the server has verified lately."""
    more, openings = _openings(folder, kind)
    case = f"{kind}, {loop}, {COUNT} clients"
    with (
        server(folder, loop, "benchmarks.no_storage", {}, more=more) as process,
        _connected(process, openings[COUNT:]),  # so that all is loaded that is loaded once
    ):
        memory, spent = process.memory(), process.cpu()
        with _connected(process, openings[:COUNT]):
            spent = process.cpu() - spent
            memory = process.memory() - memory
        _leave(process)
        again = process.cpu()
        with _connected(process, openings[COUNT - AGAIN : COUNT]):
            again = process.cpu() - again
    yield Result(f"the first time, {case}", spent / COUNT * 1e6, "client")
    yield Result(f"{AGAIN} of them once more, {case}", again / AGAIN * 1e6, "client")
    yield Result(f"memory, {case}", memory / COUNT / 1024, "client", measure="KiB")


def _openings(folder: Path, kind: str) -> tuple[dict[str, object], Sequence[bytes]]:
    """Return more keys of the configuration, and what each client says first: some more than are counted."""
    count = COUNT + OUTSTANDING
    if kind == NOBODY:
        return {}, [subscribe(PATH)] * count
    key: Any = SECRET
    trusted = {"secret": SECRET}
    if kind == ES256:
        key = ec.generate_private_key(ec.SECP256R1())
        form = (Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        file = folder / "public.pem"
        file.write_bytes(key.public_key().public_bytes(*form))
        trusted = {"key": str(file)}
    expires = int(time.time()) + 24 * 3600
    openings = []
    for number in range(count):
        claims = {"sub": f"user {number}", "role": "member", "exp": expires}
        token = jwt.encode(claims, key, algorithm=kind)
        request = {"type": "REQUEST", "cmd": "PUT", "path": "/session", "arg": {"token": token}}
        openings.append(frame(request) + subscribe(PATH))
    return {"auth": {"jwt": trusted}, "rules": RULES}, openings


@contextmanager
def _connected(process: Process, openings: Sequence[bytes]) -> Iterator[None]:
    """Let clients connect, each of which says something of its own, until all have what they subscribe to."""
    with Crowd(process.port, 0, b"") as crowd:
        for first in range(0, len(openings), OUTSTANDING):
            theirs = openings[first : first + OUTSTANDING]
            batch = [Client(process.port) for _ in theirs]
            crowd.clients += batch
            crowd.greet(batch)
            for client, opening in zip(batch, theirs, strict=True):
                client.sock.sendall(opening)
            for client in batch:
                client.read_until(b'"NOTIFY"')
        yield


def _leave(process: Process) -> None:
    """Wait until the server knows that all who are counted have left."""
    while process.metrics()["sharedstate_connections"] > OUTSTANDING:
        time.sleep(0.05)
