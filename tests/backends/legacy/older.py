"""Tables as the first generation made and filled them."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from tests.support.services.mariadb import DATABASE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.support.services.mariadb import MariaDb

CREATE = (
    "CREATE TABLE IF NOT EXISTS {table} (app TEXT NOT NULL,chnl TEXT NOT NULL,id TEXT NOT NULL,"
    "ctime TIMESTAMP DEFAULT CURRENT_TIMESTAMP,data TEXT,PRIMARY KEY (app, chnl, id))"
)

ANY_TYPES = (
    "CREATE TABLE {table} (app, chnl, id, ctime TIMESTAMP DEFAULT CURRENT_TIMESTAMP, data, "
    "PRIMARY KEY (app, chnl, id))"
)
"""The same columns, made by somebody with other ideas."""

NAMES = [
    "Key", "key", "kéy", "key  ", " key", "KEY", "ke\u0301y", "straße", "strasse", "\U0001f511", "\uffee", "日本語",
    "a'b", 'a"b', "a;b", "%", "\\", "\x7f", "\u2028", "\u200d", "é" * 63,
]  # fmt: skip
"""Ids that a collation may take for one, or a layer on the way may change."""

Record = tuple[object, object, object, object]


def record(app: str, chnl: str, id: str, **members: object) -> Record:
    """Return (app, chnl, id, data) as the first generation stored an item."""
    return app, chnl, id, json.dumps({"id": id, **members})


def make(
    file: str, records: Iterable[Record], *, table: str = "items", create: str = CREATE
) -> None:
    """Make a table and insert records in this order."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(create.format(table=table))
        connection.executemany(
            f"INSERT OR REPLACE INTO {table} (app, chnl, id, data) VALUES (?, ?, ?, ?)", records
        )
        connection.commit()


def content(file: str) -> dict[str, list[tuple[object, ...]]]:
    """Return every row of every table, but for the epoch."""
    with closing(sqlite3.connect(file)) as connection:
        connection.text_factory = bytes
        names = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
        tables = {
            name.decode(): connection.execute(f"SELECT * FROM {name.decode()}").fetchall()
            for (name,) in names
        }
    for name, rows in tables.items():
        if name.endswith("_meta"):
            tables[name] = [row for row in rows if row[0] != b"epoch"]
    return tables


CREATE_IN_MYSQL = (
    "CREATE TABLE {table} (app VARCHAR(128) NOT NULL, chnl VARCHAR(128) NOT NULL, id VARCHAR(64) NOT NULL, "
    "ctime TIMESTAMP DEFAULT CURRENT_TIMESTAMP, data TEXT, PRIMARY KEY (app, chnl, id)) "
    "CHARACTER SET utf8"
)


def make_in_mysql(
    database: MariaDb, table: str, records: Iterable[Record], *, create: str = CREATE_IN_MYSQL
) -> None:
    """Make a table and insert records, one second apart; one whose key is taken replaces the other's data."""
    database.sql("CREATE DATABASE IF NOT EXISTS sharedstate")
    statements = ["SET NAMES utf8mb4", create.format(table=table)]
    for number, values in enumerate(records):
        written = ", ".join("NULL" if value is None else _hexadecimal(value) for value in values)
        statements.append(
            f"INSERT INTO {table} (app, chnl, id, data, ctime) VALUES ({written}, "
            f"FROM_UNIXTIME(1000000000 + {number})) ON DUPLICATE KEY UPDATE data = VALUES(data)"
        )
    database.sql("; ".join(statements), "sharedstate")


def _hexadecimal(value: object) -> str:
    return f"_utf8mb4 X'{str(value).encode().hex()}'"


def content_in_mysql(database: MariaDb, table: str) -> dict[str, list[list[str]]]:
    """Return the rows of the old table, wherever it is, and of the new ones but for their keys and epoch."""
    backup = f"SELECT * FROM {table}_before_migration ORDER BY app, chnl, id"
    queries = {
        "tables": "SHOW TABLES",
        "old": f"SELECT * FROM {table} ORDER BY app, chnl, id",
        f"{table}_before_migration": backup,
        f"{table}_meta": f"SELECT * FROM {table}_meta WHERE name <> 'epoch'",
        f"{table}_collections": "SELECT app, name, version, horizon, tombstones "
        f"FROM {table}_collections ORDER BY 1, 2",
        table: f"SELECT app, name, id, created, place, item.version, data FROM {table} AS item "
        f"JOIN {table}_collections AS head ON item.collection = head.`key` ORDER BY 1, 2, 5",
    }
    statements = (f"SELECT '== {name}'; {query}" for name, query in queries.items())
    # Some of them are not there, or have other columns: go on.
    output = database._client("; ".join(statements), DATABASE, "--force").stdout
    found: dict[str, list[list[str]]] = {}
    for line in output.splitlines():
        if line.startswith("== "):
            rows = found[line[3:]] = []
        else:
            rows.append(line.split("\t"))
    names = {name for (name,) in found.pop("tables")}
    old = found.pop("old")
    if f"{table}_collections" not in names:
        found[table] = old
    return {name: rows for name, rows in found.items() if name in names}
