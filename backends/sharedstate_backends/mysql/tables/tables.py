# ruff: noqa: S608 (the table's name was validated; everything else is a literal)
"""Reads the tables of one service in MySQL or MariaDB; `schema` describes them.

Heads are looked up by their remembered keys, and by name only if a key is unknown or gone.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final, NamedTuple

from sharedstate_backends.history.memory import MAX_REMEMBERED
from sharedstate_backends.history.vectors import STARTS, State, absent
from sharedstate_backends.layout import table_names
from sharedstate_backends.mysql.wire.packets import literal
from sharedstate_backends.paging import Begun
from sharedstate_backends.plan import Head
from sharedstate_core.storage import Loaded, Row

from .heads import Stored
from .meta import Meta

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sharedstate_backends.history.vectors import Lost
    from sharedstate_backends.mysql.wire.compound import Rows
    from sharedstate_backends.mysql.wire.connection import Connection
    from sharedstate_core.paths import CollectionPath
    from sharedstate_core.storage import Cursor


class Place(NamedTuple):
    """Where a page of rows ends.

    Attributes:
        key: the collection's.
        version: the version of the last row.
        last: what else its order depends on: when it was created, and its id; None if no row of this version is read.
    """

    key: int | None
    version: int
    last: tuple[int, bytes] | None


_ASKED: Final = 500
"""Maximum number of collections in one query: few enough for the planner to look each up."""


class Tables:
    """One service's tables.

    Args:
        table: a valid name.

    Attributes:
        table: its name.
        items_table, heads_table: their names, quoted.
        meta: the table of meta data.
    """

    def __init__(self, table: str) -> None:
        self.table = table
        self.items_table, self.heads_table, _ = (f"`{name}`" for name in table_names(table))
        items = (
            f"SELECT 1 FROM {self.items_table} WHERE collection = head.`key` AND data IS NOT NULL"
        )
        # An EXISTS may become a join, for which MariaDB reads the whole table of items.
        self._holds_items = f"({items} LIMIT 1) IS NOT NULL"
        self.meta = Meta(table)
        self._keys: OrderedDict[CollectionPath, int] = OrderedDict()

    async def load(
        self,
        connection: Connection,
        collection: CollectionPath,
        since: Cursor | None,
        limit: int | None,
    ) -> Begun[Mapping[CollectionPath, State]]:
        """See `Paged.begin`."""
        _, _, noted, heads = await connection.run_together(
            [
                "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
                "START TRANSACTION WITH CONSISTENT SNAPSHOT",
                self.meta.select_starts,
                self.select_heads([collection]),
            ]
        )
        starts, floor = self.meta.starts(noted)
        epoch = starts.epoch
        state, key, (version, horizon, _) = self.found(heads, [collection], epoch, floor)[
            collection
        ]
        base = None
        if since and since.epoch == epoch and horizon <= since.version <= version:
            base = since.version
        place = Place(key, base or 0, None)
        (select,) = self._selects(place, version)
        found, _ = await connection.run_together([_limited(select, limit), "COMMIT"])
        rows, end = _page(key, found, limit)
        loaded = Loaded(epoch, version, horizon, rows, base)
        return Begun(loaded, {collection: state, STARTS: starts}, end)

    async def page(
        self, connection: Connection, place: Place, upto: int, limit: int
    ) -> tuple[list[Row], Place | None]:
        """See `Paged.page`."""
        found: Rows = []
        for select in self._selects(place, upto):
            if len(found) < limit:
                found += (await connection.run(_limited(select, limit - len(found))))[0]
        return _page(place.key, found, limit)

    def _selects(self, place: Place, upto: int) -> list[str]:
        """Return the queries for the rows after a place; each is a range of an index, in its order."""
        key, version, last = place
        conditions = [f"version > {version} AND version <= {upto}"]
        if last is not None:
            created, id = last
            same = f"version = {version} AND created"
            conditions[:0] = [f"{same} = {created} AND id > {literal(id)}", f"{same} > {created}"]
        columns = "id, data, created, place, version"
        return [
            f"SELECT {columns} FROM {self.items_table} WHERE collection = {literal(key)} AND {condition}"
            for condition in conditions
        ]

    async def settle(self, connection: Connection, collection: CollectionPath) -> None:
        """Make sure that a commit of unknown outcome is stored now, or never will be.

        If it has begun, it holds the lock on the head until its end. If its packet has not been read yet, it will find
        another head than it expects: with one more tombstone.
        """
        await connection.run(
            f"UPDATE {self.heads_table} SET tombstones = tombstones + 1 "
            f"WHERE app = {literal(collection.app)} AND name = {literal(collection.collection)}"
        )

    async def heads(
        self, connection: Connection, collections: Sequence[CollectionPath]
    ) -> dict[CollectionPath, State]:
        """Return the head of each collection, and `STARTS`."""
        starts, floor = await self._starts(connection)
        epoch = starts.epoch
        states = dict.fromkeys(collections, absent(epoch, floor))
        paths = {self._keys[path]: path for path in collections if path in self._keys}
        unknown = [path for path in collections if path not in self._keys and path != STARTS]
        keys = [str(key) for key in paths]
        for start in range(0, len(keys), _ASKED):
            batch = ",".join(keys[start : start + _ASKED])
            (rows,) = await connection.run(
                f"SELECT `key`, version, writers FROM {self.heads_table} WHERE `key` IN ({batch})"
            )
            for key, version, writers in rows:
                states[paths.pop(key)] = State(epoch, version, writers.decode())
        unknown += paths.values()
        for start in range(0, len(unknown), _ASKED):
            wanted = unknown[start : start + _ASKED]
            (rows,) = await connection.run(self.select_heads(wanted))
            found = self.found(rows, wanted, epoch, floor)
            states |= {path: state for path, (state, _, _) in found.items()}
        return states | {STARTS: starts}

    async def verify(
        self, connection: Connection, remembered: Mapping[CollectionPath, State]
    ) -> list[Lost]:
        """Return which collections do not go on from what is remembered; if any, draw a new epoch.

        The result has it in `now`.
        """
        noted = await self.meta.lock(connection, begin=True)
        found = await self.heads(connection, list(remembered))
        _, lost = await self.meta.verify(connection, noted, remembered, found)
        await connection.run("COMMIT")
        return lost

    async def believe(
        self, connection: Connection, path: CollectionPath, claimed: Cursor
    ) -> State | None:
        """Draw a new epoch, and return the old head, if the head is still of the claimed epoch but lower."""
        noted = await self.meta.lock(connection, begin=True)
        state = (await self.heads(connection, [path]))[path]
        is_lower = state.epoch == claimed.epoch and state.version < claimed.version
        if is_lower:
            await self.meta.renew(connection, noted)
        await connection.run("COMMIT")
        return state if is_lower else None

    async def starts(self, connection: Connection) -> State:
        """Return the marks of processes that have opened the store, with its epoch."""
        return (await self._starts(connection))[0]

    async def _starts(self, connection: Connection) -> tuple[State, int]:
        (noted,) = await connection.run(self.meta.select_starts)
        return self.meta.starts(noted)

    async def collections(
        self, connection: Connection, app: str, after: str, limit: int
    ) -> list[str]:
        """Return the first names of the app's collections that hold an item, sorted by code point."""
        names = f"SELECT name, {self._holds_items} FROM {self.heads_table} AS head FORCE INDEX (by_name)"
        return await _first(
            connection,
            lambda after, number: (
                f"{names} WHERE app = {literal(app)} AND name > {literal(after)} ORDER BY name LIMIT {number}"
            ),
            after,
            limit,
        )

    async def apps(self, connection: Connection, after: str, limit: int) -> list[str]:
        """Return the first names of the apps with collections that hold an item, sorted by code point.

        The index is entered once for each app; the collections of an app are passed over.
        """
        some = (
            f"SELECT 1 FROM {self.heads_table} AS head FORCE INDEX (by_name) "
            f"WHERE head.app = each_app.app AND {self._holds_items} LIMIT 1"
        )
        apps = f"SELECT DISTINCT app FROM {self.heads_table} FORCE INDEX (by_name)"
        return await _first(
            connection,
            lambda after, number: (
                f"SELECT app, ({some}) FROM ({apps} WHERE app > {literal(after)} ORDER BY app "
                f"LIMIT {number}) AS each_app ORDER BY app"
            ),
            after,
            limit,
        )

    def select_heads(self, collections: Sequence[CollectionPath]) -> str:
        """Return a query whose rows `found` reads."""
        wanted = " OR ".join(
            f"(app = {literal(path.app)} AND name = {literal(path.collection)})"
            for path in collections
        )
        return (
            f"SELECT `key`, app, name, version, horizon, tombstones, writers FROM {self.heads_table} "
            f"FORCE INDEX (by_name) WHERE {wanted or 'FALSE'}"
        )

    def found(
        self, rows: Rows, collections: Sequence[CollectionPath], epoch: str, floor: int
    ) -> dict[CollectionPath, Stored]:
        """Return the heads of these collections, and remember their keys; without a head, one is at the floor."""
        paths = {(path.app.encode(), path.collection.encode()): path for path in collections}
        nothing = Stored(absent(epoch, floor), None, Head.absent(floor))
        heads = dict.fromkeys(collections, nothing)
        for key, app, name, *numbers, writers in rows:
            path, head = paths[app, name], Head(*numbers)
            heads[path] = Stored(State(epoch, head.version, writers.decode()), key, head)
            self.keep_key(path, key)
        return heads

    def keep_key(self, path: CollectionPath, key: int) -> None:
        """Remember a collection's key."""
        if self._keys.get(path) != key:
            self._keys[path] = key
            if len(self._keys) > MAX_REMEMBERED:
                self._keys.popitem(last=False)


async def _first(
    connection: Connection, query: Callable[[str, int], str], after: str, limit: int
) -> list[str]:
    """Return the first names that follow `after` and are to be listed.

    Args:
        connection: where to ask.
        query: returns the query for a number of names after one, each with whether it is to be listed.
        after: the name that they follow.
        limit: maximum number of names.
    """
    found: list[str] = []
    while len(found) < limit:
        wanted = limit - len(found)
        (rows,) = await connection.run(query(after, wanted))
        found += [name.decode() for name, is_listed in rows if is_listed]
        if len(rows) < wanted:
            break
        after = rows[-1][0].decode()
    return found


def _page(key: int | None, found: Rows, limit: int | None) -> tuple[list[Row], Place | None]:
    """Return what a query found as rows, and where they end; None if there is no more."""
    rows = [Row(id.decode(), *rest) for id, *rest in found]
    if limit is None or len(rows) < limit:
        return rows, None
    last = rows[-1]
    return rows, Place(key, last.version, (last.created, last.id.encode()))


def _limited(select: str, limit: int | None) -> str:
    return select if limit is None else f"{select} ORDER BY version, created, id LIMIT {limit}"
