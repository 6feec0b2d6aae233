"""A migration in MariaDB that is cut off: killed at every statement, or its database dies."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sharedstate_backends import StorageError
from sharedstate_backends.items_service import get_service
from sharedstate_backends.mysql.wire.connection import Connection
from sharedstate_backends.mysql.wire.errors import LostError
from tests.backends.legacy.older import Record, content_in_mysql, make_in_mysql, record
from tests.backends.legacy.taking_over import done, migrate, states, watch
from tests.backends.opening import opened
from tests.support.services.mariadb import MariaDb, version

if TYPE_CHECKING:
    from sharedstate_backends.mysql.wire.compound import Rows

pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"])  # as the command runs it


def rows_of_every_kind() -> list[Record]:
    bad = ("app", "c", "bad", '{"id":"worse"}')
    return [*(record("app", f"c{each % 3}", str(each)) for each in range(20)), bad]


async def test_killed_before_every_statement(
    mysql: dict[str, Any], table: str, shared_mariadb: MariaDb
) -> None:
    """Before or after, never between; and a second run ends as if there had been no first."""
    make_in_mysql(shared_mariadb, table, rows_of_every_kind())
    most = 60
    copies = (
        f"CREATE TABLE {table}_{number} LIKE {table}; INSERT INTO {table}_{number} SELECT * FROM {table}"
        for number in range(most)
    )
    shared_mariadb.sql("; ".join(copies), "sharedstate")
    script = Path(__file__).with_name("migrating_process.py")
    command = [sys.executable, str(script), json.dumps(mysql), str(most)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=120).stdout
    count = int(output)
    assert count > 20
    before = list(content_in_mysql(shared_mariadb, table).values())
    await migrate(mysql)
    after = list(content_in_mysql(shared_mariadb, table).values())
    assert len(before) == 1
    assert len(after) == 4
    assert all(before + after)
    found = []
    for number in range(count):
        copy = f"{table}_{number}"
        found.append(list(content_in_mysql(shared_mariadb, copy).values()))
        await migrate(mysql | {"db_table": copy})
        assert list(content_in_mysql(shared_mariadb, copy).values()) == after
    turned = found.index(after)
    assert found == [before] * turned + [after] * (count - turned)
    assert turned > 20
    left = shared_mariadb.sql(f"SHOW TABLES LIKE '{table}%migrating%'", "sharedstate")
    assert left == []


@pytest.mark.parametrize(
    ("words", "when"),
    [
        ("CREATE TABLE", "after"),
        ("INSERT INTO", "before"),
        ("RENAME", "before"),
        ("UNLOCK", "before"),
        ("UNLOCK", "after"),
        ("RENAME", "after"),
    ],
)
async def test_the_database_dies(
    words: str, when: str, own_mariadb: MariaDb, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = f"dying_{words.split(maxsplit=1)[0].lower()}_{when}"
    config = own_mariadb.config(db_table=table)
    make_in_mysql(own_mariadb, table, rows_of_every_kind())
    before = content_in_mysql(own_mariadb, table)

    async def kill() -> None:
        own_mariadb.kill()

    with monkeypatch.context() as patch:
        watch(patch, words, **{when: kill})
        if (words, when) == ("RENAME", "after"):
            assert (await migrate(config))[0] is not None
        else:
            with pytest.raises(StorageError):
                await migrate(config)
    own_mariadb.start()
    found = content_in_mysql(own_mariadb, table)
    kind, number = version()
    if (
        kind == "mysql" and number < (8,) and not any(found.values())
    ):  # a rename that it died in is not undone
        with pytest.raises(StorageError, match="is listed but cannot be opened"):
            await migrate(config)
        return
    await migrate(config)
    after = content_in_mysql(own_mariadb, table)
    assert found in (before, after)
    assert after[f"{table}_before_migration"] == before[table]
    assert len(after[table]) == 20


@pytest.mark.parametrize("renamed", [1, 2, 3])
async def test_the_database_dies_within_rename(
    renamed: int,
    mysql: dict[str, Any],
    table: str,
    shared_mariadb: MariaDb,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of an older database, which moves one table after the other: a server does not start on what is left."""
    make_in_mysql(shared_mariadb, table, rows_of_every_kind())
    old = content_in_mysql(shared_mariadb, table)[table]
    run = Connection.run

    async def halting(connection: Connection, statements: str, **options: Any) -> list[Rows]:
        if not statements.startswith("RENAME"):
            return await run(connection, statements, **options)
        await run(connection, ", ".join(statements.split(", ")[:renamed]), **options)
        connection.close()
        raise LostError("dead")

    with monkeypatch.context() as patch:
        patch.setattr(Connection, "run", halting)
        with pytest.raises(LostError):
            await migrate(mysql)
    with pytest.raises(StorageError, match=f"{table}_before_migration holds data of an earlier"):
        async with opened(get_service(mysql)):
            pass
    result, lines = await migrate(mysql)
    assert result == done(mysql, 21, 20, 3)
    assert lines == ["an earlier migration, which was cut off at its very end, is complete now"]
    assert content_in_mysql(shared_mariadb, table)[f"{table}_before_migration"] == old
    assert await migrate(mysql) == (None, [])
    assert {name: len(ids) for name, ids in (await states(mysql)).items()} == {
        "c0": 7,
        "c1": 7,
        "c2": 6,
    }
