"""Statements put together to packets that the server takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from .mysql_connection import Connection

PACKET_BYTES: Final = 1024 * 1024
"""Statements are sent in packets of about this size; a longer text has a packet of its own."""

OVERHEAD: Final = 1024
"""Room for what surrounds one text in a packet: an id of 255 bytes, escaped, and the statement."""


def joined(statements: Sequence[str]) -> str:
    """Return statements as one packet's text."""
    return "; ".join(statements)


def packets(statements: Sequence[str], most: int) -> list[list[str]]:
    """Return the statements in order, packet by packet; `most` is the server's limit in bytes."""
    return list(batches(statements, min(PACKET_BYTES, most - OVERHEAD)))


async def send(connection: Connection, statements: Sequence[str]) -> None:
    """Carry out statements."""
    for packet in packets(statements, connection.max_packet):
        await connection.run(joined(packet))


def batches(texts: Iterable[str], most: int) -> Iterator[list[str]]:
    """Yield the texts in order, in lists that have together at most `most` bytes, or hold a single one."""
    batch: list[str] = []
    total = 0
    for text in texts:
        size = len(text) + 2  # literals have a character for each byte; names are ASCII
        if batch and total + size > most:
            yield batch
            batch, total = [], 0
        batch.append(text)
        total += size
    if batch:
        yield batch
