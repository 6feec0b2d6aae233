"""The change index against a naive model: what changed since N, for every N that can be told."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from sharedstate_core import (
    CollectionPath,
    Cursor,
    Loaded,
    LocalProtocolError,
    Row,
    Update,
    Write,
)
from sharedstate_core.items import loading
from sharedstate_core.items.replica import Replica
from sharedstate_core.results import checked_load
from sharedstate_core.testing import MemoryStore
from tests.support.work import work_of

from .histories import HISTORIES, Model, id_of, item, states_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATH = CollectionPath("a", "items", "c")
KEEPS = st.sampled_from([0, 1, 2, 100])


@pytest.fixture(scope="module", params=["few", "many"], autouse=True)
def _number_of_items(request: pytest.FixtureRequest) -> Iterator[None]:
    """Both ways to keep items; the second begins at four of them."""
    with ExitStack() as stack:
        if request.param == "many":
            stack.enter_context(patch("sharedstate_core.items.replica.MANY", 3))
            stack.enter_context(patch.multiple("sharedstate_core.large_dict", PART=3, SHARD=2))
        yield


def taken_in(loaded: Loaded, known: Replica | None = None, size: int = 1000) -> Replica:
    """Return the replica that a load leads to."""
    work = loading.load(checked_load(loaded, None if known is None else known.cursor), known, size)
    for _ in range(10 * len(loaded.rows) + 10):
        try:
            next(work)
        except StopIteration as end:
            replica: Replica = end.value
            return replica
    raise AssertionError("it goes on and on")


def empty() -> Replica:
    return Replica(Loaded("epoch-1", 0, 0, []))


def content(replica: Replica) -> list[tuple[str, bytes]]:
    return [(id_of(text), text) for text in replica.texts()]


def check_every_version(replica: Replica, states: list[list[tuple[str, bytes]]]) -> None:
    """Check the change index from each version that it reaches, order included."""
    now = states[replica.version]
    assert content(replica) == now
    assert len(replica) == len(now)
    for version in range(replica.horizon, replica.version + 1):
        assert replica.reaches(Cursor("epoch-1", version))
        changes = replica.changes_since(version)
        model = Model(states[version])
        model.change(changes.remove, changes.insert)
        assert model.items == now, (version, changes)
        assert len(set(changes.remove)) == len(changes.remove)


@given(HISTORIES)
def test_the_net_change_from_every_version_leads_to_now(history: list[Update]) -> None:
    replica, states = empty(), states_of(history)
    for version, update in enumerate(history, 1):
        replica.apply(update, version)
        check_every_version(replica, states)
    resets = [version for version, update in enumerate(history, 1) if update.reset]
    assert replica.horizon == (resets[-1] if resets else 0)


@given(HISTORIES)
def test_the_net_change_names_nothing_that_was_not_touched(history: list[Update]) -> None:
    replica = empty()
    for version, update in enumerate(history, 1):
        replica.apply(update, version)
    for version in range(replica.horizon, replica.version + 1):
        touched = {id for update in history[version:] for id in (*update.remove, *update.insert)}
        changes = replica.changes_since(version)
        assert {*changes.remove, *map(id_of, changes.insert)} <= touched


@given(st.lists(st.tuples(HISTORIES, KEEPS), max_size=5))
def test_pruned_tombstones_move_the_horizon_just_as_far_as_they_must(
    turns: list[tuple[list[Update], int]],
) -> None:
    replica, past, removed = empty(), list[Update](), dict[str, int]()
    for history, keep in turns:
        horizon = replica.horizon
        for update in history:
            past.append(update)
            before = dict(content(replica))
            replica.apply(update, len(past))
            if update.reset:
                horizon, removed = len(past), {}
            for id in update.remove:
                if id in before:
                    removed[id] = len(past)
            for id in update.insert:
                removed.pop(id, None)
        forgotten = sorted(removed.items(), key=lambda entry: entry[1])
        forgotten = forgotten[: max(0, len(forgotten) - keep)]
        replica.prune(keep)
        assert len(replica.tombstones) == len(removed) - len(forgotten) <= keep
        for id, version in forgotten:
            del removed[id]
            horizon = version
        assert replica.horizon == horizon
        check_every_version(replica, states_of(past))


def test_a_cursor_out_of_reach_is_known_as_such() -> None:
    replica = empty()
    replica.follow([Update(insert={"p": item("p", 1)}), Update(("p",))])
    replica.prune(0)
    assert replica.cursor == ("epoch-1", 2)
    assert [replica.reaches(Cursor("epoch-1", n)) for n in range(-1, 4)] == [0, 0, 0, 1, 0]
    assert not replica.reaches(Cursor("epoch-2", 2))
    assert not replica.reaches(None)
    assert [replica.is_behind(Cursor("epoch-1", n)) for n in range(1, 4)] == [0, 0, 1]
    assert not replica.is_behind(Cursor("epoch-2", 9))
    assert not replica.is_behind(None)


@given(
    st.lists(st.tuples(HISTORIES, st.booleans()), max_size=6),
    KEEPS,
    st.randoms(),
    st.integers(1, 4),
)
def test_what_a_store_tells_is_what_the_model_holds(
    turns: list[tuple[list[Update], bool]], tombstones: int, random: object, size: int
) -> None:
    """Some updates are seen one by one, others by loading what changed since, in any order and by portions."""
    store, replica = MemoryStore(tombstones=tombstones), empty()
    for history, watched in turns:
        for update in history:
            store.commit(PATH, [Write(update)])
            if watched and not update.is_noop:
                replica.follow([update])
        loaded = store.load(PATH, replica.cursor)
        rows = list(loaded.rows)
        random.shuffle(rows)  # type: ignore[attr-defined]
        loaded = replace(loaded, rows=rows)
        replica = taken_in(loaded, None if loaded.base is None else replica, size)
        states = [list(version.state.items()) for version in store.history(PATH)]
        check_every_version(replica, states)
        assert len(replica.tombstones) <= len(set("pqrstu"))
        check_every_version(taken_in(store.load(PATH, None), size=size), states)


@pytest.mark.parametrize("base", [None, 0, 1])
@pytest.mark.parametrize("twice", [b"{}", None])
@pytest.mark.parametrize("many", [2, 3, 100])
def test_an_id_comes_once(base: int | None, twice: bytes | None, many: int) -> None:
    rows = [Row(f"i{n}", b"{}", 2, n, 2) for n in range(12)]
    again = Row("i1", twice, 0 if twice is None else 2, 0 if twice is None else 20, 2)
    known = Replica(Loaded("epoch-1", base or 0, 0, []))
    with patch("sharedstate_core.items.replica.MANY", many):
        loaded = Loaded("epoch-1", 2, 0, [*rows, again], base)
        with pytest.raises(LocalProtocolError, match="same id"):
            for _ in loading.load(loaded, None if base is None else known, 3):
                pass


def test_a_load_counts_the_tombstones_it_brings() -> None:
    rows = [Row("p", None, 0, 0, 2), Row("q", item("q", 1), 1, 1, 1)]
    replica = taken_in(Loaded("epoch-1", 2, 1, rows))
    assert (len(replica), len(replica.tombstones), replica.horizon) == (1, 1, 1)
    taken_in(Loaded("epoch-1", 3, 1, [Row("q", None, 0, 0, 3)], base=2), replica)
    assert (len(replica), len(replica.tombstones)) == (0, 2)


def test_a_load_forgets_at_once_the_tombstones_that_are_too_many() -> None:
    made: list[Replica] = []
    rows = [Row(f"i{n}", None, 0, 0, n) for n in range(1, 101)]
    head = Loaded("epoch-1", 101, 0, [*rows, Row("p", item("p", 0), 101, 0, 101)])
    with patch.object(Replica, "__init__", _noting(made)):
        for _ in loading.load(head, None, 10, keep=20):
            assert all(len(each.tombstones) <= 20 for each in made)
    (replica,) = made
    assert (len(replica), len(replica.tombstones), replica.horizon) == (1, 20, 80)


def _noting(made: list[Replica]) -> Callable[..., None]:
    begin = Replica.__init__

    def noting(replica: Replica, *args: Any) -> None:
        made.append(replica)
        begin(replica, *args)

    return noting


def test_tombstones_do_not_grow_with_the_rate_of_updates() -> None:
    replica = empty()
    for version in range(1, 2001):
        id = f"id-{version % 7}"
        replica.apply(Update((id,), {id: item(id, version)}), version)
        replica.prune(3)
    assert len(replica.tombstones) == 0
    for version in range(2001, 4001):
        replica.apply(Update((f"id-{version - 1}",), {f"id-{version}": item("x", 0)}), version)
        replica.prune(3)
    assert len(replica.tombstones) == 3
    assert len(replica) == 8


def many(number: int) -> Replica:
    """Return a collection of that many items, each inserted by an update of its own."""
    rows = [Row(f"i{n}", item(f"i{n}", 0), n, 0, n) for n in range(1, number + 1)]
    return taken_in(Loaded("epoch-1", number, 0, rows))


@pytest.mark.parametrize("hot", [1, 3])
def test_what_was_changed_often_leaves_nothing_behind(hot: int) -> None:
    """A dictionary as a queue keeps a slot for each time its last one was put last, and walks over all of them."""
    replica = many(10_000)
    for turn in range(15_000):
        id = f"i{turn % hot + 1}"
        replica.apply(Update(insert={id: item(id, turn)}), replica.version + 1)
    now = replica.version
    assert len(replica.changes_since(now - 1).insert) == 1
    assert work_of(lambda: replica.changes_since(now - 1)) < 100
    assert len(replica.changes_since(now - 10).insert) == hot


def test_tombstones_that_are_forgotten_leave_nothing_behind() -> None:
    replica = many(20_000)
    for number in range(1, 15_001):
        replica.apply(Update((f"i{number}",)), replica.version + 1)
        replica.prune(1000)
    replica.apply(Update(("i15001",)), replica.version + 1)
    assert work_of(lambda: replica.prune(1000)) < 100
    assert len(replica.tombstones) == 1000
    assert replica.horizon == replica.version - 1000
