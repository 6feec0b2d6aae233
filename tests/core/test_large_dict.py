"""A large dict is a dict, in pieces that stay small."""

from __future__ import annotations

import gc
import sys
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharedstate_core import Loaded, Update, large_dict
from sharedstate_core.items import replica
from sharedstate_core.large_dict import PART, SHARD, LargeDict

KEYS = st.integers(0, 40)
STEPS = st.lists(st.tuples(KEYS, st.one_of(st.integers(), st.none())), max_size=150)
"""Keys and their new values; None to remove one."""

A_SHARD = 2 * SHARD + 500
"""Keys of a shard at the most: chance decides, and half a thousand more is ten times what is usual."""


small = patch.multiple(large_dict, PART=5, SHRUNK={1, 2}, SHARD=2)


@small
@given(st.dictionaries(KEYS, st.integers(), max_size=6), STEPS, st.integers(0, 20))
def test_it_does_what_a_dict_does(
    first: dict[int, int], steps: list[tuple[int, int | None]], expected: int
) -> None:
    model, held = dict(first), LargeDict(first, expected)
    for key, value in steps:
        if value is not None:
            model[key] = held[key] = value
        else:
            assert held.pop(key, None) == model.pop(key, None)
        assert len(held) == len(model)
        assert list(held.values()) == list(model.values())
        for each in range(41):
            assert held.get(each) == model.get(each)
            if each in model:
                assert held[each] == model[each]
            else:
                with pytest.raises(KeyError):
                    held[each]


@small
@given(
    st.dictionaries(KEYS, st.integers(), max_size=6),
    st.lists(st.lists(KEYS, unique=True, max_size=15), max_size=6),
    st.integers(0, 20),
)
def test_keys_may_come_together(
    first: dict[int, int], batches: list[list[int]], expected: int
) -> None:
    model, held = dict(first), LargeDict(first, expected)
    for keys in batches:
        new = model.keys().isdisjoint(keys)
        assert held.add(keys, [-key for key in keys]) == new
        if not new:
            return
        model.update((key, -key) for key in keys)
        assert len(held) == len(model)
        assert list(held.values()) == list(model.values())
        assert [held.get(each) for each in range(41)] == [model.get(each) for each in range(41)]
    shards = set(map(id, held._index))
    assert len(held) - len(first) <= len(shards) * large_dict.SHARD
    assert max(map(len, list(held._parts.values())[1:])) <= large_dict.PART


@small
@given(st.dictionaries(KEYS, st.integers(), max_size=6), STEPS)
def test_whoever_takes_it_apart_gets_all_of_it(
    first: dict[int, int], steps: list[tuple[int, int | None]]
) -> None:
    model, held = dict(first), LargeDict(first)
    for key, value in steps:
        if value is not None:
            model[key] = held[key] = value
    dicts = {id(each): each for each in held.dicts()}
    indexed = len(model) - len(first)
    assert sum(map(len, dicts.values())) == len(model) + indexed


def test_pieces_stay_small_and_are_divided_one_after_the_other() -> None:
    held: LargeDict[str, int] = LargeDict({})
    shards = 1
    for key in range(200_000):
        held[str(key)] = key
        if key % 1_000 == 999:
            assert max(map(len, held.dicts())) <= A_SHARD
            before, shards = shards, len(set(map(id, held._index)))
            assert shards <= before + 1
    assert shards == 200_000 // SHARD
    assert max(map(len, held._parts.values())) == PART


def test_what_is_expected_is_not_moved_when_it_comes() -> None:
    held: LargeDict[str, int] = LargeDict({}, 100_000)
    shards = list(held._index)
    for key in range(100_000):
        held[str(key)] = key
    assert list(map(id, held._index)) == list(map(id, shards))
    assert SHARD // 2 - 250 < min(map(len, shards)) < max(map(len, shards)) < A_SHARD


def test_what_comes_and_goes_leaves_nothing_behind() -> None:
    held: LargeDict[int, int] = LargeDict({})
    for key in range(100_000):
        held[key] = key
        held.pop(key - 3_000, None)
    assert len(held) == 3_000
    assert len(held.dicts()) < 10


def test_few_that_stay_do_not_keep_the_room_of_many_that_left() -> None:
    held: LargeDict[int, int] = LargeDict({})
    for start in range(0, 400 * PART, PART):
        for key in range(start, start + PART):
            held[key] = key
        for key in range(start - PART + 1, start):
            held.pop(key, None)
    assert list(held.values())[:399] == list(range(0, 399 * PART, PART))
    assert sum(map(sys.getsizeof, held._parts.values())) < 400 * 500


def test_it_holds_nothing_that_the_collector_of_garbage_looks_at() -> None:
    held: LargeDict[str, bytes] = LargeDict({})
    for key in range(50_000):
        held[str(key)] = b"x"
    dicts = held.dicts()
    assert len(dicts) > 20
    assert not any(map(gc.is_tracked, dicts))


def test_a_collection_that_becomes_large_is_kept_in_pieces() -> None:
    with patch.object(replica, "MANY", 10):
        held = replica.Replica(Loaded("e", 0, 0, []))
        held.follow([Update(insert={f"{n}": b"{}"}) for n in range(10)])
        assert isinstance(held._items, dict)
        held.follow([Update(insert={"one more": b"{}"})])
        assert isinstance(held._items, LargeDict)
        assert len(held) == len(held.texts()) == 11
