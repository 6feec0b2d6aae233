"""The client's copy of a part of a collection: items in the order of their places, held against a naive model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from sharedstate_core import Diff, Update
from sharedstate_core.client.replica import Replica

if TYPE_CHECKING:
    from sharedstate_core.client import At

IDS = st.sampled_from("abcdefgh")


@st.composite
def changes(draw: st.DrawFn) -> list[tuple[Update, dict[str, At]]]:
    """Changes of a view: an item that has left comes back to its place, unless it was made anew."""
    home: dict[str, At] = {}
    told = []
    for version in range(1, draw(st.integers(1, 8))):
        insert = draw(st.dictionaries(IDS, st.sampled_from([b"1", b"2"]), max_size=5))
        for place, id in enumerate(insert):
            if id not in home or draw(st.booleans()):
                home[id] = (draw(st.sampled_from([version, 0])), 10 * version + place)
        remove = draw(st.lists(IDS, max_size=3, unique=True))
        update = Update(tuple(remove), insert, draw(st.integers(0, 5)) == 0)
        told.append((update, {id: home[id] for id in insert}))
    return told


@given(changes())
def test_items_stand_in_the_order_of_their_places(told: list[tuple[Update, dict[str, At]]]) -> None:
    replica = Replica()
    model: dict[str, tuple[At, bytes]] = {}
    for update, places in told:
        before = dict(model)
        for id in list(model) if update.reset else update.remove:
            model.pop(id, None)
        model |= {id: (places[id], text) for id, text in update.insert.items()}
        diffs = replica.apply(update, places)
        order = sorted(model, key=lambda id: model[id][0])
        assert list(replica.items.items()) == [(id, model[id][1]) for id in order]
        assert replica.first == (model[order[0]][0] if order else None)
        texts = {id: text for id, (_, text) in before.items()}
        for diff in diffs:
            assert diff.old == texts.pop(diff.id, None)
            if diff.new is not None:
                texts[diff.id] = diff.new
        assert texts == dict(replica.items)
        assert len({diff.id for diff in diffs}) == len(diffs)


def test_what_has_no_place_comes_last() -> None:
    replica = Replica()
    replica.apply(Update(insert={"a": b"1", "b": b"1"}))
    assert replica.first is None
    replica.apply(Update(insert={"c": b"1", "d": b"1"}), {"c": (2, 0), "d": (1, 0)})
    assert list(replica.items) == ["d", "c", "a", "b"]
    replica.apply(Update(insert={"e": b"1", "d": b"2"}))
    assert list(replica.items) == ["d", "c", "a", "b", "e"]
    assert replica.first == (1, 0)


def test_a_reset_tells_what_has_moved() -> None:
    replica = Replica()
    texts = dict.fromkeys("abc", b"1")
    replica.apply(Update(insert=texts), {"a": (1, 0), "b": (2, 0), "c": (3, 0)})
    moved = {"a": (4, 0), "b": (2, 0), "c": (3, 0)}
    assert replica.apply(Update(insert=texts, reset=True), moved) == [Diff("a", b"1", b"1")]
    assert list(replica.items) == ["b", "c", "a"]


def test_the_items_are_rebuilt_only_if_one_goes_into_the_middle() -> None:
    replica = Replica()
    replica.apply(Update(insert={"a": b"1", "c": b"1"}), {"a": (1, 0), "c": (3, 0)})
    held = replica.items
    replica.apply(
        Update(("c",), {"b": b"1", "d": b"1", "a": b"2"}), {"b": (2, 0), "d": (4, 0), "a": (1, 0)}
    )
    assert replica.items is held
    replica.apply(Update(insert={"c": b"1"}), {"c": (3, 0)})
    assert replica.items is not held
    assert list(replica.items) == ["a", "b", "c", "d"]
