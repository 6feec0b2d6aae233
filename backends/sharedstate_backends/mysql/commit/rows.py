# ruff: noqa: S608 (the table's name was validated; everything else is a literal)
"""The statements that write the rows of planned commits, whatever their collections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sharedstate_backends.mysql.wire.connection import STATEMENT_BYTES
from sharedstate_backends.mysql.wire.packets import PACKET_BYTES, batches, literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sharedstate_backends.plan import Plan
    from sharedstate_core.storage import Row

REMOVED: Final = 100
"""Maximum number of ids removed by one statement, which searches them for the version of each row."""

_REPLACED: Final = "created = VALUES(created), place = VALUES(place)"

_KEPT: Final = (  # in this order: once assigned, a column has its new value
    "place = IF(created, place, VALUES(place)), created = IF(created, created, VALUES(created))"
)


def statements(table: str, changes: Sequence[tuple[int, Plan]], max_packet: int) -> Iterator[str]:
    """Yield the statements, none if nothing changes.

    Args:
        table: quoted name of the table of items.
        changes: what is written to each collection, by its key.
        max_packet: the server's limit, in bytes.
    """
    resets = [str(key) for key, planned in changes if planned.reset]
    if resets:
        yield f"DELETE FROM {table} WHERE collection IN ({', '.join(resets)})"
    for column, kept in (("rows", _REPLACED), ("upserts", _KEPT)):
        rows = ((key, getattr(planned, column).values()) for key, planned in changes)
        yield from _insert(table, rows, kept, max_packet)
    for key, planned in changes:
        removals = list(planned.removals.items())
        for start in range(0, len(removals), REMOVED):
            yield _remove(table, key, removals[start : start + REMOVED])


def _insert(
    table: str, rows: Iterable[tuple[int, Iterable[Row]]], kept: str, max_packet: int
) -> Iterator[str]:
    values = (
        f"({key},{literal(row.id)},{row.created},{row.place},{row.version},{literal(row.text)})"
        for key, each in rows
        for row in each
    )
    for batch in batches(values, min(PACKET_BYTES, max_packet - STATEMENT_BYTES)):
        yield (
            f"INSERT INTO {table} (collection, id, created, place, version, data) "
            f"VALUES {','.join(batch)} ON DUPLICATE KEY UPDATE {kept}, "
            "version = VALUES(version), data = VALUES(data)"
        )


def _remove(table: str, key: int, removals: Sequence[tuple[str, int]]) -> str:
    ids = {literal(id): version for id, version in removals}
    versions = " ".join(f"WHEN {id} THEN {version}" for id, version in ids.items())
    return (
        f"UPDATE {table} SET data = NULL, created = 0, place = 0, version = CASE id {versions} END "
        f"WHERE collection = {key} AND id IN ({','.join(ids)}) AND created"
    )
