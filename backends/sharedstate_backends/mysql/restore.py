# ruff: noqa: S608 (the table's name was validated; everything else is a literal)
"""Replacing the whole content of a service in MySQL or MariaDB, while servers use it.

1. A row belongs to no collection until a head has its key. So the restored rows are written beside the existing ones,
   in transactions of bounded size, under new keys, which nobody sees. They are read back, and then one short
   transaction replaces the heads and the epoch. No table is created or renamed: if the database dies, whatever its
   version, the replacement is complete or has not happened.
2. That transaction locks the epoch first, then every head and the gaps between them: commits that have begun end before
   it; others wait, and then find new keys and a new epoch.
3. Rows of keys without a head are deleted at the end, and before the next restore if this one was killed.
4. The restore that began last wins. An earlier one that is still under way finds its token replaced and gives up.
"""

from __future__ import annotations

import secrets
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Final

from sharedstate_backends.contract import OutcomeUnknownError, StorageError
from sharedstate_backends.history.vectors import new_epoch, with_epochs
from sharedstate_backends.layout import table_names
from sharedstate_backends.portable import Census

from .dump import LONG_TIMEOUT, connected, rows_of
from .tables.schema import create_database, new_key, prepare
from .wire.connection import STATEMENT_BYTES
from .wire.errors import DEADLOCK, DatabaseError
from .wire.packets import PACKET_BYTES, batches, literal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sharedstate_backends.portable import CollectionHead, Portion

    from .wire.address import Address
    from .wire.connection import Connection

DELETED: Final = 5_000
"""Number of rows deleted by one transaction."""

ATTEMPTS: Final = 20
"""How often replacing the heads is tried if the server aborts it in favour of a commit, or a lock is held for too
long."""

_LOCK_TIMEOUT: Final = 1205


async def restore(address: Address, table: str, content: Iterable[Portion]) -> None:
    """See `Portable.restore`."""
    await create_database(address)
    async with connected(address) as connection:
        await prepare(connection, table, address)
        restoring = _Restoring(connection, table)
        await restoring.begin()
        try:
            await restoring.write(content)
            await restoring.verify()
            await restoring.switch()
        except OutcomeUnknownError:
            raise  # the rows may be in use; the next restore deletes those that are not
        except Exception:
            if connection.is_open:
                await restoring.undo()
            raise
        await restoring.clear_old()


class _Restoring:
    """One restore."""

    def __init__(self, connection: Connection, table: str) -> None:
        self._connection = connection
        self._items, self._heads, self._meta = (f"`{name}`" for name in table_names(table))
        self._table = table
        self._token = secrets.token_urlsafe(9)
        self._written = Census()
        self._keys: list[tuple[int, CollectionHead, int]] = []  # each with its number of tombstones
        self._old_keys: list[int] = []

    async def begin(self) -> None:
        """Supersede any restore that is under way or was killed."""
        token = literal(self._token)
        await self._connection.run(
            f"INSERT INTO {self._meta} (name, value) VALUES ('restoring', {token}) "
            f"ON DUPLICATE KEY UPDATE value = {token}"
        )
        # The rows of a new collection appear together with its head, in one transaction: they are not seen here.
        (rows,) = await self._connection.run(
            f"SELECT known.collection FROM (SELECT DISTINCT collection FROM {self._items} "
            f"FORCE INDEX (by_version)) AS known LEFT JOIN {self._heads} AS head "
            "ON head.`key` = known.collection WHERE head.`key` IS NULL",
            timeout=LONG_TIMEOUT,
        )
        await self._delete(key for (key,) in rows)

    async def write(self, content: Iterable[Portion]) -> None:
        """Write rows that nobody sees yet."""
        limit = min(PACKET_BYTES, self._connection.max_packet - STATEMENT_BYTES)
        for portion in content:
            self._written.add(portion)
            key = self._key(portion)
            self._check_sizes(portion)
            values = (
                f"({key},{literal(row.id)},{row.created},{row.place},{row.version},{literal(row.text)})"
                for row in portion.rows
            )
            for batch in batches(values, limit):
                await self._connection.run(
                    f"INSERT INTO {self._items} (collection, id, created, place, version, data) "
                    f"VALUES {','.join(batch)}"
                )

    def _key(self, portion: Portion) -> int:
        removed = sum(row.text is None for row in portion.rows)
        if self._keys and self._keys[-1][1] == portion.head:
            key, head, before = self._keys.pop()
            self._keys.append((key, head, before + removed))
        else:
            self._keys.append((new_key(), portion.head, removed))
        return self._keys[-1][0]

    def _check_sizes(self, portion: Portion) -> None:
        limit = self._connection.max_text
        for row in portion.rows:
            id, text = row.id, row.text
            if text is not None and len(text) > limit:
                problem = f"has {len(text)} bytes, the database takes {limit}"
                remedy = "raise its max_allowed_packet; nothing was changed"
                raise StorageError(f"collection {portion.head}: item {id!r} {problem}; {remedy}")

    async def verify(self) -> None:
        """Read back what was written."""
        there = Census()
        for key, head, _ in self._keys:
            async with aclosing(rows_of(self._connection, self._table, key, head)) as portions:
                async for portion in portions:
                    there.add(portion)
        self._written.compare(there)

    async def switch(self) -> None:
        """Replace the old content by the new."""
        attempts = ATTEMPTS
        while True:
            attempts -= 1
            try:
                await self._replace_heads()
                break
            except DatabaseError as error:
                await self._connection.roll_back()
                if not attempts or error.number not in {DEADLOCK, _LOCK_TIMEOUT}:
                    raise
            except StorageError:
                await self._connection.roll_back()
                raise
        try:
            await self._connection.run("COMMIT")
        except StorageError as error:
            if isinstance(error, DatabaseError) and error.number == DEADLOCK:
                raise
            raise OutcomeUnknownError(f"{error}; it may be restored or not") from error

    async def _replace_heads(self) -> None:
        # One statement per packet: whatever follows a statement that was given up must not be executed.
        run = self._connection.run
        await run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")  # it also locks gaps
        await run("START TRANSACTION")
        (rows,) = await run(f"SELECT name, value FROM {self._meta} FOR UPDATE")
        noted = {name.decode(): value.decode() for name, value in rows}
        if noted.get("restoring") != self._token:
            problem = "another restore has begun; this one is given up"
            raise StorageError(f"table {self._table}: {problem}")
        # By this index, as commits do that search heads by name.
        everything = f"SELECT `key` FROM {self._heads} FORCE INDEX (by_name) FOR UPDATE"
        (rows,) = await run(everything, timeout=LONG_TIMEOUT)
        self._old_keys = [key for (key,) in rows]
        await run(f"DELETE FROM {self._heads}", timeout=LONG_TIMEOUT)
        values = (
            f"({key},{literal(app)},{literal(name)},{version},{horizon},{tombstones})"
            for key, (app, name, version, horizon), tombstones in self._keys
        )
        columns = "(`key`, app, name, version, horizon, tombstones)"
        for batch in batches(values, min(PACKET_BYTES, self._connection.max_packet // 2)):
            await run(f"INSERT INTO {self._heads} {columns} VALUES {','.join(batch)}")
        former = with_epochs(noted.get("former_epochs", ""), [noted["epoch"]])
        await run(
            f"REPLACE INTO {self._meta} (name, value) VALUES ('epoch', {literal(new_epoch())}), "
            f"('former_epochs', {literal(former)})"
        )
        await run(f"DELETE FROM {self._meta} WHERE name = 'restoring'")

    async def undo(self) -> None:
        """Delete what was written in vain; if that fails, the next restore will."""
        with suppress(StorageError):
            await self._delete(key for key, _, _ in self._keys)

    async def clear_old(self) -> None:
        """Delete the rows of the old content, likewise."""
        with suppress(StorageError):
            await self._delete(self._old_keys)

    async def _delete(self, keys: Iterable[int]) -> None:
        """Delete the rows of these keys; others may meanwhile belong to another restore."""
        for key in keys:
            deleted = DELETED
            while deleted == DELETED:
                _, ((deleted,),) = await self._connection.run(
                    f"DELETE FROM {self._items} WHERE collection = {key} ORDER BY id "
                    f"LIMIT {DELETED}; SELECT ROW_COUNT()",
                    timeout=LONG_TIMEOUT,
                )
