"""Answers of storage with nonsense anywhere in them: refused before anything has changed; nobody else is touched."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final

from hypothesis import given
from hypothesis import strategies as st

from sharedstate_core import (
    CommitResult,
    Committed,
    Cursor,
    Limits,
    Loaded,
    LocalProtocolError,
    Rejected,
    Row,
)
from sharedstate_core.testing import World, check_copies, check_requests, check_rest

from .answers import OTHER, SITUATIONS, answer, begin, give_up, portrait, right_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

ROW: Final = Row("p", b'{"id":"p"}', 1, 0, 1)
NONSENSE: Final[Sequence[Any]] = (
    *(None, True, False, 0, 1, 2, -1, 2**53, 2**70, 1.0, float("nan"), float("inf"), 1j),
    *("", "p", "items", "\ud800", b"", b"p", bytearray(b"p"), (), [], {}, set(), {"p": 1}, [None]),
    *(["p"], ["\ud800"], [b"p"], ("p", b"{}", 1, 0, 1), object(), range(3), iter(()), len, int),
    *(ROW, [ROW], [ROW, ROW], Cursor("epoch-1", 1), Committed(1), [Committed(1)], Committed(-1)),
    *(Rejected("conflict", "no", 1), Rejected("nonsense", "no", 1), Rejected("conflict", None, 1)),  # type: ignore[arg-type]
    *(CommitResult("epoch-1", []), CommitResult("epoch-1", [Committed(1)]), Loaded("e", 0, 0, [])),
)


def places(value: object, so_far: tuple[int, ...] = ()) -> Iterator[tuple[int, ...]]:
    """Yield where something else might stand in a tree of tuples and lists; () is all of it."""
    yield so_far
    if isinstance(value, tuple | list):
        for index, each in enumerate(value):
            yield from places(each, (*so_far, index))


def replaced(value: Any, place: tuple[int, ...], change: Callable[[Any], Any]) -> Any:
    """Return a tree with something changed at one place."""
    if not place:
        return change(value)
    index, *rest = place
    parts = list(value)
    parts[index] = replaced(parts[index], tuple(rest), change)
    if isinstance(value, list):
        return parts
    kind: Any = type(value)
    return kind(*parts) if hasattr(value, "_fields") else kind(parts)


@st.composite
def spoilers(draw: st.DrawFn, right: Any) -> Any:
    """Return an answer with nonsense in one place, or with an element too many, too few or in the wrong place."""
    place = draw(st.sampled_from(list(places(right))))
    found = functools.reduce(lambda value, index: value[index], place, right)
    if isinstance(found, list) and draw(st.booleans()):
        change = draw(st.sampled_from([lambda v: v[1:], lambda v: v + v[:1], lambda v: v[::-1]]))
        return replaced(right, place, change)
    other = draw(st.sampled_from(NONSENSE))
    return replaced(right, place, lambda _: other)


@given(data=st.data(), situation=st.sampled_from(SITUATIONS), patient=st.booleans())
def test_nonsense(data: st.DataObject, situation: Callable[[], World], patient: bool) -> None:
    world, ticket = begin(situation)
    right = right_answer(world, ticket)
    wrong = data.draw(spoilers(right))
    before = portrait(world.server)
    try:
        answer(world, ticket, wrong)
    except LocalProtocolError:
        assert portrait(world.server) == before
        if patient:  # an answer that is right is still welcome
            answer(world, ticket, right)
        else:
            give_up(world, ticket)
        world.settle()
        check_copies(world)
        check_requests(world)
        check_rest(world)
    else:  # it could have been the truth
        world.cut(0)
        world.cut(2)
        world.carry_everything()
    assert not world.server.is_busy
    assert list(world.clients[1].copies[OTHER].state) == ["x", "z"]
    assert world.clients[1].asked[-1].ok
    for client in range(len(world.links)):
        if world.links[client].connection is not None:
            world.cut(client)
    world.advance(2 * Limits().linger_seconds)
    assert not world.server._registry._collections
