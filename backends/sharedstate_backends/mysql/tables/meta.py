# ruff: noqa: S608 (the table's name was validated; everything else is a literal)
"""The meta data of a store in MySQL or MariaDB: its epoch, former epochs, and the server that keeps it.

A process that draws a new epoch locks these rows and checks again first, so that only one of several draws it. Commits
that read heads share the lock on the epoch's row, so that none uses an epoch that a restore has replaced.

They share the lock on the floor's row, too: in a Galera cluster that is all by which another node that prunes (see
`history`) aborts a commit that begins at the earlier floor. What is missing cannot be locked, so whoever opens the
store or draws an epoch makes sure that there is a floor; both change rows that those who found none have locked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sharedstate_backends.contract import StorageError
from sharedstate_backends.history.vectors import (
    find_lost,
    new_epoch,
    starts,
    with_epochs,
    with_start,
)
from sharedstate_backends.layout import FORMAT_WITH_FLOOR, table_names
from sharedstate_backends.mysql.wire.packets import literal
from sharedstate_backends.mysql.wire.server import doubts, notes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sharedstate_backends.history.vectors import Lost, State
    from sharedstate_backends.mysql.wire.compound import Rows
    from sharedstate_backends.mysql.wire.connection import Connection
    from sharedstate_core.paths import CollectionPath


class Meta:
    """One service's table of meta data.

    Args:
        table: a valid name.

    Attributes:
        name: name of the table, quoted.
        select_epoch, select_starts: statements; `starts` reads the result of the latter.
    """

    def __init__(self, table: str) -> None:
        self.name = f"`{table_names(table)[2]}`"
        self.select_epoch = f"SELECT value FROM {self.name} WHERE name = 'epoch'"
        self.select_starts = (
            "SELECT MAX(IF(name = 'epoch', value, NULL)), MAX(IF(name = 'starts', value, '')), "
            "MAX(IF(name = 'floor', value, '0')) "
            f"FROM {self.name} WHERE name IN ('epoch', 'starts', 'floor')"
        )

    def starts(self, rows: Rows) -> tuple[State, int]:
        """Return the marks of processes that have opened the store, with its epoch and its floor (see `history`)."""
        ((epoch, marks, floor),) = rows
        if epoch is None:
            raise StorageError(f"table {self.name} has no epoch; is it being restored?")
        return starts(epoch.decode(), marks.decode()), int(floor)

    async def recognise(
        self, connection: Connection, *, is_opening: bool = False, is_new: bool = False
    ) -> str:
        """Note which server answers; if it may have lost data, draw a new epoch and return the reason.

        Opening the store leaves a mark (see `history`).

        Args:
            connection: to that server.
            is_opening: whether the store is just being opened.
            is_new: whether it was just created, so that nothing can be lost.
        """
        noted = await self.lock(connection, begin=True)
        if (
            not connection.is_galera
        ):  # again, since behind a proxy another server may be the writable one
            await connection.identify()
        server = connection.server
        reason = "" if is_new else doubts(server, noted, is_opening=is_opening)
        changes = notes(server, noted, is_opening=is_opening)
        if is_opening:
            changes |= {"starts": with_start(noted.get("starts", ""))} | _floor(noted)
        if reason:
            changes |= _renewed(noted)
        await connection.run_together([*self._put(changes), "COMMIT"])
        return reason

    async def verify(
        self,
        connection: Connection,
        noted: Mapping[str, str],
        remembered: Mapping[CollectionPath, State],
        found: Mapping[CollectionPath, State],
    ) -> tuple[str, list[Lost]]:
        """Return the epoch, and which collections do not go on from what is remembered; if any, draw a new epoch.

        Args:
            connection: within a transaction.
            noted: what `lock` returned in it.
            remembered: heads that were reported.
            found: the heads read since; `now` of the result has the new epoch.
        """
        epoch = noted.get("epoch", "")
        if not epoch:
            raise StorageError(f"table {self.name} has no epoch; is it being restored?")
        states = {path: found[path]._replace(epoch=epoch) for path in remembered}
        lost = find_lost(remembered, states, noted.get("former_epochs", ""))
        if lost:
            changes = _renewed(noted, (before.epoch for _, before, _ in lost))
            epoch = changes["epoch"]
            await connection.run("; ".join(self._put(changes)))
        return epoch, [each._replace(now=each.now._replace(epoch=epoch)) for each in lost]

    async def renew(self, connection: Connection, noted: Mapping[str, str]) -> None:
        """Draw a new epoch, in a transaction in which `lock` returned `noted`."""
        await connection.run("; ".join(self._put(_renewed(noted))))

    def raise_floor(self, version: int) -> list[str]:
        """Return statements that set the store's floor to this version, in such a transaction."""
        return self._put({"floor": str(version), "format": str(FORMAT_WITH_FLOOR)})

    async def lock(self, connection: Connection, *, begin: bool = False) -> dict[str, str]:
        """Lock and return the meta data; with `begin`, in a new transaction."""
        select = f"SELECT name, value FROM {self.name} FOR UPDATE"
        start = ["START TRANSACTION"] if begin else []
        rows = (await connection.run_together([*start, select]))[-1]
        return {name.decode(): value.decode() for name, value in rows}

    def _put(self, values: Mapping[str, str]) -> list[str]:
        rows = ", ".join(f"({literal(name)}, {literal(value)})" for name, value in values.items())
        statement = (
            f"INSERT INTO {self.name} (name, value) VALUES {rows} "
            "ON DUPLICATE KEY UPDATE value = VALUES(value)"
        )
        return [statement] if rows else []


def _renewed(noted: Mapping[str, str], lost: Iterable[str] = ()) -> dict[str, str]:
    """Return a new epoch and the list of former ones, including these, which the store has lost."""
    former = with_epochs(noted.get("former_epochs", ""), [*lost, noted.get("epoch", "")])
    return {"epoch": new_epoch(), "former_epochs": former} | _floor(noted)


def _floor(noted: Mapping[str, str]) -> dict[str, str]:
    """Return the floor, to be written even if it is 0."""
    return {"floor": noted.get("floor", "0")}
