# ruff: noqa: S608 (the table's name was validated; everything else is a literal)
"""Transactions in MySQL or MariaDB: what is asked, written and remembered for commits of many collections.

Where the heads are remembered (see `mysql_heads`) and no condition depends on a row, all of it is one packet: lock the
heads and make sure of them, write each row once and the heads, COMMIT. Otherwise a packet before it locks the heads
and reads them, and the rows that matter. If a collection is new, another one between them writes its head: from then
on `MysqlTables.settle` waits for the end of this transaction.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final, NamedTuple

from sharedstate_core.storage import CommitResult

from .mysql_heads import Left, Memory, Stored
from .mysql_packets import PACKET_BYTES, batches, literal, packets, send
from .mysql_rows import statements
from .mysql_schema import new_key
from .plan import MAX_TOMBSTONES, Head, Known, Plan, must_prune, names, plan

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from sharedstate_core.paths import CollectionPath
    from sharedstate_core.storage import Write

    from .mysql_connection import Connection
    from .mysql_tables import MysqlTables

_IDS: Final = 500
"""Ids asked for in one statement: few enough for the planner to look each up."""

_TOO_LARGE: Final = 2**63 - 1
"""The largest BIGINT: with one more, a statement fails, whatever the sql_mode."""


class Commit(NamedTuple):
    """What one collection's commit asks for."""

    collection: CollectionPath
    writes: Sequence[Write]


class Prepared(NamedTuple):
    """A transaction that is written but for its end.

    Attributes:
        results: what came of each commit, once the last packet is carried out.
        last: that packet's statements, the last of which is COMMIT.
        left: how it leaves the heads then.
        changed: the collections to which it writes.
    """

    results: list[CommitResult]
    last: list[str]
    left: dict[CollectionPath, Left]
    changed: Collection[CollectionPath]


class MysqlCommits:
    """The commits to one service's tables.

    Args:
        tables: which.
        max_tombstones: how many are kept in a collection.
    """

    def __init__(self, tables: MysqlTables, max_tombstones: int = MAX_TOMBSTONES) -> None:
        self._tables = tables
        self._max_tombstones = max_tombstones
        self._memory = Memory()

    async def prepare(self, connection: Connection, commits: Sequence[Commit]) -> Prepared:
        """Begin a transaction, of each collection once, and write all but its end."""
        paths = [commit.collection for commit in commits]
        wanted = {path: names(writes) for path, writes in commits}
        before = self._memory.take(paths)
        known: dict[CollectionPath, dict[str, Known]] = {}
        if connection.is_warm and not any(wanted.values()) and _can_be_relied_on(before, paths):
            heads = {path: before[path].stored for path in paths}
            begin = ["START TRANSACTION", self._make_sure(list(heads.values()))]
        else:
            heads, known = await self._lock(connection, wanted)
            begin = []
        plans: dict[CollectionPath, Plan] = {}
        for path, writes in commits:
            rows = known.get(path, {})
            plans[path] = plan(
                heads[path].epoch,
                heads[path].head,
                {id: rows.get(id) for id in wanted[path]},
                writes,
                max_text=connection.max_text,
            )
        changes = {path: each for path, each in plans.items() if each.head != heads[path].head}
        keys = await self._keys(connection, heads, changes)
        last = await self._write(connection, begin, [(keys[path], changes[path]) for path in keys])
        results = [CommitResult(heads[path].epoch, plans[path].outcomes) for path in paths]
        left = {
            path: Left(
                Stored(stored.epoch, keys.get(path, stored.key), plans[path].head),
                alone=stored.key is None or (path in before and before[path].stored == stored),
            )
            for path, stored in heads.items()
        }
        return Prepared(results, last, left, keys)

    def stored(self, prepared: Prepared) -> None:
        """Hear that a transaction's last packet was carried out."""
        self._memory.keep(prepared.left)

    async def _lock(
        self, connection: Connection, wanted: Mapping[CollectionPath, Sequence[str]]
    ) -> tuple[dict[CollectionPath, Stored], dict[CollectionPath, dict[str, Known]]]:
        """Begin a transaction, and return the heads and, of the ids that are wanted, what is there."""
        questions = [
            "START TRANSACTION",
            self._tables.select_epoch,
            f"{self._tables.select_heads(list(wanted))} FOR UPDATE",
            *self._select_rows(wanted, connection.max_packet),
        ]
        answers = [
            rows
            for packet in packets(questions, connection.max_packet)
            for rows in await connection.run_together(packet)
        ]
        ((epoch,),) = answers[1]
        found = {(app, name): (key, Head(*head)) for key, app, name, *head in answers[2]}
        heads: dict[CollectionPath, Stored] = {}
        paths: dict[int, CollectionPath] = {}
        for path in wanted:
            key, head = found.get((path.app.encode(), path.collection.encode()), (None, Head()))
            heads[path] = Stored(epoch.decode(), key, head)
            if key is not None:
                paths[key] = path
        known: dict[CollectionPath, dict[str, Known]] = {}
        for key, id, *rest in chain.from_iterable(answers[3:]):
            known.setdefault(paths[key], {})[id.decode()] = Known(*rest)
        return heads, known

    def _make_sure(self, heads: Sequence[Stored]) -> str:
        """Return a statement that locks these heads, and fails with `OUT_OF_RANGE` if one of them has changed."""
        rows = " OR ".join(
            f"(`key` = {key} AND version = {head.version} AND tombstones = {head.tombstones})"
            for _, key, head in heads
        )
        return (
            f"SELECT IF(COUNT(*) = {len(heads)} AND ({self._tables.select_epoch}) = {literal(heads[0].epoch)}, 0, "
            f"COUNT(*) + 1 + {_TOO_LARGE}) "
            f"FROM {self._tables.heads_table} FORCE INDEX (PRIMARY) WHERE {rows} FOR UPDATE"
        )

    async def _keys(
        self,
        connection: Connection,
        heads: Mapping[CollectionPath, Stored],
        changes: Mapping[CollectionPath, Plan],
    ) -> dict[CollectionPath, int]:
        """Return the keys of the collections that change; write the heads of those that are new."""
        keys: dict[CollectionPath, int] = {}
        news: list[str] = []
        for path, planned in changes.items():
            key = heads[path].key
            if key is None:
                key = new_key()
                names = f"{literal(path.app)}, {literal(path.collection)}"
                news.append(f"({key}, {names}, {', '.join(map(str, planned.head))})")
            keys[path] = key
        if news:
            await connection.run(f"INSERT INTO {self._tables.heads_table} VALUES {', '.join(news)}")
        return keys

    async def _write(
        self,
        connection: Connection,
        begin: Sequence[str],
        changes: Sequence[tuple[int, Plan]],
    ) -> list[str]:
        """Begin so, write rows and heads; return the statements that are still to be carried out."""
        waiting = [*begin, *statements(self._tables.items_table, changes, connection.max_packet)]
        for key, planned in changes:
            if must_prune(planned.head, self._max_tombstones):
                await send(connection, waiting)
                waiting = []
                planned.head = await self._prune(connection, key, planned.head)
        if changes:
            columns = ", ".join(
                f"{column} = CASE `key` {cases} END"
                for column in Head._fields
                if (
                    cases := " ".join(
                        f"WHEN {key} THEN {getattr(planned.head, column)}"
                        for key, planned in changes
                    )
                )
            )
            keys = ", ".join(str(key) for key, _ in changes)
            waiting.append(
                f"UPDATE {self._tables.heads_table} SET {columns} WHERE `key` IN ({keys})"
            )
        *before, last = packets([*waiting, "COMMIT"], connection.max_packet)
        for packet in before:
            await connection.run_together(packet)
        return last

    async def _prune(self, connection: Connection, key: int, head: Head) -> Head:
        """Count the tombstones, and delete the oldest, whole versions at a time, if there are too many."""
        tombstones = f"FROM {self._tables.items_table} WHERE collection = {key} AND created = 0"
        (((count,),),) = await connection.run(f"SELECT count(*) {tombstones}")
        if count <= self._max_tombstones:
            return head._replace(tombstones=count)
        (((horizon,),),) = await connection.run(
            f"SELECT version {tombstones} ORDER BY version "
            f"LIMIT 1 OFFSET {count - self._max_tombstones - 1}"
        )
        _, ((deleted,),) = await connection.run_together(
            [f"DELETE {tombstones} AND version <= {horizon}", "SELECT ROW_COUNT()"]
        )
        return head._replace(horizon=horizon, tombstones=count - deleted)

    def _select_rows(
        self, wanted: Mapping[CollectionPath, Sequence[str]], max_packet: int
    ) -> Iterator[str]:
        """Yield statements that look for these ids in each collection."""
        selects = (
            f"SELECT item.collection, item.id, item.created, item.place, item.version "
            f"FROM {self._tables.heads_table} AS head STRAIGHT_JOIN {self._tables.items_table} AS item "
            f"ON item.collection = head.`key` AND item.id IN ({','.join(map(literal, batch))}) "
            f"WHERE head.app = {literal(path.app)} AND head.name = {literal(path.collection)}"
            for path, ids in wanted.items()
            for batch in (ids[start : start + _IDS] for start in range(0, len(ids), _IDS))
        )
        for batch in batches(selects, min(PACKET_BYTES, max_packet) // 2):
            yield " UNION ALL ".join(batch)


def _can_be_relied_on(
    before: Mapping[CollectionPath, Left], paths: Sequence[CollectionPath]
) -> bool:
    """Tell whether all heads are remembered, are likely to be right, and can be asked about at once."""
    return (
        len(before) == len(paths)
        and all(left.alone and left.stored.key is not None for left in before.values())
        and len({left.stored.epoch for left in before.values()}) == 1
    )
