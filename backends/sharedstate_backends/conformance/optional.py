# ruff: noqa: S101 (asserts are how a suite of cases speaks)
"""Cases for the optional parts of a store: listing apps, lists in pages, and forgetting emptied collections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from sharedstate_core.storage import Cursor
from sharedstate_core.updates import Update

from .declaring import DeclaringCases, opened
from .model import path, put, write_all
from .rules import Rule

if TYPE_CHECKING:
    from collections.abc import Collection

    from sharedstate_backends.contract import Backend
    from sharedstate_core.paths import CollectionPath

    from .declaring import Reopen

STEPS: Final = 1_000
"""Number of calls after which nothing must be left to forget."""


def having(backend: Backend, name: str) -> Any:
    """Return the method of that name; skip the case if there is none."""
    if not hasattr(backend, name):
        pytest.skip(f"this case is for stores that have a method `{name}`")
    return getattr(backend, name)


async def forget(backend: Backend, used: Collection[CollectionPath] = ()) -> None:
    """Let the store forget what it wants to."""
    prune = having(backend, "prune")
    for _ in range(STEPS):
        if not await prune("service", used):
            return
    raise AssertionError(f"{Rule.PRUNE}: it is never done")


class OptionalCases(DeclaringCases):
    """Cases of `ListingApps`, `ListingPages` and `Pruning`."""

    async def test_apps(self, backend: Backend) -> None:
        """Names of apps that have items, sorted by code point."""
        apps = having(backend, "apps")
        assert list(await apps()) == [], f"{Rule.APPS}: there are none yet"
        names = ["b", "a", "é", "Z", "\U0001f511", "\uffee", "a b", "A"]
        for name in names:
            await write_all(backend, path("c", app=name), put("x"))
            await write_all(backend, path("d", app=name), put("x"))
        await write_all(backend, path("c", app="b"), Update(reset=True))
        await write_all(backend, path("c", app="emptied"), put("x"), put(remove=["x"]))
        assert list(await apps()) == sorted(names), f"{Rule.APPS}"

    async def test_pages(self, backend: Backend) -> None:
        """Names that follow a name, whether that is listed or not, up to a limit; what is empty does not count."""
        collections, apps = having(backend, "collections_page"), having(backend, "apps_page")
        names = ["b", "a", "é", "Z", "\U0001f511", "\uffee", "a b", "100%", "A"]
        for name in names:
            await write_all(backend, path(name), put("x"))
            await write_all(backend, path("c", app=name), put("x"))
            await write_all(backend, path("d", app=name), put("x"))
        await write_all(backend, path("c", app="a"), Update(reset=True))
        for emptied in ("a a", "a c", "é é"):
            await write_all(backend, path(emptied), put("x"), Update(reset=True))
            await write_all(backend, path("c", app=emptied), put("x"), Update(reset=True))
        for after in ("", "a a", "a bb", "\uffff", *names):
            for limit in (1, 3, 100):
                page = list(await collections("app", after, limit))
                expected = [name for name in sorted(names) if name > after][:limit]
                assert page == expected, f"{Rule.PAGES}: {limit} collections after {after!r}"
                page = list(await apps(after, limit))
                expected = [name for name in sorted([*names, "app"]) if name > after][:limit]
                assert page == expected, f"{Rule.PAGES}: {limit} apps after {after!r}"
        assert list(await collections("a\\'%s", "", 9)) == [], f"{Rule.PAGES}: of another app"

    async def test_forgotten_collections(self, backend: Backend) -> None:
        """They are empty, at a version from which they continue, and readers that held one learn that it is empty."""
        for number in range(3):
            collection = path(str(number))
            await write_all(backend, collection, *[put("a", "b")] * (number + 1))
            last = await write_all(backend, collection, put(remove=["a", "b"]))
            loaded = await backend.load(collection, None)
            epoch, told = loaded.epoch, loaded.version
            assert told == last
            await forget(backend)
            version = await self._check_empty(backend, collection, Cursor(epoch, last))
            for since in range(last):
                loaded = await backend.load(collection, Cursor(epoch, since))
                gone = {row.id for row in loaded.rows if row.text is None}
                assert loaded.base is None or gone == {"a", "b"}, (
                    f"{Rule.PRUNE}: what was removed since version {since} is not told"
                )
            after = await write_all(backend, collection, put("c"))
            assert after == version + 1, f"{Rule.PRUNE}: it does not go on from version {version}"
            loaded = await backend.load(collection, Cursor(epoch, version))
            assert [row.id for row in loaded.rows if row.text is not None] == ["c"], f"{Rule.LOAD}"

    async def test_versions_of_what_was_forgotten(self, backend: Backend) -> None:
        """Whichever is forgotten last, none of them uses a version again."""
        last = {
            path(f"{updates} updates"): await write_all(
                backend, path(f"{updates} updates"), *[put("a")] * updates, put(remove=["a"])
            )
            for updates in (2, 9, 4, 1)
        }
        await forget(backend)
        for collection, version in last.items():
            after = await write_all(backend, collection, put("a"))
            assert after > version, f"{Rule.PRUNE}: version {after} is counted twice"

    async def test_what_is_not_forgotten(self, backend: Backend) -> None:
        """Collections that are not empty, or are in use, stay, with their removals."""
        kept, used = path("kept"), path("used")
        await write_all(backend, kept, put("a", "b"), put(remove=["a"]))
        await write_all(backend, used, put("a", "b"), put(remove=["a"]), put(remove=["b"]))
        await write_all(backend, path("gone"), *[put("a")] * 5, put(remove=["a"]))
        before = {key: await backend.load(key, None) for key in (kept, used)}
        await forget(backend, {used})
        for key, loaded in before.items():
            cursor = Cursor(loaded.epoch, 1)
            assert (await backend.heads([key]))[key].version == loaded.version, f"{Rule.PRUNE}"
            assert set((await backend.load(key, None)).rows) == set(loaded.rows), f"{Rule.PRUNE}"
            assert (await backend.load(key, cursor)).base == 1, f"{Rule.PRUNE}: of what is kept"

    async def test_forgotten_collections_after_reopening(self, reopening: Reopen) -> None:
        """Versions of forgotten collections are not used again after `close` and `open`."""
        async with opened(reopening) as backend:
            last = await write_all(backend, path(), *[put("a")] * 3, put(remove=["a"]))
            epoch = (await backend.load(path(), None)).epoch
            await forget(backend)
        async with opened(reopening) as backend:
            if self.keeps_epoch:
                await self._check_empty(backend, path(), Cursor(epoch, last))
                after = await write_all(backend, path(), put("b"))
                assert after > last, f"{Rule.PRUNE}: a version is counted twice"

    async def _check_empty(self, backend: Backend, collection: CollectionPath, held: Cursor) -> int:
        """Check that it is empty, at a version not before the one held; return the version."""
        loaded = await backend.load(collection, None)
        assert loaded.epoch == held.epoch, f"{Rule.EPOCH}: it has changed"
        assert all(row.text is None for row in loaded.rows), f"{Rule.LOAD}: it is not empty"
        assert loaded.version >= held.version, f"{Rule.PRUNE}: it has gone back"
        head = (await backend.heads([collection]))[collection]
        assert head == (loaded.epoch, loaded.version), f"{Rule.HEADS}: of what was forgotten"
        return loaded.version
