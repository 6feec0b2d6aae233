"""What the `config` of `items_service` says about where items are, without opening anything; mistakes do not matter."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

MEMORY: Final = ":memory:"
"""SQLite's name for a database that is not a file."""


class Description(NamedTuple):
    """Where a service stores its items.

    Attributes:
        kind: what stores them, in words fit for any visitor: no file, host or user.
        where: the same with its location, for the operator of the server: no user and no password.
        in_memory: whether everything is forgotten when the server stops.
        table: what identifies the table: services with the same one would be a single service; None if unknown.
        file: the database, if it is a file.
    """

    kind: str
    where: str
    in_memory: bool = False
    table: tuple[str, ...] | None = None
    file: str | None = None


def describe(config: Mapping[str, object]) -> Description | None:
    """Return what a service's `config` says; None if it names no known kind of database."""
    name, table = config.get("db_name"), str(config.get("db_table", "items"))
    match config.get("db_type"):
        case "sqlite" if config.get("db_name", MEMORY) == MEMORY:
            return Description("SQLite, in memory", "SQLite, in memory", in_memory=True)
        case "sqlite":
            return _file(name, table)
        case "mysql":
            return _server(config, name, table)
        case _:
            return None


def _file(name: object, table: str) -> Description:
    kind = "SQLite file"
    if not isinstance(name, str):
        return Description(kind, kind)
    path = str(Path(name).absolute())
    return Description(kind, f"{kind} {path}", table=(path, table.lower()), file=name)


def _server(config: Mapping[str, object], name: object, table: str) -> Description:
    kind = "MySQL or MariaDB"
    if not isinstance(name, str):
        return Description(kind, kind)
    keys = ("db_socket", None), ("db_host", "localhost"), ("db_port", 3306)
    identity = (*(str(config.get(key, default)) for key, default in keys), name, table)
    host = f"{config.get('db_host', 'localhost')} port {config.get('db_port', 3306)}"
    at = str(config.get("db_socket") or host)
    return Description(kind, f"{kind}, table {table} of {name} at {at}", table=identity)
