# ruff: noqa: S101 (asserts are how a suite of cases speaks)
"""Cases for stores that carry out patches (`Patching`): each result is what the pure function says, to the byte."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any, Final

import pytest

from sharedstate_core.errors import MismatchError
from sharedstate_core.patches.patch import Patch
from sharedstate_core.storage import Committed, Condition, Cursor, Rejected, Write
from sharedstate_core.updates import Update, apply

from .conditions import check_conflict
from .declaring import DeclaringCases, opened
from .model import Model, check_every_version, path, put, write_all
from .rules import Rule
from .stepping import together

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sharedstate_backends.contract import Backend
    from sharedstate_core.storage import Outcome

    from .declaring import Reopen

CHAIN: Final = 100
"""Increments in one commit."""

WRITERS: Final = 8
"""Backends, or tasks, that increment at once; each does so `TURNS` times."""

TURNS: Final = 12

EXACT: Final = (
    b'{"id":"a","price":1.10,"big":123456789012345678901234567890,"huge":1e400,"n":1,'
    b'"u":"\\u00e9\xc3\xa9","l":[1,{"x":1.0}],"o":{"p":{"q":2.50}}}'
)
"""An item whose text is easily changed on the way."""


def inc(id: str, member: str = "n", by: int = 1, *, upsert: bool = False) -> Update:
    """Return an update that increments a member."""
    return Update(patch=(Patch(id, inc={member: b"%d" % by}, upsert=upsert),))


def need_patches(backend: Backend) -> None:
    """Skip the case if the store carries out no patches."""
    if getattr(backend, "takes_patches", False) is not True:
        pytest.skip("this case is for stores that carry out patches: `takes_patches = True`")


def check_misfit(outcome: Outcome, version: int, place: str, id: str) -> None:
    """Check that a write was rejected at this version since a patch does not fit, and what its author is told."""
    assert isinstance(outcome, Rejected), f"{Rule.PATCH}: applied, though it does not fit"
    told = (outcome.code, outcome.version, outcome.place, outcome.ids)
    assert told == ("mismatch", version, place, (id,)), f"{Rule.PATCH}: {told}"
    assert outcome.message, f"{Rule.PATCH}: the author is told nothing"


async def check_write(backend: Backend, model: Model, *updates: Update) -> None:
    """Commit updates together; check each outcome, and what is stored, against the model."""
    outcomes = (await backend.commit(path(), [Write(update) for update in updates])).outcomes
    for update, outcome in zip(updates, outcomes, strict=True):
        try:
            apply(model.state, update)
        except MismatchError as error:
            check_misfit(outcome, model.version, error.place, error.id)
        else:
            assert outcome == Committed(model.write(update)), f"{Rule.PATCH}: {outcome}"
    await check_every_version(backend, path(), model)


def random_update(draw: random.Random) -> Update:
    """Return an update of a few items, mostly patches, that may not fit."""
    ids = "abcdé"
    remove = tuple(set(draw.choices(ids, k=draw.choice([0, 0, 0, 1, 2]))))
    values = [b"1", b"1.10", b"null", b"[1,2]", b"{}", b'"\\u00e9"', b"9007199254740993"]
    insert = {
        id: b'{"id":%b,"n":%b}' % (json.dumps(id).encode(), draw.choice(values))
        for id in draw.choices(ids, k=draw.choice([0, 0, 1, 2]))
    }
    kinds: list[dict[str, Any]] = [
        {"set": {"n": draw.choice(values)}},
        {"set": {"/o/p": draw.choice(values)}},
        {"unset": ("n",)},
        {"inc": {"n": draw.choice([b"1", b"-0.5"])}},
        {"add": {"l": b"[1,1.0,2]"}},
        {"pull": {"l": b"[1]"}},
    ]
    patch = [
        Patch(draw.choice(ids), upsert=draw.random() < 0.6, **draw.choice(kinds))
        for _ in range(draw.choice([1, 1, 2, 3]))
    ]
    return Update(remove, insert, draw.random() < 0.05, tuple(patch))


class PatchCases(DeclaringCases):
    """What becomes of items of which only some members are changed."""

    async def test_patches(self, backend: Backend) -> None:
        """Each kind of change, alone, together, and in one commit with other updates."""
        need_patches(backend)
        model = Model()
        await check_write(backend, model, Update(insert={"a": EXACT, "b": b'{"id":"b"}'}))
        await check_write(backend, model, inc("a"))
        await check_write(
            backend,
            model,
            Update(patch=(Patch("a", set={"/o/p/r": b"1e400"}, unset=("price",)), Patch("b"))),
            Update(patch=(Patch("b", add={"l": b"[1,2,1]"}), Patch("b", pull={"l": b"[2]"}))),
            put("b", "c"),
            inc("c", "m"),
            Update(("a",), patch=(Patch("a", set={"new": b"true"}, upsert=True),)),
            inc("a", "m", 2),
        )
        await check_write(backend, model, Update(reset=True, patch=(Patch("z", upsert=True),)))

    async def test_texts_of_patched_items(self, backend: Backend) -> None:
        """What is not named keeps its text."""
        need_patches(backend)
        await write_all(backend, path(), Update(insert={"a": EXACT}), inc("a", by=2))
        (row,) = (await backend.load(path(), None)).rows
        assert row.text == EXACT.replace(b'"n":1,', b'"n":3,'), f"{Rule.TEXTS}: of a patched item"

    async def test_what_does_not_fit_is_rejected_alone(self, backend: Backend) -> None:
        """It changes nothing, nor does the rest of its update; the writes around it are applied."""
        need_patches(backend)
        model = Model()
        text = Update(insert={"a": b'{"id":"a","n":"x"}', "b": b'{"id":"b"}'})
        half = Update(("b",), {"c": b'{"id":"c"}'}, patch=(Patch("c"), *inc("a").patch))
        await check_write(backend, model, text, inc("b"), half, inc("b"), inc("absent"), inc("b"))
        assert b'"n":3' in model.state["b"]
        await check_write(backend, model, Update(("b",)), inc("b"), inc("b", upsert=True))

    async def test_a_first_write_that_does_not_fit(self, backend: Backend) -> None:
        """It does not create a collection; one that fits does."""
        need_patches(backend)
        (outcome,) = (await backend.commit(path(), [Write(inc("a"))])).outcomes
        check_misfit(outcome, 0, "patch[0]", "a")
        names = list(await backend.collections("app"))
        assert names == [], f"{Rule.PATCH}: a rejected write made a collection"
        assert await write_all(backend, path(), inc("a", upsert=True)) == 1
        assert list(await backend.collections("app")) == ["collection"]

    async def test_conditions_of_patches(self, backend: Backend) -> None:
        """A condition comes first, and a patch is a change to conditions."""
        need_patches(backend)
        await write_all(backend, path(), put("a", "b"), inc("a"))
        epoch = (await backend.load(path(), None)).epoch

        async def attempt(version: int, update: Update) -> Outcome:
            condition = Condition(Cursor(epoch, version), ("a",))
            (outcome,) = (await backend.commit(path(), [Write(update, condition)])).outcomes
            return outcome

        check_conflict(await attempt(1, inc("absent")), 2)
        assert await attempt(2, inc("a")) == Committed(3), f"{Rule.CONDITION}"
        check_conflict(await attempt(2, put("b")), 3)
        check_misfit(await attempt(3, inc("a", "value")), 3, "patch[0].inc.value", "a")

    async def test_chains_of_increments(self, backend: Backend) -> None:
        """Many in one commit: each finds what the one before it has left."""
        need_patches(backend)
        await write_all(backend, path(), Update(insert={"a": b'{"id":"a","n":0}'}))
        writes = [Write(inc("a")) for _ in range(CHAIN)]
        outcomes = list((await backend.commit(path(), writes)).outcomes)
        assert outcomes == [Committed(version + 2) for version in range(CHAIN)], f"{Rule.PATCH}"
        (row,) = (await backend.load(path(), None)).rows
        assert row.text == b'{"id":"a","n":%d}' % CHAIN, f"{Rule.PATCH}: an increment was lost"
        assert (row.created, row.version) == (1, CHAIN + 1), f"{Rule.ORDER}: of a patched item"

    async def test_many_patched_items(self, backend: Backend) -> None:
        """Thousands in one update."""
        need_patches(backend)
        ids = [f"id {number}" for number in range(2500)]
        model = Model()
        await check_write(backend, model, put(*ids[:2000]))
        all_of_them = tuple(Patch(id, inc={"n": b"1"}, upsert=True) for id in ids)
        await check_write(backend, model, Update(patch=all_of_them))

    async def test_random_patches(self, backend: Backend) -> None:
        """Whatever is written, alone and together with others, the pure function says what comes of it."""
        need_patches(backend)
        draw = random.Random(4)  # noqa: S311
        model = Model()
        for _ in range(40):
            updates = [random_update(draw) for _ in range(draw.choice([1, 2, 5]))]
            await check_write(backend, model, *updates)

    async def test_increments_at_once(self, backend: Backend) -> None:
        """Those of many tasks, in two collections, all count."""
        need_patches(backend)
        await self._increment_at_once([backend])

    async def test_increments_of_two_backends(self, reopening: Reopen) -> None:
        """Those of two backends on the same data all count."""
        if not self.shares_storage:
            pytest.skip("this case is for stores that several processes may use: `shares_storage`")
        async with opened(reopening) as one, opened(reopening) as two:
            need_patches(one)
            await self._increment_at_once([one, two])

    async def _increment_at_once(self, backends: Sequence[Backend]) -> None:
        collections = [path("one"), path("two")]

        async def work(number: int) -> None:
            backend = backends[number % len(backends)]
            for turn in range(TURNS):
                collection = collections[turn % 2]
                await write_all(backend, collection, inc("a", upsert=True))

        for collection in collections:
            await write_all(backends[0], collection, put("b"))
        async with together() as tasks:
            for number in range(WRITERS):
                tasks.start_soon(work, number)
        for collection in collections:
            (row,) = [
                row for row in (await backends[0].load(collection, None)).rows if row.id == "a"
            ]
            assert row.text == b'{"id":"a","n":%d}' % (WRITERS * TURNS // 2), (
                f"{Rule.PATCH}: increments of several were lost, or counted twice"
            )
