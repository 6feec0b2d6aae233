# ruff: noqa: S101 (asserts are how a suite of cases speaks)
"""Cases: versions, what changed since one of them, and lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from sharedstate_core.storage import Committed, Cursor, Write
from sharedstate_core.updates import Update

from .model import (
    Model,
    check_every_version,
    check_full,
    check_since,
    path,
    put,
    write_all,
)
from .rules import Rule

if TYPE_CHECKING:
    from sharedstate_backends.contract import Backend

EPOCHS: Final[set[str]] = set()
"""Epochs of the empty stores that `test_another_store_has_another_epoch` has seen in this process."""


class CursorCases:
    """Versions and cursors."""

    async def test_versions_rise_by_one(self, backend: Backend) -> None:
        """Every update except a no-op raises the version by one, from 1 on."""
        for version in range(1, 20):
            update = put("a", value=version) if version % 3 else Update(remove=("a",))
            result = await backend.commit(path(), [Write(update)])
            assert list(result.outcomes) == [Committed(version)], f"{Rule.COMMIT}"
            loaded = await backend.load(path(), None)
            assert loaded.version == version, f"{Rule.KEEP}: `load` lags behind"
            head = (await backend.heads([path()]))[path()]
            assert head.version == version, f"{Rule.HEADS}: they lag behind"

    async def test_one_epoch(self, backend: Backend) -> None:
        """Commits, loads and heads name the same epoch, for every collection."""
        epochs = {(await backend.load(path(), None)).epoch}
        for name in ("a", "b"):
            epochs.add((await backend.commit(path(name), [Write(put("x"))])).epoch)
            epochs.add((await backend.load(path(name), None)).epoch)
            epochs.add((await backend.heads([path(name)]))[path(name)].epoch)
        assert len(epochs) == 1, f"{Rule.EPOCH}: each call has to name the same one"

    @pytest.mark.parametrize("number", [1, 2])
    async def test_another_store_has_another_epoch(self, backend: Backend, number: int) -> None:
        """Its versions start over, even if the fixture empties the same store for each case."""
        epoch = (await backend.load(path(), None)).epoch
        assert epoch not in EPOCHS, (
            f"{Rule.EPOCH}: empty store number {number} has the epoch of an earlier one"
        )
        EPOCHS.add(epoch)

    async def test_since_another_epoch(self, backend: Backend) -> None:
        """A cursor of another epoch gets everything."""
        model = Model()
        for update in (put("a"), put("b"), Update(remove=("a",))):
            await write_all(backend, path(), update)
            model.write(update)
        epoch = (await backend.load(path(), None)).epoch
        for other in ("", epoch + "x", epoch.swapcase(), epoch[:-1]):
            check_full(await backend.load(path(), Cursor(other, 2)), model)

    async def test_since_the_future(self, backend: Backend) -> None:
        """A version in the future gets everything."""
        model = Model()
        model.write(put("a"))
        await write_all(backend, path(), put("a"))
        epoch = (await backend.load(path(), None)).epoch
        check_full(await backend.load(path(), Cursor(epoch, 2)), model)
        loaded = await backend.load(path("never written"), Cursor(epoch, 1))
        check_full(loaded, Model())

    async def test_since_now(self, backend: Backend) -> None:
        """The current version gets no rows."""
        epoch = (await backend.load(path(), None)).epoch
        loaded = await backend.load(path(), Cursor(epoch, 0))
        assert (loaded.base, list(loaded.rows)) == (0, []), f"{Rule.LOAD}: since version 0 of 0"
        await write_all(backend, path(), put("a"), Update(remove=("a",)))
        loaded = await backend.load(path(), Cursor(epoch, 2))
        told = (loaded.base, loaded.version, list(loaded.rows))
        assert told == (2, 2, []), f"{Rule.LOAD}: since version 2 of 2"

    async def test_since_and_horizon_after_resets(self, backend: Backend) -> None:
        """This also holds when a reset makes the store forget earlier removals."""
        model = Model()
        for update in (
            put("a", "b"),
            Update(remove=("a",)),
            Update(reset=True),
            put("c"),
            put("b"),
        ):
            await write_all(backend, path(), update)
            model.write(update)
            await check_every_version(backend, path(), model)

    async def test_since_before_a_reset(self, backend: Backend) -> None:
        """A reader from before a reset gets all of its removals, or everything."""
        model = Model()
        for update in (put("a", "b"), put("c"), Update(insert={"b": b'{"id":"b"}'}, reset=True)):
            await write_all(backend, path(), update)
            model.write(update)
        epoch = (await backend.load(path(), None)).epoch
        for version in range(4):
            check_since(await backend.load(path(), Cursor(epoch, version)), model, version)

    async def test_recreated_items_move(self, backend: Backend) -> None:
        """An item that was removed and inserted since is returned as inserted since, at its new place."""
        await write_all(backend, path(), put("a", "b"), put("c", "a", remove=["a"]))
        epoch = (await backend.load(path(), None)).epoch
        loaded = await backend.load(path(), Cursor(epoch, 1))
        rows = sorted(loaded.rows, key=lambda row: (row.created, row.place))
        assert [(row.id, row.created, row.version) for row in rows] == [
            ("c", 2, 2),
            ("a", 2, 2),
        ], f"{Rule.ORDER}: of what changed since version 1"

    async def test_a_load_stays_as_it_was(self, backend: Backend) -> None:
        """What `load` has returned does not change with what is committed later."""
        model = Model()
        await write_all(backend, path(), put("a", "b"))
        model.write(put("a", "b"))
        before = await backend.load(path(), None)
        await write_all(backend, path(), Update(remove=("a",)), put("c"))
        try:
            check_full(before, model)
        except (AssertionError, RuntimeError) as error:
            message = f"{Rule.MOMENT}: the rows of a load changed after it had ended"
            raise AssertionError(message) from error

    async def test_heads(self, backend: Backend) -> None:
        """Heads are the current versions, and 0 where nobody has written."""
        assert dict(await backend.heads([])) == {}, f"{Rule.HEADS}: of no collections"
        await write_all(backend, path("one"), put("a"))
        await write_all(backend, path("two"), put("a"), put("b"))
        paths = [path("two"), path("none"), path("one")]
        heads = await backend.heads(paths)
        assert {key: cursor.version for key, cursor in heads.items()} == dict(
            zip(paths, (2, 0, 1), strict=True)
        ), f"{Rule.HEADS}: of two collections and one that nobody wrote to"

    async def test_heads_of_many(self, backend: Backend) -> None:
        """They work for thousands of collections at once."""
        await write_all(backend, path("2999"), put("a"))
        paths = [path(str(number)) for number in range(3000)]
        heads = {key: cursor.version for key, cursor in (await backend.heads(paths)).items()}
        assert heads == {**dict.fromkeys(paths, 0), path("2999"): 1}, f"{Rule.HEADS}: of 3,000"

    async def test_collections(self, backend: Backend) -> None:
        """Names of what holds an item, sorted by code point, app by app."""
        names = ["b", "a", "é", "Z", "\U0001f511", "\uffee", "a b", "A"]
        for name in names:
            await write_all(backend, path(name), put("x"))
        await write_all(backend, path("elsewhere", app="App"), put("x"))
        await write_all(backend, path("b"), Update(reset=True))
        await write_all(backend, path("noop"), Update())
        condition_path = path("loaded only")
        await backend.load(condition_path, None)
        await backend.heads([condition_path])
        await write_all(backend, path("emptied"), put("a"), Update(remove=("a",)))
        await write_all(backend, path("removed only"), Update(remove=("a",)))
        await write_all(backend, path("filled again"), put("a"), Update(reset=True), put("b"))
        expected = {"app": sorted({*names, "filled again"} - {"b"}), "App": ["elsewhere"]}
        for app in ("app", "App", "nobody's"):
            told = list(await backend.collections(app))
            assert told == expected.get(app, []), f"{Rule.COLLECTIONS}: of {app!r}"
