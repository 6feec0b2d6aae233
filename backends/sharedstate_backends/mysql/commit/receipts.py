# ruff: noqa: S608 (the table's name was validated; everything else is a literal)
"""The receipts of one service in MySQL or MariaDB (see `sharedstate_core.receipts`): statements, and what is read.

A receipt changes only with the head of its collection, or is forgotten. So one that was read or written is still valid
once the remembered head has been verified, and commits of sessions that this process has seen need not read any.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sharedstate_backends.layout import receipts_table
from sharedstate_backends.mysql.wire.connection import STATEMENT_BYTES
from sharedstate_backends.mysql.wire.packets import PACKET_BYTES, batches, literal
from sharedstate_core.receipts import Receipt

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sharedstate_backends.mysql.tables.tables import Tables
    from sharedstate_backends.mysql.wire.connection import Connection
    from sharedstate_core.paths import CollectionPath

FORGOTTEN: Final = 1_000
"""Maximum number of receipts deleted at once."""

MOST_OF_ONE: Final = 256
"""Maximum number of sessions whose receipts are remembered of one collection: those last read or written."""

_SESSIONS: Final = 500
"""Maximum number of sessions in one query."""


def select(
    tables: Tables, wanted: Mapping[CollectionPath, Sequence[str]], max_packet: int
) -> Iterator[str]:
    """Yield statements that look for the receipts of these sessions in each collection."""
    name = f"`{receipts_table(tables.table)}`"
    selects = (
        "SELECT receipt.collection, receipt.session, receipt.last, receipt.stored, receipt.refused, "
        f"receipt.time FROM {tables.heads_table} AS head STRAIGHT_JOIN {name} AS receipt "
        f"ON receipt.collection = head.`key` AND receipt.session IN ({','.join(map(literal, batch))}) "
        f"WHERE head.app = {literal(path.app)} AND head.name = {literal(path.collection)}"
        for path, sessions in wanted.items()
        for batch in (sessions[at : at + _SESSIONS] for at in range(0, len(sessions), _SESSIONS))
    )
    for batch in batches(selects, min(PACKET_BYTES, max_packet) // 2):
        yield " UNION ALL ".join(batch)


def read(row: Sequence[Any]) -> tuple[int, str, Receipt]:
    """Return a collection's key, a session and its receipt, from a row of `select`."""
    key, session, last, stored, refused, time = row
    return key, session.decode(), Receipt.of(last, stored, refused.decode(), time)


def insert(
    tables: Tables, receipts: Iterable[tuple[int, str, Receipt]], max_packet: int
) -> Iterator[str]:
    """Yield statements that write receipts, each with its collection's key and its session; none if there are none."""
    values = (
        f"({key},{literal(session)},{','.join([literal(each) for each in receipt.columns()])})"
        for key, session, receipt in receipts
    )
    for batch in batches(values, min(PACKET_BYTES, max_packet - STATEMENT_BYTES)):
        yield (
            f"INSERT INTO `{receipts_table(tables.table)}` (collection, session, last, stored, refused, time) "
            f"VALUES {','.join(batch)} ON DUPLICATE KEY UPDATE last = VALUES(last), "
            "stored = VALUES(stored), refused = VALUES(refused), time = VALUES(time)"
        )


def remember(
    before: dict[str, Receipt], read: Mapping[str, Receipt], written: Mapping[str, Receipt]
) -> dict[str, Receipt]:
    """Return what is remembered of a collection after a commit, without those that nobody has used for the longest."""
    if not (read or written):
        return before
    after = {
        session: receipt
        for session, receipt in before.items()
        if session not in read and session not in written
    }
    after |= {**read, **written}
    for session in list(after)[: max(0, len(after) - MOST_OF_ONE)]:
        del after[session]
    return after


async def forget(connection: Connection, table: str, before: int, most: int) -> int:
    """Delete some of the oldest receipts, at most `FORGOTTEN`; return how many it were."""
    name = f"`{receipts_table(table)}`"
    (found,) = await connection.run(
        f"SELECT collection, COUNT(*) FROM {name} GROUP BY collection "
        f"HAVING COUNT(*) > {most} OR MIN(time) < {before}"
    )
    left = FORGOTTEN
    for key, count in found:
        oldest = f"DELETE FROM {name} WHERE collection = {key}"
        old = await _delete(connection, f"{oldest} AND time < {before}", left)
        left -= old
        if left > 0 and count - old > most:
            left -= await _delete(connection, oldest, min(count - old - most, left))
        if left <= 0:
            break
    return FORGOTTEN - left


async def _delete(connection: Connection, oldest: str, most: int) -> int:
    """Delete the oldest, at most so many; return how many it were."""
    *_, ((deleted,),) = await connection.run(
        f"{oldest} ORDER BY time LIMIT {most}; SELECT ROW_COUNT()"
    )
    return int(deleted)
