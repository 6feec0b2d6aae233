"""Tables as the first generation made and filled them."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

CREATE = (
    "CREATE TABLE IF NOT EXISTS {table} (app TEXT NOT NULL,chnl TEXT NOT NULL,id TEXT NOT NULL,"
    "ctime TIMESTAMP DEFAULT CURRENT_TIMESTAMP,data TEXT,PRIMARY KEY (app, chnl, id))"
)

ANY_TYPES = (
    "CREATE TABLE {table} (app, chnl, id, ctime TIMESTAMP DEFAULT CURRENT_TIMESTAMP, data, "
    "PRIMARY KEY (app, chnl, id))"
)
"""The same columns, made by somebody with other ideas."""

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
