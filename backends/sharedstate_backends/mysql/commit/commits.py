# ruff: noqa: S608 (the table's name was validated; everything else is a literal)
"""Transactions in MySQL or MariaDB: what is read, written and remembered for commits to many collections.

If the heads are remembered (see `tables.heads`), with the receipts of those sessions that number their updates, and
nothing depends on a row, neither a condition nor a patch, a
transaction is one packet: lock the heads and verify them, write each row once and the heads, COMMIT. Otherwise a packet
before it locks and reads the heads and the rows that matter. If a collection is new, another packet in between writes
its head: from then on `Tables.settle` waits for the end of this transaction. In no case is anything written to a
collection that does not go on from what this process has reported, unless under a new epoch (see `history`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sharedstate_backends.collection_limit import MAX_COLLECTIONS, CollectionLimit
from sharedstate_backends.history.vectors import STARTS, State, with_writer
from sharedstate_backends.mysql.tables.heads import Left, Memory, Stored
from sharedstate_backends.mysql.tables.schema import new_key
from sharedstate_backends.mysql.wire.packets import literal, packets, send
from sharedstate_backends.plan import (
    MAX_TOMBSTONES,
    Head,
    Plan,
    must_prune,
    names,
    patched_ids,
    plan,
)
from sharedstate_core.receipts import sessions
from sharedstate_core.storage import CommitResult

from .locking import Locked, lock, make_sure
from .receipts import insert, remember
from .rows import statements

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from sharedstate_backends.batching import Commit
    from sharedstate_backends.history.guard import Guard
    from sharedstate_backends.history.vectors import Lost
    from sharedstate_backends.mysql.tables.tables import Tables
    from sharedstate_backends.mysql.wire.connection import Connection
    from sharedstate_core.paths import CollectionPath


class Change(NamedTuple):
    """What is written to one collection, the head before it, and the version vector after it."""

    key: int
    before: Head
    plan: Plan
    writers: str


class Prepared(NamedTuple):
    """A transaction that is complete except for its last packet.

    Attributes:
        results: the result of each commit, once the last packet has been executed.
        last: the statements of that packet, the last of which is COMMIT.
        left: the heads as it leaves them.
        changed: the collections to which it writes.
        remembered: the heads from which storage must go on.
        lost: the collections where it does not, so that the transaction draws a new epoch.
    """

    results: list[CommitResult]
    last: list[str]
    left: dict[CollectionPath, Left]
    changed: Collection[CollectionPath]
    remembered: Mapping[CollectionPath, State]
    lost: Sequence[Lost]


class Commits:
    """The commits to one service's tables.

    Args:
        tables: the service's tables.
        guard: knows what was reported of each collection.
        max_tombstones: maximum number kept in a collection.
        max_collections: maximum number kept.
    """

    def __init__(
        self,
        tables: Tables,
        guard: Guard,
        max_tombstones: int = MAX_TOMBSTONES,
        max_collections: int = MAX_COLLECTIONS,
    ) -> None:
        self._tables = tables
        self._guard = guard
        self._max_tombstones = max_tombstones
        self._limit = CollectionLimit(max_collections)
        self._memory = Memory()

    async def prepare(self, connection: Connection, commits: Sequence[Commit]) -> Prepared:
        """Begin a transaction with at most one commit per collection, and execute all but its last packet."""
        paths = [commit.collection for commit in commits]
        wanted = {path: names(writes) for path, writes in commits}
        asking = {path: found for path, writes in commits if (found := sessions(writes))}
        before = self._memory.take(paths)
        remembered = self._guard.memory.states([*paths, STARTS])
        if (
            connection.is_warm
            and not any(wanted.values())
            and _can_be_relied_on(before, remembered, paths)
            and all(map(_are_known, asking.values(), (before[path] for path in asking)))
        ):
            known = {path: before[path].receipts for path in asking}
            locked = Locked({path: before[path].stored for path in paths}, {}, known, [])
            begin = ["START TRANSACTION", make_sure(self._tables, list(locked.heads.values()))]
        else:
            patched = {path: patched_ids(writes) for path, writes in commits}
            locked = await lock(connection, self._tables, wanted, remembered, patched, asking)
            begin = []
        plans: dict[CollectionPath, Plan] = {}
        for path, writes in commits:
            rows = locked.known.get(path, {})
            plans[path] = plan(
                locked.heads[path].state.epoch,
                locked.heads[path].head,
                {id: rows.get(id) for id in wanted[path]},
                writes,
                max_text=connection.max_text,
                receipts=locked.receipts.get(path),
            )
            stored = locked.heads[path]
            is_new = stored.key is None and plans[path].head != stored.head
            if is_new and not await self._may_create(connection):
                plans[path] = self._limit.refuse(stored.state.epoch, stored.head, writes)
        changes = self._changes(locked.heads, plans)
        await self._create(connection, locked.heads, changes)
        last = await self._write(connection, begin, list(changes.values()))
        results = [
            CommitResult(locked.heads[path].state.epoch, plans[path].outcomes) for path in paths
        ]
        left: dict[CollectionPath, Left] = {}
        for path, stored in locked.heads.items():
            is_same = path in before and before[path].stored == stored
            read = locked.receipts.get(path, {})
            receipts = before[path].receipts if is_same else {}
            if read is not receipts or plans[path].receipts:
                receipts = remember(receipts, read, plans[path].receipts)
            after = _after(stored, changes.get(path))
            left[path] = Left(after, alone=stored.key is None or is_same, receipts=receipts)
        return Prepared(results, last, left, changes.keys(), remembered, locked.lost)

    def stored(self, prepared: Prepared) -> None:
        """Note that a transaction's last packet was executed."""
        self._memory.keep(prepared.left)
        memory = self._guard.memory
        for path, (stored, _, _) in prepared.left.items():
            memory.note(path, prepared.remembered.get(path), stored.state)
            if stored.key is not None:
                self._tables.keep_key(path, stored.key)
            if path in prepared.changed:
                memory.latest = path
        self._guard.report(prepared.lost)

    def doubt(self, commits: Iterable[Commit]) -> None:
        """Note that the outcome of a transaction is unknown."""
        for commit in commits:
            self._guard.memory.doubt(commit.collection)

    def forget_receipts(self) -> None:
        """Note that storage has forgotten some receipts."""
        self._memory.forget_receipts()

    async def _may_create(self, connection: Connection) -> bool:
        """Return whether another collection can be created."""
        if self._limit.must_count():
            some = f"SELECT 1 FROM {self._tables.heads_table} LIMIT {self._limit.limit}"
            (((count,),),) = await connection.run(f"SELECT COUNT(*) FROM ({some}) AS some")
            self._limit.counted(count)
        return self._limit.take()

    def _changes(
        self, heads: Mapping[CollectionPath, Stored], plans: Mapping[CollectionPath, Plan]
    ) -> dict[CollectionPath, Change]:
        """Return the changes, with keys for new collections."""
        changes: dict[CollectionPath, Change] = {}
        for path, planned in plans.items():
            state, key, head = heads[path]
            if planned.head != head:
                after = with_writer(
                    state.writers, self._guard.memory.writer(path), planned.head.version
                )
                changes[path] = Change(new_key() if key is None else key, head, planned, after)
        return changes

    async def _create(
        self,
        connection: Connection,
        heads: Mapping[CollectionPath, Stored],
        changes: Mapping[CollectionPath, Change],
    ) -> None:
        """Write the heads of new collections."""
        news = [
            f"({key}, {literal(path.app)}, {literal(path.collection)}, "
            f"{', '.join(map(str, planned.head))}, {literal(writers)})"
            for path, (key, _, planned, writers) in changes.items()
            if heads[path].key is None
        ]
        if news:
            await connection.run(
                f"INSERT INTO {self._tables.heads_table} "
                "(`key`, app, name, version, horizon, tombstones, writers) "
                f"VALUES {', '.join(news)}"
            )

    async def _write(
        self, connection: Connection, begin: Sequence[str], changes: Sequence[Change]
    ) -> list[str]:
        """Write rows and heads after these first statements; return the statements still to be executed."""
        plans = [(change.key, change.plan) for change in changes]
        waiting = [*begin, *statements(self._tables.items_table, plans, connection.max_packet)]
        receipts = ((key, *each) for key, planned in plans for each in planned.receipts.items())
        waiting += insert(self._tables, receipts, connection.max_packet)
        for key, planned in plans:
            if must_prune(planned.head, self._max_tombstones):
                await send(connection, waiting)
                waiting = []
                planned.head = await self._prune(connection, key, planned.head)
        if changes:
            waiting.append(self._update_heads(changes))
        *before, last = packets([*waiting, "COMMIT"], connection.max_packet)
        for packet in before:
            await connection.run_together(packet)
        return last

    def _update_heads(self, changes: Sequence[Change]) -> str:
        """Return a statement that writes the changed columns of heads, rarely including the horizon."""
        columns = {"writers": [literal(change.writers) for change in changes]}
        for column, befores, afters in zip(
            Head._fields,
            zip(*(change.before for change in changes), strict=True),
            zip(*(change.plan.head for change in changes), strict=True),
            strict=True,
        ):
            if befores != afters:
                columns[column] = list(map(str, afters))
        keys = [str(change.key) for change in changes]
        assignments = []
        for column, values in columns.items():
            cases = map("WHEN {} THEN {}".format, keys, values)
            assignments.append(f"{column} = CASE `key` {' '.join(cases)} END")
        return (
            f"UPDATE {self._tables.heads_table} SET {', '.join(assignments)} "
            f"WHERE `key` IN ({', '.join(keys)})"
        )

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


def _after(stored: Stored, change: Change | None) -> Stored:
    """Return the head after a change."""
    if change is None:
        return stored
    head = change.plan.head
    return Stored(State(stored.state.epoch, head.version, change.writers), change.key, head)


def _are_known(sessions: Iterable[str], left: Left) -> bool:
    """Return whether the receipts of these sessions are remembered."""
    return all(session in left.receipts for session in sessions)


def _can_be_relied_on(
    before: Mapping[CollectionPath, Left],
    told: Mapping[CollectionPath, State],
    paths: Sequence[CollectionPath],
) -> bool:
    """Return whether all heads are the last reported ones, are probably still valid, and can be verified together."""
    return (
        len(before) == len(paths)
        and all(
            left.alone and left.stored.key is not None and told.get(path) == left.stored.state
            for path, left in before.items()
        )
        and len({left.stored.state.epoch for left in before.values()}) == 1
    )
