# ruff: noqa: S608 (the table's name was validated; everything else is a literal)
"""How a transaction in MySQL or MariaDB begins: it locks heads, and reads or verifies them."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final, NamedTuple

from sharedstate_backends.history.vectors import STARTS, find_lost
from sharedstate_backends.mysql.wire.packets import PACKET_BYTES, batches, literal, packets
from sharedstate_backends.plan import Known

from .receipts import read, select

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from sharedstate_backends.history.vectors import Lost, State
    from sharedstate_backends.mysql.tables.heads import Stored
    from sharedstate_backends.mysql.tables.tables import Tables
    from sharedstate_backends.mysql.wire.connection import Connection
    from sharedstate_core.paths import CollectionPath
    from sharedstate_core.receipts import Receipt

_IDS: Final = 500
"""Maximum number of ids in one query: few enough for the planner to look each up."""

_TOO_LARGE: Final = 2**63 - 1
"""The largest BIGINT: adding one makes a statement fail, whatever the sql_mode."""


class Locked(NamedTuple):
    """What was read, which stays valid until the end of the transaction.

    Attributes:
        heads: the head of each collection.
        known: for each collection, the rows of the requested ids.
        receipts: for each collection, the receipts of the requested sessions.
        lost: collections that do not go on from what is remembered; if any, the heads have a new epoch.
    """

    heads: dict[CollectionPath, Stored]
    known: dict[CollectionPath, dict[str, Known]]
    receipts: dict[CollectionPath, dict[str, Receipt]]
    lost: list[Lost]


async def lock(
    connection: Connection,
    tables: Tables,
    wanted: Mapping[CollectionPath, Sequence[str]],
    remembered: Mapping[CollectionPath, State],
    patched: Mapping[CollectionPath, Collection[str]],
    sessions: Mapping[CollectionPath, Sequence[str]],
) -> Locked:
    """Begin a transaction, lock and read the heads of collections, and read the rows of these ids.

    Of those that are `patched` the texts are read, too, and the receipts of these sessions.
    """
    selects = list(select(tables, sessions, connection.max_packet))
    questions = [
        "START TRANSACTION",
        f"{tables.meta.select_starts} LOCK IN SHARE MODE",  # otherwise a restore might come in between
        f"{tables.select_heads(list(wanted))} FOR UPDATE",
        *selects,
        *_select_rows(tables, wanted, patched, connection.max_packet),
    ]
    answers = [
        rows
        for packet in packets(questions, connection.max_packet)
        for rows in await connection.run_together(packet)
    ]
    starts, floor = tables.meta.starts(answers[1])
    heads = tables.found(answers[2], list(wanted), starts.epoch, floor)
    paths = {stored.key: path for path, stored in heads.items()}
    known: dict[CollectionPath, dict[str, Known]] = {}
    receipts: dict[CollectionPath, dict[str, Receipt]] = {}
    for key, session, receipt in map(read, chain.from_iterable(answers[3 : 3 + len(selects)])):
        receipts.setdefault(paths[key], {})[session] = receipt
    for key, id, *rest in chain.from_iterable(answers[3 + len(selects) :]):
        known.setdefault(paths[key], {})[id.decode()] = Known(*rest)
    states = {path: heads[path].state for path in wanted} | {STARTS: starts}
    lost: list[Lost] = []
    if find_lost(remembered, states):
        noted = await tables.meta.lock(connection)
        renewed, lost = await tables.meta.verify(connection, noted, remembered, states)
        for path, stored in heads.items():
            heads[path] = stored._replace(state=stored.state._replace(epoch=renewed))
    return Locked(heads, known, receipts, lost)


def make_sure(tables: Tables, heads: Sequence[Stored]) -> str:
    """Return a statement that locks these heads, and fails with `OUT_OF_RANGE` if one of them has changed."""
    rows = " OR ".join(
        f"(`key` = {key} AND version = {head.version} AND tombstones = {head.tombstones} "
        f"AND writers = {literal(state.writers)})"
        for state, key, head in heads
    )
    return (
        f"SELECT IF(COUNT(*) = {len(heads)} AND ({tables.meta.select_epoch}) = {literal(heads[0].state.epoch)}, 0, "
        f"COUNT(*) + 1 + {_TOO_LARGE}) "
        f"FROM {tables.heads_table} FORCE INDEX (PRIMARY) WHERE {rows} FOR UPDATE"
    )


def _select_rows(
    tables: Tables,
    wanted: Mapping[CollectionPath, Sequence[str]],
    patched: Mapping[CollectionPath, Collection[str]],
    max_packet: int,
) -> Iterator[str]:
    """Yield statements that look for these ids in each collection, with the texts of some."""
    if any(patched.values()):
        others = {
            path: [id for id in ids if id not in patched[path]] for path, ids in wanted.items()
        }
        with_texts = {path: list(ids) for path, ids in patched.items()}
        yield from _selects(tables, with_texts, max_packet, ", item.data")
        wanted = others
    yield from _selects(tables, wanted, max_packet)


def _selects(
    tables: Tables,
    wanted: Mapping[CollectionPath, Sequence[str]],
    max_packet: int,
    further: str = "",
) -> Iterator[str]:
    selects = (
        f"SELECT item.collection, item.id, item.created, item.place, item.version{further} "
        f"FROM {tables.heads_table} AS head STRAIGHT_JOIN {tables.items_table} AS item "
        f"ON item.collection = head.`key` AND item.id IN ({','.join(map(literal, batch))}) "
        f"WHERE head.app = {literal(path.app)} AND head.name = {literal(path.collection)}"
        for path, ids in wanted.items()
        for batch in (ids[start : start + _IDS] for start in range(0, len(ids), _IDS))
    )
    for batch in batches(selects, min(PACKET_BYTES, max_packet) // 2):
        yield " UNION ALL ".join(batch)
