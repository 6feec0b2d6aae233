"""The optional bounds of a collection: exact, whatever is under way, and what does not grow is always allowed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharedstate_core import Commit, Limits, Load, Loaded, Update, apply, parse_collection_path
from sharedstate_core.collection.quota import Quota
from sharedstate_core.items.replica import Replica
from sharedstate_core.testing import World, check_copies, check_requests

from .scenes import P, put, stored, under_way, watching

ids = st.sampled_from("pqrst")
texts = st.integers(1, 30).map(lambda n: b"x" * n)
updates = st.builds(
    Update,
    st.lists(ids, unique=True, max_size=3).map(tuple),
    st.dictionaries(ids, texts, max_size=4),
    st.booleans(),
)


@given(
    st.lists(updates, max_size=4),
    st.lists(updates, min_size=1, max_size=8),
    st.integers(1, 6) | st.none(),
    st.integers(1, 80) | st.none(),
)
def test_what_is_admitted_is_what_fits(
    before: list[Update], group: list[Update], items: int | None, size: int | None
) -> None:
    replica, state = Replica(Loaded("e", 0, 0, [])), dict[str, bytes]()
    for version, update in enumerate(before, 1):
        replica.apply(update, version)
        state = dict(apply(state, update))
    assert replica.bytes == sum(map(len, state.values()))
    quota = Quota(replica, Limits(collection_items=items, collection_bytes=size))
    for update in group:
        after = dict(apply(state, update))
        many, much = len(after), sum(map(len, after.values()))
        too_many = items is not None and many > items and many > len(state)
        too_much = size is not None and much > size and much > sum(map(len, state.values()))
        assert bool(quota.refusal(update)) == (too_many or too_much)
        if not (too_many or too_much):
            state = after


def codes(world: World, client: int = 0) -> list[str | None]:
    return [asked.code for asked in world.clients[client].asked if asked.reply is not None]


@pytest.mark.parametrize("watched", [True, False])
def test_the_number_of_items_is_bounded(watched: bool) -> None:
    world = World(store=stored("p"), limits=Limits(collection_items=2))
    if watched:
        world.clients[0].put_subs({P: {}})
        world.settle()
    for id in "qrq":
        put(world, 0, id)
    world.settle()
    put(world, 0, "r", remove=["p"])
    world.settle()
    assert codes(world)[-4:] == [None, "too_large", None, None]
    reply = next(a.reply for a in world.clients[0].asked if a.code)
    assert reply is not None
    assert reply["error"]["message"] == "a collection may hold at most 2 items"
    assert list(world.store.state(parse_collection_path(P))) == ["q", "r"]
    check_copies(world)
    check_requests(world)


def test_the_bytes_are_bounded() -> None:
    world = watching(1, limits=Limits(collection_bytes=1024))
    world.clients[0].put(P, insert=[{"id": "p", "text": "x" * 600}])
    world.clients[0].put(P, insert=[{"id": "q", "text": "x" * 600}])
    world.clients[0].put(P, insert=[{"id": "p", "text": "x" * 300}])
    world.clients[0].put(P, insert=[{"id": "q", "text": "x" * 600}])
    world.settle()
    assert codes(world)[-4:] == [None, "too_large", None, None]


def test_a_conditional_update_is_counted_by_its_outcome() -> None:
    """Its neighbours in the queue are judged after it, by what it came to."""
    world = watching(1, "p", "q", limits=Limits(collection_items=2))
    client = world.clients[0]
    seen = client.copies[P].cursor
    assert seen is not None
    put(world, 0, "p")
    client.put(P, remove=["p"], condition=(seen, ["p"]))
    put(world, 0, "r")
    world.settle()
    assert codes(world)[-3:] == [None, "conflict", "too_large"]


def test_a_collection_that_nobody_watches_is_loaded_first() -> None:
    world = World(store=stored("p"), limits=Limits(collection_items=9))
    put(world, 0, "q")
    world.finish(under_way(world, Load).ticket)
    world.finish(under_way(world, Commit).ticket)
    put(world, 0, "r")
    world.finish(under_way(world, Commit).ticket)
    world.advance(world.limits.linger_seconds)
    assert not world.server._registry._collections
