"""A store in a file: restarts, several users of one file, tombstones."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import anyio
import pytest

from sharedstate_backends import StorageError
from sharedstate_backends.conformance.model import (
    Model,
    check_every_version,
    check_full,
    path,
    put,
    state_of,
    write_all,
)
from sharedstate_backends.items_service import get_service
from sharedstate_backends.sqlite import schema
from sharedstate_core.storage import Committed, Cursor, Write
from sharedstate_core.updates import Update
from tests.backends.opening import opened, sqlite

if TYPE_CHECKING:
    from pathlib import Path


def execute(file: str, *statements: str) -> None:
    with closing(sqlite3.connect(file)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


async def test_restart_keeps_everything(file: str) -> None:
    model = Model()
    epochs = set()
    for update in (put("a", "b"), Update(remove=("a",)), put("c", "a"), put("b", value=2)):
        async with opened(sqlite(file)) as backend:
            await check_every_version(backend, path(), model)
            await write_all(backend, path(), update)
            model.write(update)
            epochs.add((await backend.load(path(), None)).epoch)
    async with opened(sqlite(file)) as backend:
        await check_every_version(backend, path(), model)
        assert list(await backend.collections("app")) == ["collection"]
        epochs.add((await backend.heads([path()]))[path()].epoch)
    assert len(epochs) == 1


@pytest.mark.parametrize(
    ("opens", "epochs"),
    [
        ("FULL@1 FULL@2", 1),
        ("NORMAL@1 NORMAL@1 FULL@1", 1),
        ("NORMAL@1 NORMAL@2", 2),
        ("NORMAL@1 FULL@2 FULL@3", 2),
        ("FULL@1 NORMAL@2 NORMAL@2", 2),
        ("NORMAL@? NORMAL@? FULL@? FULL@?", 3),  # cannot be told: to be on the safe side
    ],
)
async def test_power_may_take_commits_back_with_a_start_of_the_machine(
    opens: str, epochs: int, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = set()
    boot_id = tmp_path / "boot_id"
    monkeypatch.setattr(schema, "_BOOT_ID", boot_id)
    for synchronous, boot in (each.split("@") for each in opens.split()):
        if boot != "?":
            boot_id.write_text(boot + "\n")
        async with opened(sqlite(file, synchronous=synchronous)) as backend:
            await write_all(backend, path(), put("a"))
            seen.add((await backend.load(path(), None)).epoch)
    assert len(seen) == epochs


async def test_a_new_epoch_is_drawn_where_it_was_deleted(file: str) -> None:
    async with opened(sqlite(file)) as backend:
        before = (await backend.load(path(), None)).epoch
    execute(file, "DELETE FROM items_meta WHERE name = 'epoch'")
    async with opened(sqlite(file)) as backend:
        assert (await backend.load(path(), None)).epoch != before


async def test_services_in_one_file_do_not_mix(file: str) -> None:
    async with opened(sqlite(file, "one")) as one, opened(sqlite(file, "two")) as two:
        await write_all(one, path(), put("a"))
        assert (await two.load(path(), None)).version == 0
        assert (await two.load(path(), None)).epoch != (await one.load(path(), None)).epoch


async def test_two_users_see_each_other_and_stay_ordered(file: str) -> None:
    async with opened(sqlite(file)) as one, opened(sqlite(file)) as two:
        model = Model()
        for number in range(10):
            update = put("a", f"id {number}", value=number)
            assert await write_all((one, two)[number % 2], path(), update) == model.write(update)
            await check_every_version((two, one)[number % 2], path(), model)
            await check_every_version((one, two)[number % 2], path(), model)


async def test_two_users_at_once(file: str) -> None:
    """Every version is given once; no load sees half a commit."""
    versions: list[int] = []

    async with opened(sqlite(file)) as one, opened(sqlite(file)) as two:

        async def work(name: str) -> None:
            backend = one if name == "one" else two
            for number in range(40):
                pair = put("a", "b", f"{name} {number}", value=f"{name} {number}")
                (outcome,) = (await backend.commit(path(), [Write(pair)])).outcomes
                assert isinstance(outcome, Committed)
                versions.append(outcome.version)
                state = state_of(await backend.load(path(), None))
                assert state["a"].replace(b'"a"', b'"b"') == state["b"]

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(work, "one")
            tasks.start_soon(work, "two")
        assert sorted(versions) == list(range(1, 81))
        assert len((await one.load(path(), None)).rows) == 82


async def test_reset_forgets_tombstones(file: str) -> None:
    async with opened(sqlite(file)) as backend:
        await write_all(backend, path(), put("a", "b"), Update(remove=("a",)), Update(reset=True))
        loaded = await backend.load(path(), None)
        assert (loaded.version, loaded.horizon, list(loaded.rows)) == (3, 3, [])


async def test_reset_counts_tombstones_anew(file: str) -> None:
    async with opened(sqlite(file, max_tombstones=20)) as backend:
        for update in (Update(reset=True), Update(reset=True), Update(remove=("id 0",))):
            ids = tuple(f"id {number}" for number in range(15))
            await write_all(backend, path(), update, put(*ids), Update(remove=ids))
        loaded = await backend.load(path(), None)
        assert (loaded.horizon, len(loaded.rows)) == (4, 15)


async def test_tombstones_are_bounded(file: str) -> None:
    async with opened(sqlite(file, max_tombstones=20)) as backend:
        model = Model()
        for number in range(60):
            for update in (put(f"id {number}", "stays"), Update(remove=(f"id {number}",))):
                await write_all(backend, path(), update)
                model.write(update)
            loaded = await backend.load(path(), None)
            tombstones = [row.version for row in loaded.rows if row.text is None]
            assert len(tombstones) <= 22
            assert len(tombstones) == number + 1 or len(tombstones) >= 20
            assert min(tombstones) > loaded.horizon
        await check_every_version(backend, path(), model)
        horizon = (await backend.load(path(), None)).horizon
        assert horizon > 0
    async with opened(sqlite(file, max_tombstones=20)) as backend:
        epoch = (await backend.load(path(), None)).epoch
        check_full(await backend.load(path(), Cursor(epoch, horizon - 1)), model)
        assert (await backend.load(path(), Cursor(epoch, horizon))).base == horizon
        gone = tuple(f"many {number}" for number in range(100))
        await write_all(backend, path(), put(*gone), Update(remove=gone))
        loaded = await backend.load(path(), None)
        assert loaded.horizon == loaded.version
        assert [row.id for row in loaded.rows] == ["stays"]


async def test_locked_file(file: str) -> None:
    async with opened(sqlite(file, busy_timeout=0)) as backend:
        await write_all(backend, path(), put("a"))
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StorageError, match="is locked by another program"):
                await backend.commit(path(), [Write(put("b"))])
            assert (await backend.load(path(), None)).version == 1
            other.execute("ROLLBACK")
        assert await write_all(backend, path(), put("b")) == 2


async def test_a_copy_without_its_log_is_told(
    file: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """While a database is young, everything is in the log beside it."""
    copy, whole = str(tmp_path / "copy.db"), str(tmp_path / "whole.db")
    async with opened(sqlite(file)) as backend:
        await write_all(backend, path(), put("a"))
        shutil.copy(file, copy)
        for suffix in ("", "-wal"):
            shutil.copy(file + suffix, whole + suffix)
    async with opened(sqlite(whole)) as backend:
        assert (await backend.load(path(), None)).rows
    assert not caplog.records
    async with opened(sqlite(copy)) as backend:
        assert not (await backend.load(path(), None)).rows
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert f"{copy} was there" in record.getMessage()
    caplog.clear()


async def test_what_begins_empty_without_a_word(
    file: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What is new, what was touched, what another service or program has a table in."""
    touched, shared = tmp_path / "touched.db", str(tmp_path / "shared.db")
    touched.touch()
    execute(shared, "CREATE TABLE other (x)")
    for name in (file, file, ":memory:", str(touched), shared):
        async with opened(sqlite(name)):
            pass
    async with opened(get_service({"db_type": "sqlite", "db_name": file, "db_table": "second"})):
        pass
    assert not caplog.records
