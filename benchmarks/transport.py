"""What TLS and compression cost, beside the same without: processor time of the server, and memory of a connection."""

from __future__ import annotations

import ssl
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

import trustme

from benchmarks.crowd import PATH, Crowd, frame, subscribe
from benchmarks.measure import Result
from benchmarks.processes import server
from benchmarks.writers import handshake

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.processes import Process

LOOPS: Final = ("asyncio", "trio")
COUNT: Final = 500
ROUNDS: Final = 5
UPDATES: Final = 8
"""In a round, one at a time."""

SIZES: Final = (150, 4_000)
"""Bytes of the text in an update's item."""

PLAIN: Final = "plain"
TLS: Final = "TLS"
COMPRESSED: Final = "compressed"
WORDS: Final = ("state", "shared", "by", "every", "open", "page", "in", "step", "stored", "first")


def run() -> Iterator[Result]:
    """Yield every figure of transports."""
    for loop in LOOPS:
        plain: list[Result] = []
        for kind in (PLAIN, TLS, COMPRESSED):
            with tempfile.TemporaryDirectory() as folder:
                results = list(_measured(Path(folder), loop, kind))
            if kind == PLAIN:
                plain = results
                yield from results
            else:
                yield from (one.against(two) for one, two in zip(results, plain, strict=True))


def _measured(folder: Path, loop: str, kind: str) -> Iterator[Result]:
    with ExitStack() as stack:
        listener, more, context = _transport(folder, kind)
        process = stack.enter_context(
            server(folder, loop, "benchmarks.no_storage", {}, listener, more)
        )
        (writer,) = stack.enter_context(_joined(process, 1, kind, context, "-other")).clients
        stack.enter_context(_joined(process, 50, kind, context, "-other"))
        memory, spent = process.memory(), process.cpu()
        crowd = stack.enter_context(_joined(process, COUNT, kind, context))
        spent, memory = process.cpu() - spent, process.memory() - memory
        case = f"{COUNT} clients, {kind}, {loop}"
        yield Result(f"connect, {case}", spent / COUNT * 1e6, "client")
        yield Result(f"memory, {case}", memory / COUNT / 1024, "client", measure="KiB")
        for size in SIZES:
            best, text = float("inf"), _text(size)
            for number in range(ROUNDS):
                before = process.cpu()
                for part in range(UPDATES):
                    item = {"id": "item", "n": number * UPDATES + part, "text": text}
                    arg = {"insert": [item]}
                    put = {"type": "REQUEST", "cmd": "PUT", "path": PATH, "tunnel": 1, "arg": arg}
                    writer.sock.sendall(frame(put))
                    writer.read_frame()
                    for client in crowd.clients:
                        client.read_frame()
                best = min(best, process.cpu() - before)
            cost = best / (UPDATES * COUNT) * 1e6
            yield Result(f"{size} bytes to {case}", cost, "delivery")


def _transport(
    folder: Path, kind: str
) -> tuple[dict[str, object], dict[str, object], ssl.SSLContext | None]:
    """Return more keys for the listener, more for the document, and what clients need."""
    if kind == COMPRESSED:
        return {}, {"compression": True}, None
    if kind == PLAIN:
        return {}, {}, None
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    cert, key = folder / "cert.pem", folder / "key.pem"
    cert.write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
    key.write_bytes(certificate.private_key_pem.bytes())
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return {"ssl": {"cert": str(cert), "key": str(key)}}, {}, context


def _joined(
    process: Process, count: int, kind: str, context: ssl.SSLContext | None, other: str = ""
) -> Crowd:
    """Return clients that have subscribed, to a collection of their own if there is something in `other`."""
    crowd = Crowd(process.port, count, b"")
    if context is not None:
        for client in crowd.clients:
            client.sock = context.wrap_socket(client.sock, server_hostname="127.0.0.1")
    offer = ["Sec-WebSocket-Extensions: permessage-deflate"] if kind == COMPRESSED else []
    crowd.greet(None, handshake("/", *offer))
    for client in crowd.clients:
        client.sock.sendall(subscribe(PATH + other))
    for client in crowd.clients:
        client.read_frame()  # the reply
        client.read_frame()  # the content
    return crowd


def _text(size: int) -> str:
    """Return words, which compress as words do."""
    text, number = "", 1
    while len(text) < size:
        number = number * 16_807 % 2_147_483_647
        text += f"{WORDS[number % len(WORDS)]} {number % 1000} "
    return text[:size]
