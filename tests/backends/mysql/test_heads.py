"""Commits that remember heads: one round trip, and never a wrong one."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sharedstate_backends import OutcomeUnknownError
from sharedstate_backends.conformance.model import (
    Model,
    check_every_version,
    path,
    put,
    state_of,
    write_all,
)
from sharedstate_backends.items_service import get_service
from sharedstate_backends.mysql.tables import heads
from sharedstate_backends.mysql.wire import connection as mysql_connection
from sharedstate_backends.mysql.wire.connection import Connection
from sharedstate_backends.mysql.wire.errors import OUT_OF_RANGE, DatabaseError, LostError
from sharedstate_core.storage import Committed, Condition, Cursor, Rejected, Write
from sharedstate_core.updates import Update
from tests.backends.opening import opened
from tests.backends.sqlite.test_random import COMMITS, _check, _condition

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sharedstate_backends import Backend
    from sharedstate_backends.mysql.wire.compound import Rows
    from tests.support.services.mariadb import MariaDb

run = Connection.run


class Wire:
    """What goes over the connections.

    Attributes:
        packets: the statements of each.
        swallow: packets with COMMIT are lost on the way, or the answers to them.
    """

    def __init__(self) -> None:
        self.packets: list[str] = []
        self.swallow: bool | Literal["answers"] = False

    async def run(self, connection: Connection, statements: str, **options: Any) -> list[Rows]:
        self.packets.append(statements)
        if self.swallow and "COMMIT" in statements:
            if self.swallow == "answers":
                await run(connection, statements, **options)
            connection.close()
            raise LostError("swallowed")
        return await run(connection, statements, **options)

    @contextmanager
    def counted(self, count: int) -> Iterator[None]:
        """Check that so many packets go out."""
        before = len(self.packets)
        yield
        assert len(self.packets) - before == count, self.packets[before:]


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    wire = Wire()

    async def watched(connection: Connection, statements: str, **options: Any) -> list[Rows]:
        return await wire.run(connection, statements, **options)

    monkeypatch.setattr(Connection, "run", watched)
    return wire


async def remembered(backend: Backend, name: str = "collection") -> int:
    """Write until the collection's head is remembered; return its version."""
    return [await write_all(backend, path(name), put("a", "b", value=n)) for n in range(3)][-1]


async def test_round_trips(mysql: dict[str, Any], wire: Wire) -> None:
    async with opened(get_service(mysql)) as backend:
        with wire.counted(4):  # to look, to count how many there are, to create it, to write
            await write_all(backend, path(), put("a"))
        with wire.counted(3):  # they are not counted again
            await write_all(backend, path("another"), put("a"))
        with wire.counted(1):
            await write_all(backend, path(), put("a", "b", remove=["c"]))
        with wire.counted(1):
            await write_all(backend, path(), Update(reset=True))
        cursor = Cursor((await backend.load(path(), None)).epoch, 3)
        with wire.counted(1):
            await backend.commit(path(), [Write(put("c"), Condition(cursor))])
        with wire.counted(2):  # whether it holds depends on a row
            await backend.commit(path(), [Write(put("d"), Condition(cursor, ("d",)))])
        with wire.counted(1):
            assert await write_all(backend, path(), put("e")) == 6
    async with opened(get_service(mysql)) as backend:
        for count, version in ((2, 7), (2, 8), (1, 9)):  # not before it is known to be alone there
            with wire.counted(count):
                assert await write_all(backend, path(), put("f")) == version


async def test_others_write_there_too(mysql: dict[str, Any], wire: Wire) -> None:
    async with opened(get_service(mysql)) as one, opened(get_service(mysql)) as two:
        assert await remembered(one) == 3
        assert await write_all(two, path(), put("x")) == 4
        with wire.counted(4):  # it is not as remembered: that is undone, and done anew
            assert await write_all(one, path(), put("y")) == 5
        for version in range(6, 20, 2):
            for backend in (two, one):
                with wire.counted(2):
                    version += backend is one  # noqa: PLW2901
                    assert await write_all(backend, path(), put("z")) == version
        assert await write_all(one, path(), put("z")) == 20
        with wire.counted(1):
            assert await write_all(one, path(), put("z")) == 21


async def test_others_write_to_one_of_several_collections(
    mysql: dict[str, Any], wire: Wire
) -> None:
    """It is made sure of each head in a transaction, not of one."""
    versions: dict[str, int] = {}
    async with opened(get_service(mysql)) as one, opened(get_service(mysql)) as two:
        for name in "abcd":
            await remembered(one, name)
        await write_all(two, path("c"), put("x"))

        async def write(name: str) -> None:
            versions[name] = await write_all(one, path(name), put("y"))

        async with anyio.create_task_group() as tasks:
            for name in "abcd":
                tasks.start_soon(write, name)
        assert any(packet.count("`key` = ") > 1 for packet in wire.packets), "they went alone"
        assert versions == {"a": 4, "b": 4, "c": 5, "d": 4}
        for name, version in versions.items():
            assert (await one.load(path(name), None)).version == version


async def test_a_connection_that_nobody_used_for_a_while_is_not_trusted(
    mysql: dict[str, Any], wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With COMMIT in the packet, nobody would know what came of it."""
    async with opened(get_service(mysql)) as backend:
        await remembered(backend)
        monkeypatch.setattr(mysql_connection, "WARM_SECONDS", 0)
        with wire.counted(2):
            await write_all(backend, path(), put("c"))


async def test_a_condition_is_held_against_what_is_there(mysql: dict[str, Any]) -> None:
    """Not against what is remembered: a conflict is told with the version of that moment."""
    async with opened(get_service(mysql)) as one, opened(get_service(mysql)) as two:
        cursor = Cursor((await one.heads([path()]))[path()].epoch, await remembered(one))
        await write_all(two, path(), put("x"))
        (outcome,) = (await one.commit(path(), [Write(put("y"), Condition(cursor))])).outcomes
        assert isinstance(outcome, Rejected)
        assert outcome.version == 4


@pytest.mark.parametrize(
    ("statement", "version"),
    [
        ("UPDATE {}_meta SET value = 'another' WHERE name = 'epoch'", 4),
        ("DELETE FROM {}_collections", 1),
        ("UPDATE {}_collections SET version = 2", 3),  # a backup was put back
    ],
)
async def test_the_tables_have_been_tampered_with(
    mysql: dict[str, Any], shared_mariadb: MariaDb, statement: str, version: int
) -> None:
    """In each case history is lost: there is a new epoch, which is not the one that somebody wrote."""
    async with opened(get_service(mysql)) as backend:
        await remembered(backend)
        before = (await backend.heads([path()]))[path()].epoch
        shared_mariadb.sql(statement.format(mysql["db_table"]), "sharedstate")
        result = await backend.commit(path(), [Write(put("c"))])
        loaded = await backend.load(path(), None)
        assert result.outcomes == [Committed(version)]
        assert (loaded.epoch, loaded.version) == (result.epoch, version)
        assert result.epoch not in {before, "another"}


@pytest.mark.parametrize(
    ("looked_into", "meanwhile"), [(False, None), (True, None), (True, Update()), (True, put("c"))]
)
async def test_a_packet_that_arrives_late(
    mysql: dict[str, Any], wire: Wire, *, looked_into: bool, meanwhile: Update | None
) -> None:
    """Once a lost commit was looked into, it is stored or never will be, wherever its packet was.

    Another commit may come before, also one that changes nothing.
    """
    async with opened(get_service(mysql)) as backend:
        await remembered(backend)
        wire.swallow = True
        with pytest.raises(OutcomeUnknownError):
            await backend.commit(path(), [Write(put("late"))])
        wire.swallow = False
        late = wire.packets[-1]
        assert late.startswith("START TRANSACTION")
        assert late.endswith("COMMIT")
        if meanwhile is not None:
            await write_all(backend, path(), meanwhile)
        if looked_into:
            assert "late" not in state_of(await backend.load(path(), None))
        async with opened(get_service(mysql)) as other:

            async def arrive() -> None:
                pool = other._backend._pool  # type: ignore[attr-defined]
                async with pool.connection() as connection:
                    await connection.run(late)

            if looked_into:
                with pytest.raises(DatabaseError) as caught:
                    await other._run(arrive)  # type: ignore[attr-defined]
                assert caught.value.number == OUT_OF_RANGE
            else:
                await other._run(arrive)  # type: ignore[attr-defined]
        loaded = await backend.load(path(), None)
        assert ("late" in state_of(loaded)) is not looked_into
        assert await write_all(backend, path(), put("on")) == loaded.version + 1


async def test_connections_that_were_killed_meanwhile(
    mysql: dict[str, Any], shared_mariadb: MariaDb
) -> None:
    """Nobody is told of a connection that was lost while nobody used it."""
    async with opened(get_service(mysql)) as backend:
        for number in range(3):
            version = await remembered(backend)
            assert version == 3 + 4 * number
            for (id,) in shared_mariadb.sql(
                "SELECT id FROM information_schema.processlist WHERE db = 'sharedstate' "
                "AND command = 'Sleep' AND id <> connection_id()"
            ):
                shared_mariadb.sql(f"KILL {id}")
            await anyio.sleep(0.1)  # the news arrives
            assert await write_all(backend, path(), put("c")) == version + 1


async def test_heads_are_looked_up_by_key(
    mysql: dict[str, Any], wire: Wire, shared_mariadb: MariaDb
) -> None:
    """By name only where the key is not known, or not there any more."""
    paths = [path(name) for name in "abc"]

    async def versions(backend: Backend, *, names: int) -> list[int]:
        before = len(wire.packets)
        heads = await backend.heads(paths)
        asked = [packet for packet in wire.packets[before:] if "_collections" in packet]
        assert sum(packet.count("name = ") for packet in asked) == names, asked
        return [heads[path].version for path in paths]

    async with opened(get_service(mysql)) as writer, opened(get_service(mysql)) as reader:
        for path_ in paths[:2]:
            await write_all(writer, path_, put("x"))
        assert await versions(writer, names=1) == [1, 1, 0]
        assert await versions(reader, names=3) == [1, 1, 0]
        assert await versions(reader, names=1) == [1, 1, 0]
        await write_all(writer, paths[0], put("y"))
        await write_all(writer, paths[2], put("x"))
        assert await versions(reader, names=1) == [2, 1, 1]
        assert await versions(reader, names=0) == [2, 1, 1]
        heads = f"{mysql['db_table']}_collections"
        shared_mariadb.sql(f"UPDATE {heads} SET `key` = `key` / 2 WHERE name = 'b'", "sharedstate")
        assert await versions(reader, names=1) == [2, 1, 1]
        assert await versions(reader, names=0) == [2, 1, 1]


async def test_as_many_are_remembered_as_may_be(
    mysql: dict[str, Any], wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heads, "MAX_REMEMBERED", 2)
    async with opened(get_service(mysql)) as backend:
        for name in "abc":
            await remembered(backend, name)
        for name, count in (("b", 1), ("c", 1), ("a", 2)):
            with wire.counted(count):
                await write_all(backend, path(name), put("a"))


@given(commits=COMMITS, max_tombstones=st.sampled_from([0, 1, 3, 10_000]), turns=st.integers(1, 4))
@settings(max_examples=settings().max_examples // 10, deadline=None)
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_histories(
    shared_mariadb: MariaDb,
    commits: list[list[tuple[Update, tuple[int, list[str] | None] | None]]],
    max_tombstones: int,
    turns: int,
) -> None:
    """Of two stores on one table, of which the second has its turn now and then."""
    shared_mariadb.sql("DROP DATABASE IF EXISTS histories; CREATE DATABASE histories")
    config = shared_mariadb.config(db_name="histories")
    model = Model()
    async with opened(get_service(config)) as one, opened(get_service(config)) as two:
        for backend in (one, two):
            backend._backend._writer._commits._max_tombstones = max_tombstones  # type: ignore[attr-defined]
        for number, commit in enumerate(commits):
            loaded = await two.load(path(), None)
            writes = [
                Write(update, _condition(condition, loaded.epoch, model.version))
                for update, condition in commit
            ]
            writer = two if number % (turns + 1) == turns else one
            outcomes = (await writer.commit(path(), writes)).outcomes
            _check(outcomes, writes, model, loaded.epoch, loaded.horizon)
            tombstones = [r for r in (await one.load(path(), None)).rows if r.text is None]
            assert len(tombstones) <= max_tombstones + max_tombstones // 10
        await check_every_version(one, path(), model)
