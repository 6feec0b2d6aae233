# ruff: noqa: S101 (asserts are how a suite of cases speaks)
"""Cases: what a collection holds after updates, in which order, and to the byte."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sharedstate_core.storage import Committed, Write
from sharedstate_core.updates import Update

from .model import Model, check_every_version, check_full, item_text, path, put, state_of, write_all
from .rules import Rule

if TYPE_CHECKING:
    from sharedstate_backends.contract import Backend

UNLIKE = (
    *("Key", "key", "KEY", "kéy", "ke\u0301y", "key ", "key  ", " key", "key\t", "k", "keyy"),
    *("ß", "ss", "ẞ", "İ", "i", "\u0131", "ﬁ", "fi", "Å", "\u212b", "A\u030a"),
    *("🗝️", "🗝", "\U0001d4b3", "\ufeffkey", "ke\u200by", "ключ", "鍵", "key%", "k_y", "'\"`\\;--"),
    *("1", "01", "1.0", "1e0", "null", "key\x00", "key\x00x", "key\n", "x" * 255),
)
"""Names that must stay distinct: case, accents, normal forms, spaces, wildcards, controls, spellings of a number."""

TEXTS = (
    b'{"id":"a","n":[1.10,1e400,-0,-0.0,1E5,123456789012345678901234567890.000]}',
    b' {  "id" :\t"a" }\n',
    '{"id":"a","text":"Key kéy ke\u0301y 🗝️ \u2028 \U0010ffff"}'.encode(),
    b'{"id":"a","text":"\\u00e9 \\ud83d\\udddd \\/ \\u0000"}',
    b'{"z":1,"id":"a","a":{"z":1,"a":[]},"z":2}',
)
"""Item texts that must come back byte for byte."""


async def check_order(backend: Backend, ids: list[str], rule: Rule = Rule.ORDER) -> None:
    """Check that the collection has these items, in this order."""
    assert list(state_of(await backend.load(path(), None))) == ids, f"{rule}"


class ContentCases:
    """Updates one after the other."""

    async def test_nothing_written(self, backend: Backend) -> None:
        """A collection that nobody has written to is empty, at version 0."""
        loaded = await backend.load(path(), None)
        told = (loaded.version, loaded.horizon, list(loaded.rows), loaded.base)
        assert told == (0, 0, [], None), f"{Rule.LOAD}: of what nobody has written to"
        assert loaded.epoch, f"{Rule.EPOCH}: it is empty"

    async def test_insert_replace_remove_reset(self, backend: Backend) -> None:
        """Each kind of update does what the algebra of updates says, as seen from every earlier version too."""
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
            version = await write_all(backend, path(), update)
            assert version == model.write(update), f"{Rule.COMMIT}: of {update}"
            await check_every_version(backend, path(), model)

    async def test_order_of_insertion(self, backend: Backend) -> None:
        """Replacing keeps the place; removing, then inserting, moves to the end."""
        await write_all(backend, path(), put("c", "a", "b"), put("a", value=2))
        await check_order(backend, ["c", "a", "b"])
        await write_all(backend, path(), put("d", "c", remove=["c"]))
        await check_order(backend, ["a", "b", "d", "c"])
        await write_all(backend, path(), Update(remove=("a",)), put("0", "a"))
        await check_order(backend, ["b", "d", "c", "0", "a"])

    async def test_order_within_an_update(self, backend: Backend) -> None:
        """Items of one update keep its order, however many there are and whatever their ids."""
        ids = [f"{number * 7919 % 1009:04}" for number in range(1009)]
        await write_all(backend, path(), put(*ids))
        await check_order(backend, ids)

    async def test_batch_in_one_commit(self, backend: Backend) -> None:
        """The writes of one commit apply in order, each with a version of its own."""
        model = Model()
        updates = [put("a", "b"), Update(remove=("a",)), Update(), put("a"), put("b", value=2)]
        result = await backend.commit(path(), [Write(update) for update in updates])
        expected = [Committed(model.write(update)) for update in updates]
        assert list(result.outcomes) == expected, f"{Rule.COMMIT}: one outcome for each, in order"
        await check_every_version(backend, path(), model)

    async def test_noop(self, backend: Backend) -> None:
        """A no-op leaves the version."""
        versions = [
            await write_all(backend, path(), update) for update in (Update(), put("a"), Update())
        ]
        versions.append((await backend.load(path(), None)).version)
        assert versions == [0, 1, 1, 1], f"{Rule.COMMIT}: a no-op leaves the version"

    async def test_no_writes(self, backend: Backend) -> None:
        """A commit without writes succeeds."""
        outcomes = list((await backend.commit(path(), [])).outcomes)
        assert outcomes == [], f"{Rule.COMMIT}: of no writes"

    async def test_removing_what_is_absent(self, backend: Backend) -> None:
        """Removing an absent id raises the version and leaves no row; a tombstone keeps its version."""
        version = await write_all(backend, path(), Update(remove=("a",)))
        assert version == 1, f"{Rule.COMMIT}: to remove what is absent is an update, too"
        rows = list((await backend.load(path(), None)).rows)
        assert rows == [], f"{Rule.LOAD}: what never was there leaves no tombstone"
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
        expected = [(id, item_text(id, id)) for id in UNLIKE]
        assert list(state.items()) == expected, f"{Rule.NAMES}: ids"
        names = [name for name in UNLIKE if name.isprintable() and len(name) <= 128]
        for name in names:
            for collection in (path(name), path(app=name)):
                version = await write_all(backend, collection, put("a", value=name))
                assert version == 1, f"{Rule.NAMES}: {collection} was written to before"
        for name in names:
            for collection in (path(name), path(app=name)):
                state = state_of(await backend.load(collection, None))
                assert state == {"a": item_text("a", name)}, f"{Rule.NAMES}: {collection}"

    async def test_app_and_collection_are_two_names(self, backend: Backend) -> None:
        """However they are joined: the same characters divided elsewhere are other names."""
        paths = [
            path(text[cut + width :], app=text[:cut])
            for separator in ("", "-", "_", ".", ":", " ", "|", ",", "\\", "%2F", "'", '"', "--")
            if (text := f"n{separator}n{separator}n")
            for cut, width in ((1, len(separator)), (len(separator) + 2, len(separator)))
        ]
        paths += [
            path("n", app="n-n-"),
            path("-n-n", app="n"),
            path("n-", app="n-"),
            path("-n-", app="n"),
        ]
        for collection in dict.fromkeys(paths):
            version = await write_all(backend, collection, put("a", value=list(collection)))
            assert version == 1, f"{Rule.NAMES}: {collection} was written to before"

    async def test_service_is_no_name(self, backend: Backend) -> None:
        """The store ignores its name in the configuration: a service may be renamed."""
        model = Model()
        for service in ("items", "renamed"):
            collection = path()._replace(service=service)
            version = await write_all(backend, collection, put(service))
            assert version == model.write(put(service)), f"{Rule.NAMES}: `service` is to be ignored"
            loaded = await backend.load(path(), None)
            assert loaded.version == version, f"{Rule.NAMES}: `service` is to be ignored"
            check_full(loaded, model)

    async def test_long_names(self, backend: Backend) -> None:
        """Ids of 255 bytes and names of 128 are kept whole: the last character counts."""
        ids = [
            start + end
            for start in ("x" * 254, "é" * 127, "\U0001d4b3" * 63 + "xx")
            for end in "ab"
        ]
        await write_all(backend, path(), put(*ids))
        await check_order(backend, ids, Rule.NAMES)
        for name in (
            "x" * 127 + "a",
            "x" * 127 + "b",
            "é" * 64,
            "é" * 63 + "ee",
            "\U0001d4b3" * 32,
        ):
            for collection in (path(name), path(app=name), path(name, app=name)):
                version = await write_all(backend, collection, put("a"))
                assert version == 1, f"{Rule.NAMES}: {collection} was written to before"
                names = list(await backend.collections(collection.app))
                assert collection.collection in names, f"{Rule.NAMES}: {collection} is not listed"

    async def test_texts_come_back_to_the_byte(self, backend: Backend) -> None:
        """Spelling of numbers, escapes, white space and members are kept."""
        for text in TEXTS:
            await write_all(backend, path(), Update(insert={"a": text}))
            assert state_of(await backend.load(path(), None)) == {"a": text}, f"{Rule.TEXTS}"

    async def test_large_item(self, backend: Backend) -> None:
        """An item of 1 MB is kept whole."""
        text = item_text("a", "é" * 500_000)
        await write_all(backend, path(), Update(insert={"a": text, "b": item_text("b")}))
        told = {id: len(kept) for id, kept in state_of(await backend.load(path(), None)).items()}
        assert told == {"a": len(text), "b": len(item_text("b"))}, f"{Rule.TEXTS}: lengths"
        whole = state_of(await backend.load(path(), None))["a"] == text
        assert whole, f"{Rule.TEXTS}: an item of 1 MB"

    async def test_large_update(self, backend: Backend) -> None:
        """An update of thousands of ids is one update."""
        ids = [f"id {number}" for number in range(5000)]
        model = Model()
        for update in (put(*ids), put(*ids[::2], remove=ids[::3]), Update(remove=tuple(ids[1:]))):
            version = await write_all(backend, path(), update)
            assert version == model.write(update), f"{Rule.COMMIT}: one update, one version"
        await check_every_version(backend, path(), model)
