"""The law of history: within an epoch a head goes on from an earlier one exactly if that one is among its ancestors.

A tree of states, as only the test can see it, beside processes that know no more than a store does. From one epoch to
another it goes on only if that was drawn later: then nobody takes a cursor for what it is not.
"""

from __future__ import annotations

import random
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharedstate_backends.history import vectors
from sharedstate_backends.history.memory import LOOKED_AT, Memory
from sharedstate_backends.history.vectors import (
    MAX_EPOCHS,
    MAX_WRITERS,
    State,
    goes_on,
    with_epochs,
    with_writer,
)
from sharedstate_core.paths import CollectionPath
from tests.support.work import work_of

if TYPE_CHECKING:
    from collections.abc import Callable

PATH = CollectionPath("app", "items", "c")
PROCESSES = 3


class Node(NamedTuple):
    """What storage held at some moment: the head, the epochs before its own, and all states that led there."""

    state: State
    former: str
    ancestors: frozenset[State]


class Storage:
    """One collection in storage that may be set back, and processes that write there."""

    def __init__(self) -> None:
        self.epochs = 0
        self.node = Node(State("e0"), "", frozenset({State("e0")}))
        self.kept: list[Node] = [self.node]
        self.memories = [Memory() for _ in range(PROCESSES)]

    def become(self, state: State, former: str) -> None:
        """Go on to a state."""
        self.node = Node(state, former, self.node.ancestors | {state})
        self.kept.append(self.node)

    def look(self, process: int) -> None:
        """A process reads the head, as every operation does."""
        memory, state = self.memories[process], self.node.state
        before = memory.states([PATH]).get(PATH)
        if before is not None:
            follows = goes_on(before, state, self.node.former)
            if before.epoch == state.epoch:
                known = before.version > 0  # else no more than the epoch is remembered
                assert follows == (not known or before in self.node.ancestors)
            elif follows:
                assert int(before.epoch[1:]) < int(state.epoch[1:])
            if not follows:
                self.epochs += 1
                former = with_epochs(self.node.former, [before.epoch, state.epoch])
                self.become(state._replace(epoch=f"e{self.epochs}"), former)
                memory.forget([vectors.Lost(PATH, before, self.node.state)])
        memory.note(PATH, before, self.node.state)

    def commit(self, process: int, *, stored: bool = True, known: bool = True) -> None:
        """A process commits; the commit may be lost, and so may the answer."""
        self.look(process)
        memory, state = self.memories[process], self.node.state
        version = state.version + 1
        writers = with_writer(state.writers, memory.writer(PATH), version)
        if stored:
            self.become(State(state.epoch, version, writers), self.node.former)
        if known:
            memory.note(PATH, state, self.node.state)
        else:
            memory.doubt(PATH)

    def restart(self, process: int) -> None:
        """A process ends, and another one begins."""
        self.memories[process] = Memory()


def live(storage: Storage, step: tuple[str, int]) -> None:
    what, number = step
    process = number % PROCESSES
    match what:
        case "commit":
            storage.commit(process)
        case "look":
            storage.look(process)
        case "set back":
            storage.node = storage.kept[number % len(storage.kept)]
        case "lose an answer":
            storage.commit(process, known=False)
        case "lose a commit":
            storage.commit(process, stored=False, known=False)
        case "restart":
            storage.restart(process)
        case _:
            raise AssertionError(what)


WHAT = ("commit", "look", "set back", "lose an answer", "lose a commit", "restart")


@given(st.lists(st.tuples(st.sampled_from(WHAT), st.integers(0, 99)), max_size=14))
def test_what_goes_on_is_what_descends(steps: list[tuple[str, int]]) -> None:
    storage = Storage()
    for step in steps:
        live(storage, step)


def test_two_processes_draw_one_epoch_between_them() -> None:
    storage = Storage()
    for process in (0, 1, 0):
        storage.commit(process)
    storage.look(1)
    storage.node = storage.kept[1]
    for process in (0, 1, 0, 1):
        storage.look(process)
        storage.commit(process)
    assert storage.node.state.epoch == "e1"
    storage.node = storage.kept[1]
    for process in (1, 0, 1, 0):
        storage.look(process)
    assert storage.node.state.epoch == "e2", "the epoch of a backup is not one that was drawn later"


def a_thousand_lives(seed: int) -> None:
    draw = random.Random(seed)
    for _ in range(1_000):
        storage = Storage()
        for _ in range(14):
            live(storage, (draw.choice(WHAT), draw.randrange(100)))


def by_version_only(before: State, now: State, former: str = "") -> bool:
    """A planted bug: a head that is not lower is taken for a later one."""
    return vectors.goes_on(before, now, former) or (
        before.epoch == now.epoch and before.version < now.version
    )


def any_epoch(before: State, now: State, former: str = "") -> bool:
    """A planted bug: an epoch that differs is taken for a later one."""
    return before.epoch != now.epoch or vectors.goes_on(before, now, former)


def by_presence(before: State, now: State, former: str = "") -> bool:
    """A planted bug: a writer that is known is enough, whatever it has made."""
    writer = before.writers.rpartition(" ")[2].partition(":")[0]
    return vectors.goes_on(before, now, former) or (
        before.epoch == now.epoch and before.version <= now.version and f"{writer}:" in now.writers
    )


@pytest.mark.parametrize("bug", [by_version_only, any_epoch, by_presence])
def test_a_planted_comparison_is_found(
    bug: Callable[..., bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "goes_on", bug)
    with pytest.raises(AssertionError):
        a_thousand_lives(1)


def test_a_writer_that_keeps_its_name_after_a_doubt_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Memory, "doubt", lambda *_: None)
    with pytest.raises(AssertionError):
        a_thousand_lives(2)


def test_without_a_planted_bug_nothing_is_found() -> None:
    a_thousand_lives(1)
    a_thousand_lives(2)


def test_the_vector_is_bounded_and_in_the_order_of_versions() -> None:
    writers = ""
    for version in range(1, 3 * MAX_WRITERS):
        writers = with_writer(writers, f"w{version}", version)
    writers = with_writer(writers, "w40", 48)
    entries = writers.split()
    assert len(entries) == MAX_WRITERS
    assert entries[-1] == "w40:48"
    assert len({each.split(":")[0] for each in entries}) == MAX_WRITERS
    versions = [int(each.split(":")[1]) for each in entries]
    assert versions == sorted(versions)


def test_a_name_that_another_one_begins_with_stays() -> None:
    assert with_writer("w1:1 w11:2", "w1", 3) == "w11:2 w1:3"


def test_what_was_forgotten_is_taken_on_trust() -> None:
    before = State("e", 1, "w:1")
    writers = before.writers
    for version in range(2, 2 + MAX_WRITERS):
        assert goes_on(before, State("e", version, writers))
        writers = with_writer(writers, f"v{version}", version)
    assert "w:" not in writers
    assert goes_on(before, State("e", 2 + MAX_WRITERS, writers))
    assert not goes_on(before, State("e", 2, "v2:2")), (
        "so few writers would not have been forgotten"
    )


def test_what_version_0_1_has_written_is_compared_by_versions() -> None:
    assert goes_on(State("e", 7, ""), State("e", 9, "w:8"))
    assert goes_on(State("e", 7, "w:5"), State("e", 9, "w:5 x:9"))
    assert goes_on(State("e", 7, "w:7"), State("e", 9, "w:7"))
    assert not goes_on(State("e", 7, ""), State("e", 6, ""))
    assert not goes_on(State("e", 7, "w:7"), State("e", 9, "w:5"))


def test_former_epochs_are_bounded() -> None:
    former = ""
    for number in range(3 * MAX_EPOCHS):
        former = with_epochs(former, [f"e{number}", ""])
    assert former.split() == [f"e{number}" for number in range(2 * MAX_EPOCHS, 3 * MAX_EPOCHS)]
    assert len(with_epochs("", [vectors.new_epoch() for _ in range(MAX_EPOCHS)])) <= 255


def test_starts_are_bounded_and_fit_where_they_are_stored() -> None:
    marks = "x:99999"
    for _ in range(3 * MAX_WRITERS):
        marks = vectors.with_start(marks)
    assert len(marks.split()) == MAX_WRITERS
    assert len(marks) <= 255
    assert vectors.starts("e", marks).version == 99_999 + 3 * MAX_WRITERS
    assert vectors.starts("e", "") == State("e")
    assert vectors.starts("e", "nonsense").version == 0


def test_memory_is_bounded_and_forgets_what_was_used_least_lately() -> None:
    memory = Memory(size=2)
    paths = [CollectionPath("app", "items", name) for name in "abc"]
    state, unknown = State("e", 1, "w:1"), State("e")
    assert memory.states(paths) == {}
    for each in paths[:2]:
        memory.note(each, None, state)
    writer = memory.writer(paths[0])
    memory.note(paths[0], state, state)
    memory.note(paths[2], None, state)
    assert list(memory.states(paths).values()) == [state, unknown, state]
    assert memory.writer(paths[0]) == writer
    memory.note(paths[1], None, state)
    memory.note(paths[2], None, state)
    assert memory.writer(paths[0]) != writer, "a name that was forgotten is not used again"


def test_what_was_forgotten_is_not_walked_over() -> None:
    size = 1000
    memory = Memory(size)
    for number in range(4 * size):
        memory.note(CollectionPath("app", "items", f"{number}"), None, State("e", 1, "w:1"))
    new = CollectionPath("app", "items", "new")
    note = partial(memory.note, new, None, State("e", 1, "w:1"))
    assert work_of(note, of=("sharedstate_backends",)) < 100


def test_heads_of_an_epoch_that_is_over_are_not_compared_any_more() -> None:
    """However many epochs have been since, and however few are remembered in storage."""
    memory = Memory()
    other = CollectionPath("app", "items", "other")
    memory.note(PATH, None, State("e0", 7, "w:7"))
    memory.note(other, None, State("e0", 7, "w:7"))
    former = ""
    for number in range(1, 3 * MAX_EPOCHS):
        former = with_epochs(former, [f"e{number - 1}"])
        now = State(f"e{number}", 1, "x:1")
        assert goes_on(memory.states([PATH])[PATH], now, former)
        memory.note(PATH, memory.states([PATH])[PATH], now)
    assert goes_on(memory.states([other])[other], State(now.epoch, 3, "y:3"), former)


def test_a_look_takes_along_what_is_remembered_in_turn() -> None:
    memory = Memory()
    paths = [CollectionPath("app", "items", f"{number}") for number in range(20)]
    for each in paths:
        memory.note(each, None, State("e", 1, "w:1"))
    memory.latest = paths[3]
    seen = set()
    for _ in range(3):
        looked = memory.look(paths[:1])
        assert looked[:2] == [paths[0], paths[3]]
        assert len(looked) <= 2 + LOOKED_AT
        seen.update(looked)
    assert seen == set(paths)


@pytest.mark.parametrize("nonsense", ["x", "a:1 b", ":::", "a:1:2", "a:-1", "ä:1"])
def test_a_vector_that_nobody_can_read_is_no_history(nonsense: str) -> None:
    assert not goes_on(State("e", 1, "w:1"), State("e", 2, nonsense))
    assert not goes_on(State("e", 1, nonsense), State("e", 2, "w:2"))
    assert goes_on(State("e", 1, nonsense), State("e", 1, nonsense))
    after = with_writer(nonsense, "w", 3)
    assert goes_on(State("e", 3, after), State("e", 4, with_writer(after, "w", 4)))


def test_an_answer_that_comes_late_does_not_set_the_memory_back() -> None:
    memory = Memory()
    old, new = State("e", 1, "w:1"), State("e", 2, "w:2")
    memory.note(PATH, None, old)
    memory.note(PATH, old, new)
    memory.note(PATH, None, old)
    assert memory.states([PATH]) == {PATH: new}
    memory.note(PATH, State("former", 8, "w:8"), State("former", 9, "w:9"))
    assert memory.states([PATH]) == {PATH: new}
    memory.note(PATH, new, State("later", 1, "w:1"))
    memory.note(PATH, new, State("e", 3, "w:3"))
    assert memory.states([PATH]) == {PATH: State("later", 1, "w:1")}
