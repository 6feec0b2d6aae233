"""Transactions that the server gives up in the middle of a packet: nothing behind that is carried out.

So it is with a packet of several statements, which goes to MySQL and a MariaDB by itself, and with a compound
statement, which goes to a node of a Galera cluster.
"""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING

import pytest

from sharedstate_backends.conformance.model import path, put, state_of, write_all
from sharedstate_backends.items_service import get_service
from sharedstate_backends.mysql.wire.address import Address
from sharedstate_backends.mysql.wire.compound import answers, compound, refused
from sharedstate_backends.mysql.wire.connection import Connection
from sharedstate_backends.mysql.wire.errors import DEADLOCK, DatabaseError
from tests.backends.legacy.taking_over import until_listed
from tests.backends.opening import opened
from tests.support.services.mariadb import SECONDS, started

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

    from tests.support.services.mariadb import MariaDb

on_its_own_loop = pytest.mark.parametrize("anyio_backend", ["asyncio"])

LOCK_TIMEOUT = 1205
INTERRUPTED = 1317
ROWS = 3
_tables = itertools.count()


@pytest.fixture(scope="module", params=["OFF", "ON"])
def database(
    request: pytest.FixtureRequest, mariadb_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MariaDb]:
    """Return a MariaDB that after a lock's timeout takes back the statement, or the whole transaction."""
    option = f"--innodb-rollback-on-timeout={request.param}"
    with started(mariadb_template, tmp_path_factory.mktemp("aborts"), option) as database:
        database.sql("CREATE DATABASE sharedstate")
        yield database


def address(database: MariaDb, timeout: float) -> Address:
    return Address("127.0.0.1", database.port, user="root", timeout=timeout)


@on_its_own_loop
@pytest.mark.parametrize("is_compound", [False, True])
@pytest.mark.parametrize("number", [DEADLOCK, LOCK_TIMEOUT, INTERRUPTED])
@pytest.mark.parametrize("blocked", range(1, ROWS))
async def test_given_up_at_every_statement(
    database: MariaDb, number: int, blocked: int, *, is_compound: bool
) -> None:
    """It waits for a row that another program has locked, and is given up there."""
    table = f"rows_{next(_tables)}"
    database.sql(
        f"CREATE TABLE {table} (id INT PRIMARY KEY, value INT) ENGINE = InnoDB; "
        f"INSERT INTO {table} SELECT seq, 0 FROM seq_0_to_99",
        "sharedstate",
    )
    statements = ["START TRANSACTION", "SELECT 1"]
    statements += [f"UPDATE {table} SET value = 1 WHERE id = {row}" for row in range(ROWS)]
    statements.append("COMMIT")
    heavy = f"UPDATE {table} SET value = 3 WHERE id > 50"  # the lighter one is given up
    lock = f"UPDATE {table} SET value = 2 WHERE id = {blocked}"
    then = f"UPDATE {table} SET value = 2 WHERE id = 0; COMMIT"
    connection = await Connection.open(address(database, 2 if number == LOCK_TIMEOUT else 60))
    connection.is_galera = is_compound
    (((me,),),) = await connection.run("SELECT CONNECTION_ID()")
    with database.meanwhile(
        "BEGIN", heavy, lock, at_last=then if number == DEADLOCK else "ROLLBACK"
    ):
        asking = asyncio.create_task(connection.run_together(statements))
        if number != LOCK_TIMEOUT:
            await _until_it_waits(database, me)
        if number == INTERRUPTED:
            database.sql(f"KILL QUERY {me}")
        if number != DEADLOCK:
            await asyncio.wait([asking])
    with pytest.raises(DatabaseError) as caught:
        await asking
    assert caught.value.number == number
    assert caught.value.statement < len(statements) - 1, "it was before COMMIT, so it is certain"
    await connection.roll_back()
    await connection.end()
    rows = database.sql(f"SELECT id FROM {table} WHERE value = 1", "sharedstate")
    assert rows == []


async def _until_it_waits(database: MariaDb, connection: int) -> None:
    waiting = (
        "SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT' "
        f"AND trx_mysql_thread_id = {connection}"
    )
    watcher = await Connection.open(address(database, 60))
    async with asyncio.timeout(SECONDS):
        while await watcher.run(waiting) != [[(1,)]]:
            await asyncio.sleep(0.2)  # InnoDB looks anew only where nobody has asked for 0.1 s
    await watcher.end()


@on_its_own_loop
@pytest.mark.parametrize("is_compound", [False, True])
async def test_a_commit_that_is_given_up_is_tried_again(
    database: MariaDb, monkeypatch: pytest.MonkeyPatch, *, is_compound: bool
) -> None:
    """The deadlock comes in the middle of the one packet that a commit is."""
    config: dict[str, Any] = database.config(db_table=f"items_{next(_tables)}")
    table = config["db_table"]
    monkeypatch.setattr(
        Connection, "is_galera", property(lambda _: is_compound, lambda *_: None), raising=False
    )
    async with opened(get_service(config)) as backend:
        await write_all(backend, path(), *(put("a", "b", value=number) for number in range(3)))
        lock = f"SELECT * FROM {table} WHERE id = 'a' FOR UPDATE"
        database.sql("CREATE TABLE IF NOT EXISTS heavy (id INT PRIMARY KEY)", "sharedstate")
        heavy = "REPLACE INTO heavy SELECT seq FROM seq_1_to_1000"
        deadlock = f"SELECT * FROM {table}_collections FOR UPDATE; COMMIT"
        with database.meanwhile("BEGIN", heavy, lock, at_last=deadlock):
            writing = asyncio.create_task(write_all(backend, path(), put("a", "c")))
            await until_listed(database, f"%INSERT INTO `{table}`%")
            await asyncio.sleep(0)
        assert await writing == 4
        loaded = await backend.load(path(), None)
        assert (loaded.version, list(state_of(loaded))) == (4, ["a", "b", "c"])


# --- compound statements ---------------------------------------------------------------------------


STATEMENTS = ["START TRANSACTION", "SELECT a", "UPDATE b", "SELECT c", "COMMIT"]


def test_answers_of_a_compound_statement() -> None:
    assert compound(["SELECT a", "UPDATE b"]) == "BEGIN NOT ATOMIC SELECT a; UPDATE b; END"
    assert compound(STATEMENTS).endswith("; SELECT c; SELECT 1; COMMIT; END")
    results: list[list[tuple[object]]] = [[("a",)], [("c",)], [(1,)], []]
    assert answers(STATEMENTS, results) == [[], [("a",)], [], [("c",)], []]
    for count in range(4):
        assert len(answers(STATEMENTS, results[:count])) < len(STATEMENTS)


def test_which_statement_was_refused() -> None:
    """Only behind the marker it is COMMIT."""
    assert [refused(STATEMENTS, count) for count in range(4)] == [0, 2, 3, 4]
    assert [refused(["SELECT a", "COMMIT"], count) for count in range(3)] == [0, 0, 1]
