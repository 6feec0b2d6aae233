"""Histories in which views went wrong once; each is as short as it could be made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sharedstate_core import Limits

from .view_histories import play
from .view_model import Shape
from .view_world import ViewWorld

if TYPE_CHECKING:
    from collections.abc import Sequence


def insert(*items: tuple[str, int], remove: Sequence[str] = ()) -> dict[str, Any]:
    return {
        "remove": list(remove),
        "insert": [{"id": id, "room": room, "n": 1} for id, room in items],
        "reset": False,
    }


def test_an_answer_waits_for_all_that_its_reader_is_still_given() -> None:
    """A request that was put off goes on before the last of its reader's subscriptions has been shown."""
    limits = Limits(turn_items=3, tombstones=2, part_bytes=20, linger_seconds=10.0)
    room_2 = {"id": "u", "admin": False, "room": 2}
    steps: list[Any] = [
        *[("sign_in", reader, room_2) for reader in range(3)],
        ("read", 1, "v", Shape(4)),
        ("put", 1, insert(("e", 2), ("g", 0), ("d", 1), remove="gc")),
        ("put", 1, insert(("b", 1), ("d", 1), ("a", 2))),
        ("put", 1, insert(("c", 2), ("e", 1))),
        ("put", 1, insert(("g", 1), ("d", 0), remove="fb")),
        ("elsewhere", insert(("d", 2)), True),
        ("subscribe", 1, "", Shape(3, 2, ("room",))),
        ("finish", 1, False),
        ("subscribe", 1, "w", Shape(2, 1)),
        ("block", 1),
    ]
    play(ViewWorld(limits, has_rules=True, tombstones=3), steps)


def test_a_view_moves_on_also_by_a_load_that_brings_nothing() -> None:
    """What was removed is forgotten, so the view is moved on; then its author is told of that state."""
    limits = Limits(turn_items=1, tombstones=0, linger_seconds=10.0)
    steps: list[Any] = [
        ("put", 1, insert(("c", 1))),
        ("finish", 3, False),
        ("subscribe", 0, "w", Shape(1, 2, ("room",))),
        ("put", 0, insert(("d", 2), remove="c")),
        ("elsewhere", insert(), True),
    ]
    play(ViewWorld(limits), steps)


@pytest.mark.parametrize("last", [1, 4])
def test_what_left_a_window_before_anybody_had_looked_into_it_is_not_known(last: int) -> None:
    limits = Limits(turn_items=1, tombstones=0, part_bytes=20, linger_seconds=10.0)
    steps: list[Any] = [
        ("put", 2, insert(("d", 0), ("e", 1))),
        ("subscribe", 0, "w", Shape(0, last)),
        ("settle",),
        ("elsewhere", insert(("c", 0), ("g", 1), ("e", 0)), True),
        ("cut", 0),
        ("turn", 40.0),
    ]
    play(ViewWorld(limits, tombstones=4), steps)


def test_a_reader_who_comes_from_another_server_is_not_taken_back() -> None:
    """A view in which nothing has changed is at an earlier version here than there."""
    steps: list[Any] = [
        ("subscribe", 0, "v", Shape(1)),
        ("settle",),
        ("cut", 1),
        ("connect", 1, 1),
        ("subscribe", 1, "v", Shape(1)),
        ("put", 1, insert(("a", 1))),
        ("settle",),
        ("cut", 1),
        ("connect", 1, 0),
    ]
    play(ViewWorld(Limits()), steps)


def test_nobody_is_told_by_earlier_rules_that_a_view_has_stayed_as_it_is() -> None:
    limits = Limits(turn_items=3, tombstones=2, linger_seconds=10.0)
    steps: list[Any] = [
        ("sign_in", 2, {"id": "u", "admin": False, "room": 1}),
        ("subscribe", 2, "v", Shape(filter=0, last=2, fields=None)),
        (
            "put",
            2,
            {
                "remove": [],
                "insert": [
                    {"id": "c", "room": 1, "n": 2},
                    {"id": "d", "room": 1, "n": 2, "tags": []},
                    {"id": "d", "room": 0, "n": 2},
                ],
                "reset": False,
            },
        ),
        ("settle",),
        ("put", 2, {"remove": ["d", "e"], "insert": [], "reset": False}),
        ("finish", 3, False),
        ("turn", 1.0),
        ("reload", "tags"),
    ]
    play(ViewWorld(limits, has_rules=True, tombstones=2), steps)


def test_a_view_may_be_closed_while_it_is_encoded() -> None:
    limits = Limits(turn_items=1, tombstones=100, linger_seconds=10.0)
    steps: list[Any] = [
        ("sign_in", 0, {"id": "u", "admin": False, "room": 1}),
        (
            "put",
            0,
            {
                "remove": ["f"],
                "insert": [
                    {"id": "g", "room": 1, "n": 0, "tags": ["y"]},
                    {"id": "d", "room": 1, "n": 0},
                    {"id": "g", "n": 1},
                ],
                "reset": False,
            },
        ),
        ("subscribe", 0, "w", Shape(filter=1, last=4, fields=("room",))),
        (
            "put",
            2,
            {
                "remove": ["g"],
                "insert": [
                    {"id": "f", "room": 1, "n": 2, "tags": []},
                    {"id": "a", "room": 0, "n": 1, "tags": ["x"]},
                ],
                "reset": False,
            },
        ),
        ("settle",),
        ("subscribe", 0, "v", Shape(filter=3, last=1, fields=None)),
        ("cut", 0),
        ("turn", 40.0),
    ]
    play(ViewWorld(limits, has_rules=True, tombstones=3), steps)


def test_reads_that_are_put_off_are_not_looked_through_again_and_again() -> None:
    """Two readers are given what they are owed by turns, and each read takes turns as well."""
    limits = Limits(turn_items=3, tombstones=100, part_bytes=20, linger_seconds=10.0)
    steps: list[Any] = [
        ("sign_in", 0, {"id": "u", "admin": False, "room": 0}),
        ("sign_in", 1, {"id": "u", "admin": True, "room": 2}),
        ("sign_in", 2, {"id": "u", "admin": False, "room": 2}),
        ("subscribe", 0, "", Shape(filter=5, last=1, fields=None)),
        ("cut", 1),
        ("cut", 0),
        ("connect", 1),
        (
            "elsewhere",
            {
                "remove": [],
                "insert": [{"id": "e", "room": 1, "n": 0, "tags": ["x", "y"]}],
                "reset": True,
            },
            True,
        ),
        ("subscribe", 2, "v", Shape(filter=3, last=1, fields=("room",))),
        ("settle",),
        ("reload", "n"),
        ("sign_in", 2, {"id": "u", "admin": False, "room": 0}),
        ("put", 0, {"remove": [], "insert": [{"id": "g", "room": 0, "n": 2}], "reset": False}),
        (
            "elsewhere",
            {
                "remove": [],
                "insert": [
                    {"id": "g", "room": 1, "n": 0, "tags": ["y", "y"]},
                    {"id": "f", "room": 2, "n": 0, "tags": ["y", "y"]},
                    {"id": "b", "room": 0, "n": 2, "tags": ["x", "x"]},
                ],
                "reset": False,
            },
            False,
        ),
        ("finish", 3, False),
        ("subscribe", 2, "", Shape(filter=3, last=None, fields=("room",))),
        ("read", 0, "", Shape(filter=0, last=None, fields=None)),
        ("turn", 0.0),
        ("read", 2, "w", Shape(filter=2, last=1, fields=None)),
        ("read", 1, "", Shape(filter=3, last=4, fields=None)),
        ("reload", "n"),
    ]
    play(ViewWorld(limits, has_rules=True, tombstones=3), steps)


def test_whoever_sees_something_else_is_not_taken_back_either() -> None:
    """A reader whose claims have changed goes on at a server that has yet to hear of what it has seen."""
    steps: list[Any] = [
        ("sign_in", 0, {"id": "u", "admin": True, "room": 2}),
        ("sign_in", 1, {"id": "u", "admin": False, "room": 1}),
        ("sign_in", 2, {"id": "u", "admin": True, "room": 0}),
        ("elsewhere", {"remove": [], "insert": [{"id": "f", "n": 2}], "reset": False}, True),
        ("subscribe", 0, "", Shape(2, 2)),
        ("subscribe", 1, "w", Shape(5)),
        ("subscribe", 2, "w", Shape(4)),
        ("cut", 0),
        ("cut", 2),
        ("connect", 0, 1),
        ("put", 0, insert(remove="f")),
        ("connect", 2, 1),
        ("settle",),
        ("sign_in", 2, {"id": "u", "admin": False, "room": 1}),
        ("start", 1),
    ]
    limits = Limits(turn_items=1000, tombstones=0, part_bytes=20, linger_seconds=10.0)
    play(ViewWorld(limits, has_rules=True, tombstones=0), steps)


def test_what_came_and_went_in_one_load_is_gone_for_who_has_seen_it_elsewhere() -> None:
    """A version that was passed over is no version to go on from."""
    steps: list[Any] = [
        ("block", 0),
        ("subscribe", 1, "w", Shape(2)),
        ("turn", 40.0),
        ("connect", 0, 1),
        ("subscribe", 0, "", Shape(2)),
        ("put", 0, insert(("c", 0))),
        ("settle",),
        ("put", 1, insert(("a", 0), remove="c")),
        ("cut", 0),
    ]
    play(ViewWorld(Limits(tombstones=0, linger_seconds=10.0), tombstones=2), steps)


def test_an_answer_that_was_deferred_waits_while_the_views_take_in_a_later_commit() -> None:
    limits = Limits(turn_items=3, tombstones=5, part_bytes=20, linger_seconds=10.0)
    item = {"id": "e", "room": 0, "n": 1, "tags": ["x"]}
    steps: list[Any] = [
        ("sign_in", 1, {"id": "u", "admin": True, "room": 0}),
        ("sign_in", 2, {"id": "u", "admin": False, "room": 1}),
        ("subscribe", 0, "w", Shape(0, None, ("room",))),
        ("subscribe", 1, "v", Shape(1)),
        ("cut", 0),
        ("subscribe", 2, "v", Shape(2)),
        ("sign_in", 2, {"id": "u", "admin": True, "room": 2}),
        ("settle",),
        ("put_if", 1, insert(remove="b")),
        ("put", 0, {"remove": [], "insert": [item], "reset": False}),
        ("finish", 1, False),
        ("subscribe", 1, "w", Shape(1, 1)),
        ("reload", "users"),
        ("turn", 1.0),
        ("subscribe", 1, "", Shape(2)),
    ]
    play(ViewWorld(limits, has_rules=True, tombstones=0), steps)


def test_what_the_collection_knows_is_about_its_own_state() -> None:
    """A view that has forgotten what changed is told of as the collection is, not as it was when the view changed."""
    limits = Limits(turn_items=1, tombstones=5, part_bytes=20, encoded_bytes=1_000)
    tagged = {"id": "g", "room": 2, "n": 1, "tags": ["x"]}
    steps: list[Any] = [
        ("sign_in", 0, {"id": "u", "admin": False, "room": 1}),
        ("sign_in", 2, {"id": "u", "admin": False, "room": 2}),
        ("subscribe", 2, "w", Shape(5, None, ("room",))),
        ("subscribe", 2, "", Shape(5, None, ("room",))),
        ("subscribe", 0, "", Shape(1, 4, ("room",))),
        ("reload", "users"),
        ("settle",),
        ("put", 0, {"remove": [], "insert": [tagged, {"id": "f", "n": 0}], "reset": False}),
        ("put", 2, insert(("b", 1), ("c", 0))),
        ("cut", 2),
    ]
    play(ViewWorld(limits, has_rules=True, tombstones=3), steps)
