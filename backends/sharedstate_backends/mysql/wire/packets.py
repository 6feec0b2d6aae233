"""Values as literals, and statements joined into packets of a size that the server accepts.

A statement is a `str` with one character for each byte of it (latin-1): for large texts that is many times faster than
decoding and encoding them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .connection import STATEMENT_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from .connection import Connection

PACKET_BYTES: Final = 1024 * 1024
"""Approximate size of packets; a longer text gets a packet of its own."""


def literal(value: str | bytes | int | None) -> str:
    """Return a value as a literal; texts are bytes, and are not converted.

    It relies on the session: in its sql_mode a backslash escapes, and in its character set, UTF-8, no character
    contains the byte of a backslash or a quote.
    """
    if value is None:
        return "NULL"
    if isinstance(value, int):
        return str(value)
    text = (value.encode() if isinstance(value, str) else value).decode("latin-1")
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("\0", "\\0")
    return f"_binary'{escaped}'"


def packets(statements: Sequence[str], max_packet: int) -> list[list[str]]:
    """Return the statements in order, packet by packet; `max_packet` is the server's limit in bytes."""
    return list(batches(statements, min(PACKET_BYTES, max_packet - STATEMENT_BYTES)))


async def send(connection: Connection, statements: Sequence[str]) -> None:
    """Execute statements."""
    for packet in packets(statements, connection.max_packet):
        await connection.run_together(packet)


def batches(texts: Iterable[str], limit: int) -> Iterator[list[str]]:
    """Yield the texts in order, in lists of at most `limit` bytes in total, or of a single text."""
    batch: list[str] = []
    total = 0
    for text in texts:
        size = len(text) + 2  # plus the separator
        if batch and total + size > limit:
            yield batch
            batch, total = [], 0
        batch.append(text)
        total += size
    if batch:
        yield batch
