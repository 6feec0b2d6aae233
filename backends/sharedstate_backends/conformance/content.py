# ruff: noqa: S101 (asserts are how a suite of cases speaks)
"""Cases: what a collection holds after updates, in which order, and to the byte."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sharedstate_core.storage import Committed, Write
from sharedstate_core.updates import Update

from .model import Model, check_every_version, check_full, item_text, path, put, state_of, write_all

if TYPE_CHECKING:
    from sharedstate_backends.contract import Backend

UNLIKE = (
    *("Key", "key", "KEY", "kéy", "ke\u0301y", "key ", "key  ", " key", "key\t", "k", "keyy"),
    *("ß", "ss", "ẞ", "İ", "i", "\u0131", "ﬁ", "fi", "Å", "\u212b", "A\u030a"),
    *("🗝️", "🗝", "\U0001d4b3", "\ufeffkey", "ke\u200by", "ключ", "鍵", "key%", "k_y", "'\"`\\;--"),
    *("1", "01", "1.0", "1e0", "null", "key\x00", "key\x00x", "key\n", "x" * 255),
)
"""Names which must stay apart: case, accents, normal forms, spaces, wildcards, controls, spellings of a number."""

TEXTS = (
    b'{"id":"a","n":[1.10,1e400,-0,-0.0,1E5,123456789012345678901234567890.000]}',
    b' {  "id" :\t"a" }\n',
    '{"id":"a","text":"Key kéy ke\u0301y 🗝️ \u2028 \U0010ffff"}'.encode(),
    b'{"id":"a","text":"\\u00e9 \\ud83d\\udddd \\/ \\u0000"}',
    b'{"z":1,"id":"a","a":{"z":1,"a":[]},"z":2}',
)
"""Item texts which must come back to the byte."""


class ContentCases:
    """Updates one after the other."""

    async def test_nothing_written(self, backend: Backend) -> None:
        """A collection nobody has written to is empty, at version 0."""
        loaded = await backend.load(path(), None)
        assert (loaded.version, loaded.horizon, list(loaded.rows)) == (0, 0, [])
        assert loaded.base is None
        assert loaded.epoch

    async def test_insert_replace_remove_reset(self, backend: Backend) -> None:
        """Each kind of update does what the algebra of updates says, also seen from every earlier version."""
        model = Model()
        for update in (
            put("a", "b", "c", value=1),
            put("b", value=2),
            put("d", "a", value=3),
            Update(remove=("a", "absent")),
            put("a", value=4),
            put("b", "e", value=5, remove=["b", "c", "b"]),
            Update(remove=("absent",)),
            put("c", value=6, remove=["c"]),
            Update(insert={"x": item_text("x"), "a": item_text("a", 7)}, reset=True),
            put("y", "x", value=8, remove=["a"]),
            Update(reset=True),
            put("z", "a"),
        ):
            assert await write_all(backend, path(), update) == model.write(update)
            await check_every_version(backend, path(), model)

    async def test_order_of_insertion(self, backend: Backend) -> None:
        """Replacing keeps the place; removing, then inserting, moves to the end."""
        await write_all(backend, path(), put("c", "a", "b"), put("a", value=2))
        assert list(state_of(await backend.load(path(), None))) == ["c", "a", "b"]
        await write_all(backend, path(), put("d", "c", remove=["c"]))
        assert list(state_of(await backend.load(path(), None))) == ["a", "b", "d", "c"]
        await write_all(backend, path(), Update(remove=("a",)), put("0", "a"))
        assert list(state_of(await backend.load(path(), None))) == ["b", "d", "c", "0", "a"]

    async def test_order_within_an_update(self, backend: Backend) -> None:
        """Items of one update stand in its order, however many there are and whatever their ids."""
        ids = [f"{number * 7919 % 1009:04}" for number in range(1009)]
        await write_all(backend, path(), put(*ids))
        assert list(state_of(await backend.load(path(), None))) == ids

    async def test_batch_in_one_commit(self, backend: Backend) -> None:
        """The writes of one commit apply in order, each with a version of its own."""
        model = Model()
        updates = [put("a", "b"), Update(remove=("a",)), Update(), put("a"), put("b", value=2)]
        result = await backend.commit(path(), [Write(update) for update in updates])
        assert list(result.outcomes) == [Committed(model.write(update)) for update in updates]
        await check_every_version(backend, path(), model)

    async def test_noop(self, backend: Backend) -> None:
        """An update that touches nothing leaves the version."""
        assert await write_all(backend, path(), Update()) == 0
        assert await write_all(backend, path(), put("a"), Update()) == 1
        assert (await backend.load(path(), None)).version == 1

    async def test_no_writes(self, backend: Backend) -> None:
        """A commit of nothing succeeds."""
        assert list((await backend.commit(path(), [])).outcomes) == []

    async def test_removing_what_is_absent(self, backend: Backend) -> None:
        """It raises the version and leaves no row; a tombstone keeps its version."""
        assert await write_all(backend, path(), Update(remove=("a",))) == 1
        assert list((await backend.load(path(), None)).rows) == []
        model = Model()
        model.write(Update(remove=("a",)))
        for update in (put("a"), Update(remove=("a",)), Update(remove=("a", "b"))):
            model.write(update)
            await write_all(backend, path(), update)
        check_full(await backend.load(path(), None), model)

    async def test_names_which_differ_stay_apart(self, backend: Backend) -> None:
        """Ids, collections and apps compare by code point."""
        assert len(set(UNLIKE)) == len(UNLIKE)
        await write_all(backend, path(), *(put(id, value=id) for id in UNLIKE))
        state = state_of(await backend.load(path(), None))
        assert list(state.items()) == [(id, item_text(id, id)) for id in UNLIKE]
        names = [name for name in UNLIKE if name.isprintable() and len(name) <= 128]
        for name in names:
            assert await write_all(backend, path(name), put("a", value=name)) == 1
            assert await write_all(backend, path(app=name), put("a", value=name)) == 1
        for name in names:
            for collection in (path(name), path(app=name)):
                state = state_of(await backend.load(collection, None))
                assert state == {"a": item_text("a", name)}

    async def test_texts_come_back_to_the_byte(self, backend: Backend) -> None:
        """Spelling of numbers, escapes, white space and members are kept."""
        for text in TEXTS:
            await write_all(backend, path(), Update(insert={"a": text}))
            assert state_of(await backend.load(path(), None)) == {"a": text}

    async def test_large_item(self, backend: Backend) -> None:
        """An item of 1 MB is kept whole."""
        text = item_text("a", "é" * 500_000)
        await write_all(backend, path(), Update(insert={"a": text, "b": item_text("b")}))
        assert state_of(await backend.load(path(), None)) == {"a": text, "b": item_text("b")}

    async def test_large_update(self, backend: Backend) -> None:
        """An update of thousands of ids is one update."""
        ids = [f"id {number}" for number in range(5000)]
        model = Model()
        for update in (put(*ids), put(*ids[::2], remove=ids[::3]), Update(remove=tuple(ids[1:]))):
            assert await write_all(backend, path(), update) == model.write(update)
        await check_every_version(backend, path(), model)
