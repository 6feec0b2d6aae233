"""Restoring into MariaDB while others write, and what a restore that was killed leaves behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

from sharedstate_backends import OutcomeUnknownError, StorageError
from sharedstate_backends.conformance.model import path, put, write_all
from sharedstate_backends.items_service import get_service
from sharedstate_backends.mysql.wire.connection import Connection
from sharedstate_backends.mysql.wire.errors import LostError
from sharedstate_backends.portable import CollectionHead, Portion
from sharedstate_core.storage import Row, Write
from tests.backends.carrying import content, fill, held, loaded, saved, store
from tests.backends.opening import opened, start_writing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.services.mariadb import MariaDb

DATABASE = "sharedstate"


@pytest.fixture
def anyio_backend() -> str:
    """Return the loop of the commands that do this."""
    return "asyncio"


def rows(database: MariaDb, table: str) -> int:
    """Return how many rows there are, whoever sees them."""
    ((count,),) = database.sql(f"SELECT COUNT(*) FROM {table}", DATABASE)
    return int(count)


async def test_among_writers(mysql: dict[str, Any], shared_mariadb: MariaDb, table: str) -> None:
    """Restored again and again under load: no update is refused, and no row is left of what was there before."""
    await fill(mysql)
    portions = await saved(mysql)
    rounds = 5
    processes = [start_writing(mysql, f"writer {number}", 0) for number in range(3)]
    try:
        for process in processes:
            assert process.stdout is not None
            await anyio.to_thread.run_sync(process.stdout.readline)
        epochs = set()
        for _ in range(rounds):
            await store(mysql).restore(portions)
            now = await loaded(mysql, "todo", app="ä")
            assert now.version == 5
            epochs.add(now.epoch)
        assert len(epochs) == rounds
    finally:
        for process in processes:
            assert process.poll() is None, "an update was refused"
            process.kill()
            process.communicate()
    found = await held(mysql)
    found.pop(("app", "collection"), None)  # that of the writers
    assert found == content(portions)
    assert rows(shared_mariadb, table) == sum(len(each[2]) for each in (await held(mysql)).values())


async def test_the_restore_that_began_last_counts(
    mysql: dict[str, Any], shared_mariadb: MariaDb, table: str
) -> None:
    """An earlier one gives up; what one that was killed has left is deleted."""
    await fill(mysql)
    portions = await saved(mysql)
    before = await held(mysql)
    count = rows(shared_mariadb, table)
    shared_mariadb.sql(
        f"INSERT INTO {table} SELECT 77, id, created, place, version, data FROM {table} LIMIT 9",
        DATABASE,
    )

    def overtaken() -> Iterator[Portion]:
        yield from portions
        shared_mariadb.sql(
            f"UPDATE {table}_meta SET value = 'another' WHERE name = 'restoring'", DATABASE
        )

    with pytest.raises(StorageError, match="another restore has begun; this one is given up"):
        await store(mysql).restore(overtaken())
    assert await held(mysql) == before
    assert rows(shared_mariadb, table) == count
    await store(mysql).restore(portions)
    assert rows(shared_mariadb, table) == count
    left = f"SELECT name FROM {table}_meta WHERE name = 'restoring'"
    assert shared_mariadb.sql(left, DATABASE) == []


async def test_a_commit_that_waits_for_a_restore_is_told_the_new_epoch(
    mysql: dict[str, Any], shared_mariadb: MariaDb, table: str
) -> None:
    """The old epoch and a version of the new history would name a state that never was."""
    async with opened(get_service(mysql)) as backend:
        await write_all(backend, path("todo"), put("a"))
        results = []

        async def commit() -> None:
            results.append(await backend.commit(path("new"), [Write(put("b"))]))

        async with anyio.create_task_group() as tasks:
            with shared_mariadb.meanwhile(
                "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
                "BEGIN",
                f"SELECT * FROM {table}_meta FOR UPDATE",
                f"SELECT `key` FROM {table}_collections FORCE INDEX (by_name) FOR UPDATE",
                f"INSERT INTO {table}_meta SELECT 'former_epochs', value FROM {table}_meta "
                "WHERE name = 'epoch'",
                f"UPDATE {table}_meta SET value = 'restored' WHERE name = 'epoch'",
                at_last="COMMIT",
            ):
                tasks.start_soon(commit)
                with anyio.fail_after(10):
                    while not await anyio.to_thread.run_sync(waits, shared_mariadb):
                        await anyio.sleep(
                            0.2
                        )  # InnoDB looks anew only where nobody has asked for 0.1 s
        assert [result.epoch for result in results] == ["restored"]


def waits(database: MariaDb) -> bool:
    return database.sql(
        "SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'"
    ) != [["0"]]


async def test_an_item_that_does_not_fit(
    mysql: dict[str, Any], shared_mariadb: MariaDb, table: str
) -> None:
    await fill(mysql)
    before = await held(mysql)
    count = rows(shared_mariadb, table)
    large = b'{"id":"large","x":"' + b"x" * 9_000_000 + b'"}'
    head = CollectionHead("app", "todo", 1, 0)
    given = [
        Portion(head, [Row("a", b"{}", 1, 0, 1)]),
        Portion(head, [Row("large", large, 1, 1, 1)]),
    ]
    with pytest.raises(StorageError, match=r"item 'large' has 9000021 bytes.*max_allowed_packet"):
        await store(mysql).restore(given)
    assert await held(mysql) == before
    assert rows(shared_mariadb, table) == count


@pytest.mark.parametrize("is_stored", [True, False])
async def test_a_restore_whose_end_is_unknown_deletes_nothing_and_says_so(
    mysql: dict[str, Any], monkeypatch: pytest.MonkeyPatch, is_stored: bool
) -> None:
    """The connection is lost as it commits: what was there is there, or what was restored, whole."""
    await fill(mysql)
    portions = await saved(mysql)
    restored = [Portion(CollectionHead("app", "new", 1, 0), [Row("a", b'{"id":"a"}', 1, 0, 1)])]
    run = Connection.run

    async def lose(connection: Connection, statement: str, **how: Any) -> Any:
        if statement == "COMMIT":
            if is_stored:
                await run(connection, statement)
            connection.close()
            raise LostError("the connection was lost")
        return await run(connection, statement, **how)

    with monkeypatch.context() as patched:
        patched.setattr(Connection, "run", lose)
        with pytest.raises(OutcomeUnknownError, match="it may be restored or not"):
            await store(mysql).restore(restored)
    assert await saved(mysql) == (restored if is_stored else portions)
    await store(mysql).restore(portions)
    assert await saved(mysql) == portions
