# ruff: noqa: S608 (the table's name was validated; everything else is a literal)
"""The statements on the tables of one service in MySQL or MariaDB; `mysql_schema` tells what they hold.

A commit, of one collection or of many, takes two round trips. The first locks the heads, so that what is then read
stays true, and reads the rows that matter. The second writes each row once and the heads, and commits. A new
collection takes a third between them: once its head is written, `settle` waits for the end of this commit.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final, NamedTuple

from sharedstate_core.storage import CommitResult, Cursor, Loaded, Row

from .mysql_connection import STATEMENT_BYTES
from .mysql_packets import PACKET_BYTES, batches, joined, literal, packets, send
from .mysql_schema import new_key
from .plan import MAX_TOMBSTONES, Head, Known, Plan, must_prune, names, plan
from .sqlite_schema import table_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sharedstate_core.paths import CollectionPath
    from sharedstate_core.storage import Write

    from .mysql_connection import Connection

_IDS: Final = 500
"""Ids asked for in one statement: few enough for the planner to look each up."""


class Commit(NamedTuple):
    """What one collection's commit asks for."""

    collection: CollectionPath
    writes: Sequence[Write]


class MysqlTables:
    """The statements on one service's tables.

    Args:
        table: a valid name.
        max_tombstones: how many are kept in a collection.
    """

    def __init__(self, table: str, max_tombstones: int = MAX_TOMBSTONES) -> None:
        self._items, self._heads, self._meta = (f"`{name}`" for name in table_names(table))
        self._max_tombstones = max_tombstones
        self._epoch = f"SELECT value FROM {self._meta} WHERE name = 'epoch'"

    async def load(
        self, connection: Connection, collection: CollectionPath, since: Cursor | None
    ) -> Loaded:
        """Return what `Backend.load` promises."""
        _, _, ((epoch,),), heads = await connection.run(
            "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; "
            "START TRANSACTION WITH CONSISTENT SNAPSHOT; "
            f"{self._epoch}; {self._select_heads([collection])}"
        )
        key, _, _, version, horizon, _ = heads[0] if heads else (None, b"", b"", 0, 0, 0)
        epoch = epoch.decode()
        base = None
        if since and since.epoch == epoch and horizon <= since.version <= version:
            base = since.version
        rows, _ = await connection.run(
            f"SELECT id, data, created, place, version FROM {self._items} "
            f"WHERE collection = {literal(key)} AND version > {base or 0}; COMMIT"
        )
        return Loaded(
            epoch, version, horizon, [Row(id.decode(), *rest) for id, *rest in rows], base
        )

    async def settle(self, connection: Connection, collection: CollectionPath) -> None:
        """Wait for the end of a commit whose outcome was lost: it holds the lock on the head until then."""
        await connection.run(f"{self._select_heads([collection])} LOCK IN SHARE MODE")

    async def heads(
        self, connection: Connection, collections: Sequence[CollectionPath]
    ) -> Mapping[CollectionPath, Cursor]:
        """Return the cursor of each collection."""
        (((epoch,),),) = await connection.run(self._epoch)
        versions: dict[tuple[bytes, bytes], int] = {}
        for start in range(0, len(collections), _IDS):
            batch = collections[start : start + _IDS]
            (rows,) = await connection.run(self._select_heads(batch))
            versions.update({(app, name): version for _, app, name, version, _, _ in rows})
        return {
            path: Cursor(
                epoch.decode(), versions.get((path.app.encode(), path.collection.encode()), 0)
            )
            for path in collections
        }

    async def collections(self, connection: Connection, app: str) -> list[str]:
        """Return the names of the app's collections, sorted by code point."""
        (rows,) = await connection.run(
            f"SELECT name FROM {self._heads} WHERE app = {literal(app)} ORDER BY name"
        )
        return [name.decode() for (name,) in rows]

    async def prepare(
        self, connection: Connection, commits: Sequence[Commit]
    ) -> tuple[list[CommitResult], list[str]]:
        """Begin a transaction and write all but its end.

        Returns:
            What came of each commit, once the last packet is carried out, and that packet's statements,
            the last of which is COMMIT.
        """
        paths = [commit.collection for commit in commits]
        wanted = [names(commit.writes) for commit in commits]
        questions = [
            "START TRANSACTION",
            self._epoch,
            f"{self._select_heads(paths)} FOR UPDATE",
            *self._select_rows(paths, wanted, connection.max_packet),
        ]
        results = [
            rows
            for packet in packets(questions, connection.max_packet)
            for rows in await connection.run(joined(packet))
        ]
        ((epoch,),) = results[1]
        heads = {(app, name): (key, *head) for key, app, name, *head in results[2]}
        known: dict[int, dict[str, Known]] = {key: {} for key, *_ in heads.values()}
        for collection, id, *rest in chain.from_iterable(results[3:]):
            known[collection][id.decode()] = Known(*rest)
        answers: list[CommitResult] = []
        changes: list[tuple[int, Plan]] = []
        news: list[str] = []
        for path, writes in commits:
            app, name = path.app.encode(), path.collection.encode()
            key, *head = heads.get((app, name), (None, 0, 0, 0))
            rows = {} if key is None else known[key]
            planned = plan(epoch.decode(), Head(*head), rows, writes, max_text=connection.max_text)
            answers.append(CommitResult(epoch.decode(), planned.outcomes))
            if planned.head == Head(*head):
                continue
            if key is None:
                key = new_key()
                numbers = ", ".join(map(str, planned.head))
                news.append(f"({key}, {literal(app)}, {literal(name)}, {numbers})")
            changes.append((key, planned))
        if news:
            await connection.run(f"INSERT INTO {self._heads} VALUES {', '.join(news)}")
        return answers, await self._write(connection, changes)

    async def _write(
        self, connection: Connection, changes: Sequence[tuple[int, Plan]]
    ) -> list[str]:
        """Write rows and heads; return the statements that are still to be carried out."""
        resets = [str(key) for key, planned in changes if planned.reset]
        statements = [
            f"DELETE FROM {self._items} WHERE collection IN ({', '.join(resets)})"
        ] * bool(resets)
        statements += self._insert(changes, connection.max_packet)
        heads = {key: planned.head for key, planned in changes}
        for key, head in heads.items():
            if must_prune(head, self._max_tombstones):
                await send(connection, statements)
                statements = []
                heads[key] = await self._prune(connection, key, head)
        if heads:
            columns = ", ".join(
                f"{column} = CASE `key` {cases} END"
                for column in Head._fields
                if (
                    cases := " ".join(
                        f"WHEN {k} THEN {getattr(h, column)}" for k, h in heads.items()
                    )
                )
            )
            keys = ", ".join(map(str, heads))
            statements.append(f"UPDATE {self._heads} SET {columns} WHERE `key` IN ({keys})")
        *before, last = packets([*statements, "COMMIT"], connection.max_packet)
        for packet in before:
            await connection.run(joined(packet))
        return last

    def _insert(self, changes: Sequence[tuple[int, Plan]], max_packet: int) -> Iterator[str]:
        rows = (
            f"({key},{literal(id)},{created},{place},{version},{literal(text)})"
            for key, planned in changes
            for id, text, created, place, version in planned.rows.values()
        )
        for batch in batches(rows, min(PACKET_BYTES, max_packet - STATEMENT_BYTES)):
            yield (
                f"INSERT INTO {self._items} (collection, id, created, place, version, data) "
                f"VALUES {','.join(batch)} ON DUPLICATE KEY UPDATE created = VALUES(created), "
                "place = VALUES(place), version = VALUES(version), data = VALUES(data)"
            )

    async def _prune(self, connection: Connection, key: int, head: Head) -> Head:
        """Delete the oldest tombstones, whole versions at a time."""
        tombstones = f"FROM {self._items} WHERE collection = {key} AND created = 0"
        (((horizon,),),) = await connection.run(
            f"SELECT version {tombstones} ORDER BY version "
            f"LIMIT 1 OFFSET {head.tombstones - self._max_tombstones - 1}"
        )
        (((kept,),),) = await connection.run(
            f"SELECT count(*) {tombstones} AND version > {horizon}"
        )
        await connection.run(f"DELETE {tombstones} AND version <= {horizon}")
        return head._replace(horizon=horizon, tombstones=kept)

    def _select_heads(self, collections: Sequence[CollectionPath]) -> str:
        wanted = " OR ".join(
            f"(app = {literal(path.app)} AND name = {literal(path.collection)})"
            for path in collections
        )
        return (
            f"SELECT `key`, app, name, version, horizon, tombstones FROM {self._heads} "
            f"FORCE INDEX (by_name) WHERE {wanted or 'FALSE'}"
        )

    def _select_rows(
        self,
        collections: Sequence[CollectionPath],
        wanted: Sequence[Sequence[str]],
        max_packet: int,
    ) -> Iterator[str]:
        """Yield statements that look for these ids in each collection."""
        selects = (
            f"SELECT item.collection, item.id, item.created, item.place, item.version "
            f"FROM {self._heads} AS head STRAIGHT_JOIN {self._items} AS item "
            f"ON item.collection = head.`key` AND item.id IN ({','.join(map(literal, batch))}) "
            f"WHERE head.app = {literal(path.app)} AND head.name = {literal(path.collection)}"
            for path, ids in zip(collections, wanted, strict=True)
            for batch in (ids[start : start + _IDS] for start in range(0, len(ids), _IDS))
        )
        for batch in batches(selects, min(PACKET_BYTES, max_packet) // 2):
            yield " UNION ALL ".join(batch)
