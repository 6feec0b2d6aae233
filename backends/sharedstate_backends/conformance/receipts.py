# ruff: noqa: S101 (asserts are how a suite of cases speaks)
"""Cases for stores that keep receipts (`KeepingReceipts`): what is sent again is stored once, whatever was lost."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Final, cast

import pytest

from sharedstate_core.receipts import Receipt, Receipts, sessions
from sharedstate_core.storage import (
    Committed,
    Condition,
    Cursor,
    Operation,
    Rejected,
    Write,
    condition_holds,
)
from sharedstate_core.updates import Update

from .declaring import DeclaringCases, opened
from .model import Model, check_full, path, put, write_all
from .optional import forget
from .patches import inc, need_patches
from .rules import Rule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sharedstate_backends.contract import Backend, KeepingReceipts
    from sharedstate_core.paths import CollectionPath
    from sharedstate_core.storage import Outcome

    from .declaring import Reopen

STEPS: Final = 1_000
"""Maximum number of calls of `forget_receipts` until it is done."""

REFUSAL: Final = Rejected("forbidden", "not allowed any more", 0, "insert[0]")


def need_receipts(backend: Backend) -> None:
    """Skip the case if the store keeps no receipts."""
    if getattr(backend, "keeps_receipts", False) is not True:
        pytest.skip("this case is for stores that keep receipts: `keeps_receipts = True`")


def numbered(number: int, update: Update, session: str = "me", **more: Any) -> Write:
    """Return the write of a session's update with this number; its time is the number, too."""
    refused = more.pop("refused", ())
    return Write(update, op=Operation(session, number, number, refused), **more)


async def check(
    backend: Backend,
    expected: Sequence[Outcome],
    *writes: Write,
    collection: CollectionPath | None = None,
) -> None:
    """Commit these writes together, and check what comes of each, the texts of refusals aside."""
    result = await backend.commit(collection or path(), writes)
    for write, outcome, wanted in zip(writes, result.outcomes, expected, strict=True):
        assert _decision(outcome) == _decision(wanted), (
            f"{Rule.RECEIPT}: {write.op} has {outcome}, not {wanted}"
        )


def _decision(outcome: Outcome) -> object:
    if isinstance(outcome, Committed):
        return outcome
    return outcome.code, outcome.version, outcome.by_receipt, outcome.is_unknown


def refused(code: str, version: int, *, is_unknown: bool = False) -> Rejected:
    """Return the outcome of a write that its receipt refuses."""
    return Rejected(cast("Any", code), "", version, by_receipt=True, is_unknown=is_unknown)


class ReceiptCases(DeclaringCases):
    """Cases of `KeepingReceipts`."""

    async def test_sent_again(self, backend: Backend) -> None:
        """It is stored once, and told of with the present version; others have written meanwhile."""
        need_receipts(backend)
        model = Model()
        model.write(put("a"))
        model.write(put("b"))
        await check(backend, [Committed(1)], numbered(1, put("a")))
        await write_all(backend, path(), put("b"))
        await check(backend, [Committed(2, duplicate=True)], numbered(1, put("a")))
        check_full(await backend.load(path(), None), model)
        await check(backend, [Committed(3)], numbered(2, put("a", value=2)))
        both = [Committed(3, duplicate=True)] * 2
        await check(backend, both, numbered(1, put("a")), numbered(2, put("a", value=2)))

    async def test_twice_in_one_commit(self, backend: Backend) -> None:
        """Several of one session follow each other, also those that are there twice."""
        need_receipts(backend)
        outcomes = [Committed(1), Committed(2), Committed(2, duplicate=True), Committed(3)]
        numbers = [1, 2, 1, 3]
        await check(backend, outcomes, *(numbered(each, put("a", value=each)) for each in numbers))

    async def test_sessions_and_collections(self, backend: Backend) -> None:
        """Each session has a receipt of its own in each collection."""
        need_receipts(backend)
        await check(backend, [Committed(1)], numbered(2, put("a"), "me"))
        await check(
            backend,
            [Committed(2), Committed(3)],
            numbered(2, put("b"), "Me"),
            numbered(1, put("c"), "you"),
        )
        await check(
            backend, [Committed(1)], numbered(1, put("a"), "me"), collection=path("another")
        )
        await check(backend, [refused("conflict", 3)], numbered(1, put("a"), "me"))

    async def test_what_was_refused(self, backend: Backend) -> None:
        """It stays so, with the same code, once a later one is stored; before, it is decided anew."""
        need_receipts(backend)
        epoch = (await backend.load(path(), None)).epoch
        too_late = Condition(Cursor(epoch, 0))
        await write_all(backend, path(), put("a"))
        conflict = Rejected("conflict", "", 1)
        await check(backend, [conflict], numbered(1, put("b"), condition=too_late))
        await check(backend, [conflict], numbered(1, put("b"), condition=too_late))
        codes = ((1, "conflict"), (2, "too_many"))
        await check(backend, [Committed(2)], numbered(4, put("c"), refused=codes))
        again = [numbered(each, put("b")) for each in (1, 2, 3)]
        outcomes = [refused("conflict", 2), refused("too_many", 2), refused("conflict", 2)]
        await check(backend, outcomes, *again)
        lost = numbered(5, put("b"), condition=too_late)
        await check(
            backend, [Rejected("conflict", "", 2), Committed(3)], lost, numbered(6, put("d"))
        )
        await check(backend, [refused("too_many", 3)], numbered(2, put("b")))
        rows = (await backend.load(path(), None)).rows
        assert {row.id for row in rows} == {"a", "c", "d"}, f"{Rule.RECEIPT}: stored after all"

    async def test_refused_unless_it_was_stored(self, backend: Backend) -> None:
        """What the server would refuse is answered by its receipt, and never stored."""
        need_receipts(backend)
        no = Rejected("forbidden", "", 0)
        await check(backend, [no], numbered(1, put("a"), refusal=REFUSAL))
        await check(backend, [Committed(1)], numbered(1, put("a")))
        writes = [numbered(each, put("b"), refusal=REFUSAL) for each in (1, 2)]
        result = await backend.commit(path(), writes)
        assert result.outcomes[0] == Committed(1, duplicate=True), f"{Rule.RECEIPT}"
        assert result.outcomes[1] == Rejected(REFUSAL.code, REFUSAL.message, 1, REFUSAL.place), (
            f"{Rule.RECEIPT}: another refusal than was asked for"
        )
        assert [row.id for row in (await backend.load(path(), None)).rows] == ["a"], (
            f"{Rule.RECEIPT}: what is refused was stored"
        )

    async def test_conditions_of_duplicates(self, backend: Backend) -> None:
        """They are not looked at: that of the first time held."""
        need_receipts(backend)
        epoch = (await backend.load(path(), None)).epoch
        once = numbered(1, put("a"), condition=Condition(Cursor(epoch, 0)))
        await check(backend, [Committed(1)], once)
        await check(backend, [Committed(1, duplicate=True)], once)

    async def test_patches_of_duplicates(self, backend: Backend) -> None:
        """An increment that is sent again counts once."""
        need_receipts(backend)
        need_patches(backend)
        once = numbered(1, inc("a", upsert=True))
        await check(backend, [Committed(1)], once)
        await check(backend, [Committed(1, duplicate=True)] * 2, once, once)
        (row,) = (await backend.load(path(), None)).rows
        assert row.text == b'{"id":"a","n":1}', f"{Rule.RECEIPT}: counted twice"

    async def test_what_leaves_no_receipt(self, backend: Backend) -> None:
        """No-ops, and what is refused, also the first time that a collection is written to."""
        need_receipts(backend)
        epoch = (await backend.load(path(), None)).epoch
        never = Condition(Cursor(epoch, 9))
        await check(backend, [Rejected("conflict", "", 0)], numbered(3, put("a"), condition=never))
        await check(backend, [Committed(0)], numbered(2, Update()))
        await check(backend, [Committed(1)], numbered(1, put("a")))

    async def test_numbers_that_are_not_known_any_more(self, backend: Backend) -> None:
        """Of the last 256 it is known which were stored; of earlier ones nothing."""
        need_receipts(backend)
        await check(
            backend, [Committed(1), Committed(2)], numbered(44, put("a")), numbered(45, put("a"))
        )
        await check(backend, [Committed(3)], numbered(300, put("b")))
        outcomes: list[Outcome] = [
            refused("unavailable", 3, is_unknown=True),
            Committed(3, duplicate=True),
            refused("conflict", 3),
        ]
        await check(backend, outcomes, *(numbered(each, put("a")) for each in (44, 45, 46)))
        await check(backend, [Committed(4)], numbered(2**53 - 1, put("c")))
        await check(backend, [Committed(4, duplicate=True)], numbered(2**53 - 1, put("c")))

    async def test_resets_keep_receipts(self, backend: Backend) -> None:
        """An update that removes everything does not make others new."""
        need_receipts(backend)
        await check(
            backend,
            [Committed(1), Committed(2)],
            numbered(1, put("a")),
            numbered(2, Update(reset=True)),
        )
        await check(backend, [Committed(2, duplicate=True)], numbered(1, put("a")))

    async def test_receipts_of_many_sessions(self, backend: Backend) -> None:
        """Of a thousand in one commit."""
        need_receipts(backend)
        writes = [numbered(1, put(f"id {each}"), f"session {each}") for each in range(1000)]
        await check(backend, [Committed(each + 1) for each in range(1000)], *writes)
        await check(backend, [Committed(1000, duplicate=True)] * 1000, *writes)

    async def test_random_receipts(self, backend: Backend) -> None:
        """Whatever is sent again, alone or with others, the pure function says what comes of it."""
        need_receipts(backend)
        draw = random.Random(5)  # noqa: S311
        model, kept = Model(), dict[str, Receipt]()
        epoch = (await backend.load(path(), None)).epoch
        last = dict.fromkeys("xyz", 0)
        for _ in range(60):
            writes = [
                _random_write(draw, last, epoch, model.version)
                for _ in range(draw.choice([1, 2, 5]))
            ]
            await check(backend, _decided(writes, kept, epoch, model), *writes)
        check_full(await backend.load(path(), None), model)

    async def test_receipts_after_reopening(self, reopening: Reopen) -> None:
        """They are as durable as the items."""
        async with opened(reopening) as backend:
            need_receipts(backend)
            await check(backend, [Committed(1)], numbered(2, put("a"), refused=((1, "mismatch"),)))
        async with opened(reopening) as backend:
            outcomes: list[Outcome] = [
                refused("mismatch", 1),
                Committed(1, duplicate=True),
                Committed(2),
            ]
            await check(backend, outcomes, *(numbered(each, put("a")) for each in (1, 2, 3)))

    async def test_receipts_of_two_backends(self, reopening: Reopen) -> None:
        """A client comes to one server, then to another, and back: each knows what the other has stored."""
        if not self.shares_storage:
            pytest.skip("this case is for stores that several processes may use: `shares_storage`")
        async with opened(reopening) as one, opened(reopening) as two:
            need_receipts(one)
            backends = [one, two]
            for number in range(1, 12):
                update = numbered(number, put("a", value=number))
                first, second = backends[number % 2], backends[number // 3 % 2]
                await check(first, [Committed(number)], update)
                await check(second, [Committed(number, duplicate=True)], update)
                await check(first, [Committed(number, duplicate=True)], update)

    async def test_forgotten_receipts(self, backend: Backend) -> None:
        """Those that are old, and the oldest beyond a number."""
        need_receipts(backend)
        collections = [path("one"), path("two")]
        for collection in collections:
            writes = [numbered(each, put("a"), f"session {each}") for each in range(1, 11)]
            await check(
                backend, [Committed(each) for each in range(1, 11)], *writes, collection=collection
            )
        await forget_receipts(backend, 4, 5)
        for collection in collections:
            for number in range(10, 0, -1):  # a new one is not there yet when an older one is asked
                outcome = Committed(10, duplicate=True) if number > 5 else Committed(16 - number)
                write = numbered(number, put("a"), f"session {number}")
                await check(backend, [outcome], write, collection=collection)

    async def test_forgotten_receipts_keep_a_collection(self, backend: Backend) -> None:
        """An empty one is forgotten only after its receipts: else what is sent again would be stored again."""
        need_receipts(backend)
        await check(
            backend,
            [Committed(1), Committed(2)],
            numbered(1, put("a")),
            numbered(2, put(remove=["a"])),
        )
        await forget(backend)
        await check(backend, [Committed(2, duplicate=True)], numbered(1, put("a")))
        await forget_receipts(backend, 9, 100)
        await forget(backend)
        (outcome,) = (await backend.commit(path(), [numbered(1, put("a"))])).outcomes
        assert isinstance(outcome, Committed), f"{Rule.PRUNE}"
        assert not outcome.duplicate, f"{Rule.RECEIPT}: it was to be forgotten"


async def forget_receipts(backend: Backend, before: int, most: int) -> None:
    """Let the store forget receipts until it is done."""
    for _ in range(STEPS):
        if not await cast("KeepingReceipts", backend).forget_receipts(before, most):
            return
    raise AssertionError(f"{Rule.RECEIPT}: forgetting is never done")


def _random_write(draw: random.Random, last: dict[str, int], epoch: str, version: int) -> Write:
    session = draw.choice("xyz")
    number = draw.choice(
        [
            last[session] + 1,
            last[session] + draw.choice([2, 100, 300]),
            last[session],
            draw.randint(1, last[session] + 1),
        ]
    )
    number = max(1, number)
    last[session] = max(last[session], number)
    update = draw.choice(
        [put("a", value=number), put("b", remove=["a"]), Update(reset=True), Update()]
    )
    refusal = REFUSAL if draw.random() < 0.2 else None
    condition = (
        Condition(Cursor(epoch, draw.choice([version, version - 1])))
        if version and draw.random() < 0.3
        else None
    )
    codes = ((number - 1, "too_large"),) if number > 1 and draw.random() < 0.2 else ()
    return numbered(number, update, session, refusal=refusal, condition=condition, refused=codes)


def _decided(
    writes: Sequence[Write], kept: dict[str, Receipt], epoch: str, model: Model
) -> list[Outcome]:
    """Return the outcomes of a commit, and apply it to the model."""
    receipts = Receipts({each: kept.get(each) for each in sessions(writes)})
    outcomes: list[Outcome] = []
    for write in writes:
        outcome = receipts.answer(write, model.version)
        if outcome is None:
            state = {"epoch": epoch, "version": model.version, "horizon": 0}
            if condition_holds(write.condition, **cast("Any", state)):
                outcome = Committed(model.write(write.update))
            else:
                outcome = Rejected("conflict", "", model.version)
            receipts.note(write, outcome)
        outcomes.append(outcome)
    kept.update(receipts.changed)
    return outcomes
