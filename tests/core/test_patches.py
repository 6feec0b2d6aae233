"""Patches: what they do to an item, to the byte, and that they are part of the algebra of updates."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sharedstate_core import MismatchError, Patch, Update, apply, compose, resolve
from sharedstate_core.patches.patch import PatchFault, at, check_patch, need_time
from sharedstate_core.patches.patching import MAX_ITEM_BYTES, Misfit, patched
from sharedstate_core.patches.values import MAX_DIGITS, spelling

from .patch_samples import ITEM_STATES, ITEMS, LISTS, PATCHES, PATCHING_UPDATES, VALUES

STATE = b'{"id":"a","price":1.10,"big":123456789012345678901234567890,"huge":1e400,"n":1}'


def test_what_is_not_named_keeps_its_text() -> None:
    text = patched(STATE, Patch("a", set={"done": b"1.50"}, inc={"n": b"2"}))
    assert text == (
        b'{"id":"a","price":1.10,"big":123456789012345678901234567890,"huge":1e400,"n":3,'
        b'"done":1.50}'
    )


@pytest.mark.parametrize(
    ("before", "by", "after"),
    [
        (b"9007199254740993", b"1", b"9007199254740994"),
        (b"123456789012345678901234567890", b"-1", b"123456789012345678901234567889"),
        (b"1", b"0.5", b"1.5"),
        (b"0.1", b"0.2", b"0.30000000000000004"),
        (b"1.0", b"1", b"2.0"),
        (b"9007199254740993", b"0.0", b"9007199254740992.0"),
        (b"-0", b"0", b"0"),
    ],
)
def test_sums(before: bytes, by: bytes, after: bytes) -> None:
    text = patched(b'{"id":"a","n":%b}' % before, Patch("a", inc={"n": by}))
    assert text == b'{"id":"a","n":%b}' % after


@given(st.integers(), st.integers())
def test_sums_of_whole_numbers_are_exact(one: int, other: int) -> None:
    text = patched(b'{"id":"a","n":%d}' % one, Patch("a", inc={"n": b"%d" % other}))
    assert json.loads(text)["n"] == one + other


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(-1e300, 1e300))
def test_other_sums_are_those_of_doubles(one: float, other: float) -> None:
    assume(abs(Fraction(one) + Fraction(other)) < 10**308)
    patch = Patch("a", inc={"n": repr(other).encode()})
    text = patched(b'{"id":"a","n":%b}' % repr(one).encode(), patch)
    assert json.loads(text)["n"] == one + other


MISFITS: list[tuple[bytes | None, dict[str, Any], str]] = [
    (None, {"set": {"a": b"1"}}, ""),
    (b'{"id":"a","n":"1"}', {"inc": {"n": b"1"}}, ".inc.n"),
    (b'{"id":"a","n":null}', {"inc": {"n": b"1"}}, ".inc.n"),
    (b'{"id":"a","n":true}', {"inc": {"n": b"1"}}, ".inc.n"),
    (b'{"id":"a","n":1e400}', {"inc": {"n": b"1"}}, ".inc.n"),
    (b'{"id":"a","n":1e308}', {"inc": {"n": b"1e308"}}, ".inc.n"),
    (b'{"id":"a","n":%b}' % (b"9" * MAX_DIGITS), {"inc": {"n": b"1"}}, ".inc.n"),
    (b'{"id":"a","n":%b}' % (b"9" * 9999), {"inc": {"n": b"1"}}, ".inc.n"),
    (b'{"id":"a","o":1}', {"inc": {"/o/n": b"1"}}, ".inc['/o/n']"),
    (b'{"id":"a","o":[]}', {"set": {"/o/n": b"1"}}, ".set['/o/n']"),
    (b'{"id":"a","o":null}', {"add": {"/o/n": b"[]"}}, ".add['/o/n']"),
    (b'{"id":"a","l":{}}', {"add": {"l": b"[1]"}}, ".add.l"),
    (b'{"id":"a","l":"[]"}', {"pull": {"l": b"[1]"}}, ".pull.l"),
]


@pytest.mark.parametrize(("text", "change", "place"), MISFITS)
def test_what_does_not_fit(text: bytes | None, change: dict[str, Any], place: str) -> None:
    with pytest.raises(Misfit) as info:
        patched(text, Patch("a", **change))
    assert (info.value.place, info.value.code) == (place, "mismatch")


def test_an_item_can_begin_with_a_patch() -> None:
    patch = Patch("ä", inc={"/by/me": b"1"}, add={"tags": b'["x"]'}, upsert=True)
    assert json.loads(patched(None, patch)) == {"id": "ä", "by": {"me": 1}, "tags": ["x"]}


def test_lists_as_sets() -> None:
    text = b'{"id":"a","l":[1,{"x":1,"y":[2]},"a",true]}'
    new = b'[1.0,{"y":[2.00],"x":1e0},"\\u0061",false,false,10e-1,null]'
    added = patched(text, Patch("a", add={"l": new}))
    assert added == b'{"id":"a","l":[1,{"x":1,"y":[2]},"a",true,false,null]}'
    pulled = patched(added, Patch("a", pull={"l": b'[{"y":[2],"x":1},1.0,null]'}))
    assert pulled == b'{"id":"a","l":["a",true,false]}'


def test_what_is_not_there_needs_not_go() -> None:
    text = b'{"id":"a","o":{"x":1},"n":1}'
    patch = Patch("a", unset=("p", "/o/y", "/n/x", "/q/r"), pull={"/z/l": b"[1]", "y": b"[1]"})
    assert patched(text, patch) == text


def test_members_within_objects() -> None:
    text = b'{"id":"a","o":{"x":1.10,"y":{"z":2}},"a/b":1}'
    patch = Patch("a", set={"/o/y/w": b"null", "/~1": b"3"}, unset=("/o/y/z", "/a~1b"))
    assert patched(text, patch) == b'{"id":"a","o":{"x":1.10,"y":{"w":null}},"/":3}'


def test_an_item_does_not_grow_without_end() -> None:
    half = b'"%b"' % (b"x" * (MAX_ITEM_BYTES // 2))
    once = patched(b'{"id":"a"}', Patch("a", set={"x": half}))
    with pytest.raises(Misfit) as info:
        patched(once, Patch("a", set={"y": half}))
    assert info.value.code == "too_large"
    longer = b'{"id":"a","x":"%b","n":10}' % (b"x" * 2 * MAX_ITEM_BYTES)
    assert len(patched(longer, Patch("a", set={"n": b"11"}))) == len(longer)


@given(ITEMS, PATCHES)
def test_an_item_keeps_its_id_and_is_json(item: tuple[str, bytes], patch: Patch) -> None:
    id, text = item
    try:
        after = json.loads(patched(text, patch))
    except Misfit:
        return
    before = json.loads(text)
    assert after["id"] == id
    named = {member.split("/")[1] if "/" in member else member for _, member in patch.members()}
    untouched = before.keys() - named
    assert {name: after.get(name) for name in untouched} == {
        name: before[name] for name in untouched
    }


# --- shapes ---------------------------------------------------------------------------------------

FAULTS: list[tuple[dict[str, Any], str]] = [
    ({"set": {"id": b'"b"'}}, ".set.id"),
    ({"inc": {"/id": b"1"}}, ".inc['/id']"),
    ({"unset": ("/id/x",)}, ".unset['/id/x']"),
    ({"set": {"/a~2": b"1"}}, ".set['/a~2']"),
    ({"set": {"/1/2/3/4/5/6/7/8/9": b"1"}}, ".set['/1/2/3/4/5/6/7/8/9']"),
    ({"set": {"a": b"1"}, "unset": ("a",)}, ".unset.a"),
    ({"set": {"a": b"1", "/a": b"1"}}, ".set['/a']"),
    ({"set": {"a": b"1"}, "inc": {"/a/b": b"1"}}, ".inc['/a/b']"),
    ({"now": ("a", "a")}, ".now.a"),
    ({"inc": {"n": b"1e400"}}, ".inc.n"),
]


@pytest.mark.parametrize(("change", "place"), FAULTS)
def test_what_is_no_patch(change: dict[str, Any], place: str) -> None:
    with pytest.raises(PatchFault) as info:
        check_patch(Patch("a", **change))
    named = info.value.place
    assert named == place or (len(change) == 2 and named.startswith("."))


def test_members_beside_one_another() -> None:
    check_patch(Patch("a", set={"/a/b": b"1", "/a/c": b"1", "ab": b"1"}, unset=("/a/bc", "")))


def test_the_time_becomes_a_value() -> None:
    patches = (Patch("a", now=("",), set={"b": b"1"}), Patch("b", unset=("c",)))
    assert need_time(patches)
    resolved = at(patches, 1764400000.0)
    assert not need_time(resolved)
    assert resolved[0] == Patch("a", set={"b": b"1", "": b"1764400000.0"})
    assert resolved[1] is patches[1]


# --- equality -------------------------------------------------------------------------------------


def _model(one: Any, other: Any) -> bool:
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_model, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_model(one[name], other[name]) for name in one)
    return type(one) is type(other) and one == other if isinstance(one, str) else bool(one == other)


@given(VALUES, VALUES)
def test_equal_values_have_one_spelling(one: bytes, other: bytes) -> None:
    assert (spelling(one) == spelling(other)) == _model(json.loads(one), json.loads(other))
    nested = spelling(b'{"x":[%b]}' % one) == spelling(b'{"x":[%b]}' % other)
    assert nested == (spelling(one) == spelling(other))


def test_numbers_beyond_doubles_are_equal_if_they_are_spelled_alike() -> None:
    huge = [b"1e400", b"1e500", b"9" * 2000, b"1" * 2000]
    assert len({spelling(text) for text in huge}) == 4
    assert spelling(b"[1e400]") == spelling(b"[1e400]") != spelling(b'["1e400"]')


@given(LISTS, LISTS)
def test_lists_are_sets_to_add_and_pull(text: bytes, values: bytes) -> None:
    item = b'{"id":"a","l":%b}' % text
    before = json.loads(text)
    added = json.loads(patched(item, Patch("a", add={"l": values})))["l"]
    assert added[: len(before)] == before
    for value in json.loads(values):
        assert any(_model(value, each) for each in added)
    pulled = json.loads(patched(item, Patch("a", pull={"l": values})))["l"]
    gone = json.loads(values)
    assert pulled == [each for each in before if not any(_model(each, value) for value in gone)]


# --- the algebra ----------------------------------------------------------------------------------


def attempt(state: dict[str, bytes], *updates: Update) -> list[tuple[str, bytes]] | None:
    try:
        for update in updates:
            state = apply(state, update)
    except MismatchError:
        return None
    return list(state.items())


@given(ITEM_STATES, PATCHING_UPDATES, PATCHING_UPDATES)
def test_composition_acts_as_one_after_the_other(
    state: dict[str, bytes], first: Update, second: Update
) -> None:
    one_by_one = attempt(state, first, second)
    composed = compose(first, second)
    if one_by_one is not None:
        assert attempt(state, composed) == one_by_one


@given(ITEM_STATES, st.lists(PATCHING_UPDATES, max_size=5))
def test_many_compose_into_one(state: dict[str, bytes], updates: list[Update]) -> None:
    one_by_one = attempt(state, *updates)
    whole = Update()
    for update in updates:
        whole = compose(whole, update)
    if one_by_one is not None:
        assert attempt(state, whole) == one_by_one


def test_a_patch_folds_into_what_is_inserted() -> None:
    inserted = Update(insert={"p": b'{"id":"p","n":1}'})
    composed = compose(inserted, Update(patch=(Patch("p", inc={"n": b"1"}),)))
    assert composed == Update(insert={"p": b'{"id":"p","n":2}'})
    later = compose(inserted, Update(patch=(Patch("p", now=("t",)),)))
    assert later.patch == (Patch("p", now=("t",)),)


def test_what_is_inserted_behind_an_upsert_stays_behind_it() -> None:
    first = Update(patch=(Patch("p", upsert=True),))
    composed = compose(first, Update(insert={"q": b'{"id":"q"}'}))
    assert list(apply({}, composed)) == ["p", "q"]


@given(ITEM_STATES, PATCHING_UPDATES)
def test_a_resolved_update_does_the_same(state: dict[str, bytes], update: Update) -> None:
    try:
        resolved = resolve(update, state.get)
    except MismatchError:
        assume(False)
    assert not resolved.patch
    assert list(apply(state, resolved).items()) == list(apply(state, update).items())
    assert update.is_noop == (resolved.is_noop and not update.patch)
    assert update.touched == len({*resolved.remove, *resolved.insert})


def test_an_update_without_patches_is_not_touched() -> None:
    update = Update(("p",), {"q": b'{"id":"q"}'})
    assert resolve(update, lambda _: None) is update


def test_the_first_patch_that_does_not_fit_is_named() -> None:
    update = Update(
        insert={"p": b'{"id":"p","n":"x"}'},
        patch=(Patch("q"), Patch("p", inc={"n": b"1"}), Patch("r")),
    )
    with pytest.raises(MismatchError) as info:
        apply({"q": b'{"id":"q"}'}, update)
    error = info.value
    assert (error.code, error.place, error.id) == ("mismatch", "patch[1].inc.n", "p")
    assert error.message == "patch[1].inc.n: the member is not a number"


def test_patches_stay_in_order_behind_one_whose_time_is_not_known() -> None:
    inserted = Update(insert={"p": b'{"id":"p"}'}, patch=(Patch("p", now=("t",)),))
    composed = compose(inserted, Update(patch=(Patch("p", unset=("t",)),)))
    assert composed.patch == (Patch("p", now=("t",)), Patch("p", unset=("t",)))


def test_a_patch_does_not_see_what_its_own_update_removes() -> None:
    state = {"p": b'{"id":"p","n":1}'}
    for removal in (Update(("p",)), Update(reset=True)):
        gone = Update(removal.remove, reset=removal.reset, patch=(Patch("p", inc={"n": b"1"}),))
        assert attempt(state, gone) is None
        anew = Patch("p", inc={"n": b"1"}, upsert=True)
        again = Update(removal.remove, reset=removal.reset, patch=(anew,))
        assert attempt(state, again) == [("p", b'{"id":"p","n":1}')]
