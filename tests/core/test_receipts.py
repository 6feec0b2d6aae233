"""Receipts: whatever is lost and sent again, each update is stored once, and told of as it was decided.

A world of clients that number their updates and send them in order. Any message, any reply and any connection is lost;
then everything that was not answered is sent again, in order, before anything new. The store is a list.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sharedstate_core.errors import ErrorCode, LocalProtocolError
from sharedstate_core.receipts import REMEMBERED, Receipt, Receipts, sessions
from sharedstate_core.results import checked_commit
from sharedstate_core.storage import CommitResult, Committed, Operation, Outcome, Rejected, Write
from sharedstate_core.updates import Update

Codes: TypeAlias = dict[int, ErrorCode]
"""Codes of what was refused, by number."""

ANY = Update(insert={"a": b'{"id":"a"}'})

NO = Rejected("too_many", "too often", 7)


def write(session: str, number: int, refused: Codes | None = None, time: int = 0) -> Write:
    codes = tuple(sorted((refused or {}).items()))
    return Write(ANY, op=Operation(session, number, time, codes))


def commit(
    stored: dict[str, Receipt], writes: list[Write], denied: set[tuple[str, int]], version: int = 0
) -> list[Outcome]:
    """What a store does."""
    receipts = Receipts({session: stored.get(session) for session in sessions(writes)})
    outcomes: list[Outcome] = []
    for each in writes:
        outcome = receipts.answer(each, version)
        if outcome is None:
            assert each.op is not None
            is_denied = (each.op.session, each.op.number) in denied
            version += not is_denied
            outcome = Rejected("mismatch", "no", version) if is_denied else Committed(version)
            receipts.note(each, outcome)
        outcomes.append(outcome)
    for session, receipt in receipts.changed.items():
        assert Receipt.of(*receipt.columns()) == receipt
        stored[session] = receipt
    return outcomes


@dataclass
class Author:
    """A client: what it has sent, and what it knows of it."""

    session: str
    sent: int = 0
    unanswered: list[int] = field(default_factory=list)


AUTHORS = ("one", "two", "three")
STEPS = st.lists(
    st.tuples(
        st.lists(st.tuples(st.sampled_from(AUTHORS), st.integers(1, 4)), min_size=1, max_size=4),
        st.integers(0, 12),  # how much of it arrives
        st.booleans(),  # whether it is one commit
        st.sets(st.integers(0, 11)),  # which of the answers are lost
    ),
    max_size=12,
)


def handing(message: Write, remembered: dict[str, Codes]) -> Write:
    """What the core makes of it: it hands on the codes that it remembers."""
    assert message.op is not None
    session, number = message.op.session, message.op.number
    return write(
        session, number, {each: c for each, c in remembered[session].items() if each < number}
    )


def remember(writes: list[Write], answers: list[Outcome], remembered: dict[str, Codes]) -> None:
    """What the core remembers: the codes of what was refused since the last one that was stored."""
    for message, answer in zip(writes, answers, strict=True):
        assert message.op is not None
        codes, number = remembered[message.op.session], message.op.number
        if isinstance(answer, Rejected):
            codes[number] = answer.code
        else:
            for each in [each for each in codes if each < number]:
                del codes[each]


@settings(max_examples=300)
@given(STEPS, st.sets(st.tuples(st.sampled_from(AUTHORS), st.integers(1, 30))))
def test_each_is_stored_once(
    steps: list[tuple[list[tuple[str, int]], int, bool, set[int]]], denied: set[tuple[str, int]]
) -> None:
    """Against a ledger of all that was ever applied."""
    stored: dict[str, Receipt] = {}
    applied: list[tuple[str, int]] = []
    first: dict[tuple[str, int], str] = {}
    remembered: dict[str, Codes] = {name: {} for name in AUTHORS}
    authors = {name: Author(name) for name in AUTHORS}
    for sends, arriving, together, lost in [*steps, ([], 10_000, True, set())]:
        messages = [
            write(name, number) for name, each in authors.items() for number in each.unanswered
        ]
        for name, count in sends:
            author = authors[name]
            for _ in range(count):
                author.sent += 1
                author.unanswered.append(author.sent)
                messages.append(write(name, author.sent))
        messages = messages[:arriving]  # what was cut off arrives the next time, in order
        outcomes: list[Outcome] = []
        for batch in [messages] if together else [[each] for each in messages]:
            writes = [handing(each, remembered) for each in batch]
            outcomes += (answers := commit(stored, writes, denied))
            remember(writes, answers, remembered)
        for place, (message, outcome) in enumerate(zip(messages, outcomes, strict=True)):
            assert message.op is not None
            key = (message.op.session, message.op.number)
            match outcome:
                case Committed(duplicate=False):
                    applied.append(key)
                    verdict = "stored"
                case Committed():
                    verdict = "stored"
                case Rejected():
                    verdict = outcome.code
            assert first.setdefault(key, verdict) == verdict
            if place not in lost and authors[key[0]].unanswered[0] == key[1]:
                authors[key[0]].unanswered.pop(0)
    assert len(set(applied)) == len(applied), "stored twice"
    everything = {(name, each + 1) for name in AUTHORS for each in range(authors[name].sent)}
    assert set(applied) == everything - denied


class Naive:
    """All that was ever decided of one session."""

    def __init__(self) -> None:
        self.last = 0
        self.stored: set[int] = set()
        self.refused: dict[int, str] = {}

    def expected(self, number: int) -> str:
        if number > self.last:
            return "new"
        if number <= self.last - 256:
            return "unknown"
        if number in self.stored:
            return "duplicate"
        return self.refused.get(number, "conflict")


def what_is_known(receipt: Receipt, number: int) -> str:
    match receipt.answer(number, 7):
        case None:
            return "new"
        case Committed() as outcome:
            assert outcome == Committed(7, duplicate=True)
            return "duplicate"
        case Rejected() as outcome:
            assert outcome.by_receipt
            assert outcome.version == 7
            return "unknown" if outcome.is_unknown else outcome.code


@settings(max_examples=300)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([1, 2, 3, 100, 255, 256, 257, 300]), st.booleans(), st.booleans()
        ),
        min_size=1,
        max_size=12,
    ),
    st.data(),
)
def test_what_is_known_of_any_number(
    steps: list[tuple[int, bool, bool]], data: st.DataObject
) -> None:
    """Gaps, since other collections have a part of the numbers; refusals of the store, and those handed to it."""
    stored: dict[str, Receipt] = {}
    naive = Naive()
    number = 0
    handed: Codes = {}
    here: Codes = {}
    batch: list[Write] = []
    for gap, is_refused, is_handed in steps:
        number += gap
        if is_refused and is_handed:
            handed[number] = "forbidden"
            continue
        batch.append(write("me", number, handed, time=number))
        if is_refused:
            here[number] = "mismatch"
            if data.draw(st.booleans()):
                continue  # what follows is in the same commit
        commit(stored, batch, {("me", each) for each in here})
        batch = []
        handed |= here
        here = {}
        if not is_refused:
            naive.stored.add(number)
            naive.last = number
            naive.refused |= handed
            handed = {}
    receipt = stored.get("me")
    for each in range(1, number + 3):
        found = "new" if receipt is None else what_is_known(receipt, each)
        assert found == naive.expected(each), each
    if receipt is not None:
        assert receipt.time == receipt.last == naive.last
        assert len(receipt.columns()[1]) == REMEMBERED // 8


def test_refused_unless_it_was_stored() -> None:
    """The store answers by the receipt, or with the refusal, and applies nothing."""
    stored: dict[str, Receipt] = {}
    commit(stored, [write("me", 1)], set())
    refusal = Rejected("too_many", "too often", 0, "somewhere")
    again = [Write(ANY, op=Operation("me", number), refusal=refusal) for number in (1, 2)]
    outcomes = commit(stored, [*again, write("me", 3)], set(), version=5)
    assert outcomes == [
        Committed(5, duplicate=True),
        Rejected("too_many", "too often", 5, "somewhere"),
        Committed(6),
    ]
    assert stored["me"].refused == {2: "too_many"}


def test_no_op_leaves_no_receipt() -> None:
    receipts = Receipts({})
    noop = Write(Update(), op=Operation("me", 1))
    assert receipts.answer(noop, 3) is None
    receipts.note(noop, Committed(3))
    assert not receipts.changed


def test_codes_of_later_versions() -> None:
    assert Receipt.of(9, b"\1".rjust(32, b"\0"), "7 nonsense,8 forbidden", 1).refused == {
        7: "conflict",
        8: "forbidden",
    }


@pytest.mark.parametrize("number", [1, 256])
def test_the_edge_of_what_is_known(number: int) -> None:
    receipt = Receipt(256 + number - 1)
    answered = receipt.answer(number, 0)
    assert isinstance(answered, Rejected)
    assert not answered.is_unknown
    answered = receipt.answer(number - 1, 0)
    assert isinstance(answered, Rejected)
    assert answered.is_unknown


@pytest.mark.parametrize(
    ("write", "outcome", "is_possible"),
    [
        (Write(ANY, op=Operation("me", 1)), Committed(7, duplicate=True), True),
        (Write(ANY, op=Operation("me", 1)), Committed(8), True),
        (Write(ANY), Committed(7, duplicate=True), False),
        (Write(ANY), Rejected("conflict", "", 7, by_receipt=True), False),
        (Write(ANY, op=Operation("me", 1), refusal=NO), Committed(8), False),
        (Write(ANY, op=Operation("me", 1), refusal=NO), Committed(7, duplicate=True), True),
        (Write(ANY, op=Operation("me", 1), refusal=NO), NO, True),
    ],
)
def test_which_outcomes_are_possible(write: Write, outcome: Outcome, *, is_possible: bool) -> None:
    """After a commit at version 7, by which a write without a number shows that a duplicate is no step."""
    writes = [Write(Update()), write, Write(Update())]
    after = outcome.version
    result = CommitResult("e", [Committed(7), outcome, Committed(after)])
    if is_possible:
        assert checked_commit(result, writes) is result
    else:
        with pytest.raises(LocalProtocolError):
            checked_commit(result, writes)


def test_twice_in_one_commit() -> None:
    """It waited for the old connection, and for the new one."""
    stored: dict[str, Receipt] = {}
    twice = [write("me", 1), write("me", 2), write("me", 1), write("me", 2), write("me", 3)]
    outcomes = commit(stored, twice, {("me", 2)})
    first, *_ = outcomes
    assert first == Committed(1)
    assert outcomes[2] == Committed(1, duplicate=True)
    assert [type(each) for each in outcomes] == [
        Committed,
        Rejected,
        Committed,
        Rejected,
        Committed,
    ]
    assert stored["me"] == Receipt(3, 0b101, {2: "mismatch"})
