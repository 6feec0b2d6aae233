"""Kinds of answers that cannot be ones, and what is said of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import pytest
from msgspec.structs import astuple, replace

from sharedstate_core import (
    CollectionPath,
    CommitResult,
    Committed,
    Cursor,
    Loaded,
    LocalProtocolError,
    Rejected,
    Row,
    Server,
)
from sharedstate_core.testing import check_requests

from .answers import (
    answer,
    begin,
    catching_up,
    committing,
    listing,
    loading,
    portrait,
    right_answer,
)
from .scenes import PATH, say, watching

ROW: Final = Row("p", b'{"id":"p"}', 1, 0, 1)


def row(**changes: Any) -> Loaded:
    fields: dict[str, Any] = {"id": "q", "version": 2} | changes
    return Loaded("epoch-1", 2, 0, [ROW, replace(ROW, **fields)])


WRONG_LOADS: Final = {
    "result: expected a Loaded, found None": None,
    "Loaded.epoch: expected a str, found bytes": Loaded(b"e", 1, 0, []),  # type: ignore[arg-type]
    "Loaded.epoch: holds half of a surrogate pair": Loaded("\ud800", 1, 0, []),
    "Loaded.version: expected a whole number from 0 to 9007199254740991, found True": Loaded(
        "e", True, 0, []
    ),
    "Loaded.version: .*, found -1": Loaded("e", -1, 0, []),
    "Loaded.horizon: expected a whole number from 0 to 1, found 2": Loaded("e", 1, 2, []),
    "Loaded.base: expected None, or what was asked for: everything; found 1 in 'e'": Loaded(
        "e", 1, 0, [], 1
    ),
    "Loaded.rows: expected a sequence, found None": Loaded("e", 1, 0, None),  # type: ignore[arg-type]
    "Loaded.rows: expected a sequence, found str": Loaded("e", 1, 0, "rows"),  # type: ignore[arg-type]
    r"Loaded.rows\[1\]: expected a Row, found tuple": Loaded("e", 1, 0, [ROW, astuple(ROW)]),  # type: ignore[list-item]
    r"Loaded.rows\[1\].id: expected a str, found bytes": row(id=b"q"),
    r"Loaded.rows\[1\].id: another row has this id": row(id="p"),
    r"Loaded.rows\[1\].id: holds half of a surrogate pair": row(id="\udc00"),
    r"Loaded.rows\[1\].text: expected bytes or None, found str": row(text='{"id":"q"}'),
    r"Loaded.rows\[1\].created: expected a whole number from 0 to 2, found 3": row(created=3),
    r"Loaded.rows\[1\].place: expected .*, found -1": row(place=-1),
    r"Loaded.rows\[1\].place: expected .*, found 0.0": row(place=0.0),
    r"Loaded.rows\[1\].version: expected a version after 0 and up to 2, found 3": row(version=3),
    r"Loaded.rows\[1\].version: .*, found 0": row(version=0),
    r"Loaded.rows\[1\].version: .*, found True": row(version=True),
}


@pytest.mark.parametrize("problem", WRONG_LOADS)
def test_loads(problem: str) -> None:
    world, ticket = begin(loading)
    with pytest.raises(LocalProtocolError, match=problem):
        answer(world, ticket, WRONG_LOADS[problem])
    world.finish(ticket)
    world.settle()


def test_rows_of_a_load_are_later_than_what_was_asked_for() -> None:
    world, ticket = begin(catching_up)
    right = right_answer(world, ticket)
    assert right.base == 2
    old = replace(right, rows=[*right.rows, Row("q", b"{}", 2, 0, 2)])
    with pytest.raises(LocalProtocolError, match=r"rows\[2\].version: .* after 2 and up to 3"):
        answer(world, ticket, old)
    with pytest.raises(LocalProtocolError, match="2 is before the horizon, 3"):
        answer(world, ticket, replace(right, horizon=3))
    world.finish(ticket)
    world.settle()


def outcomes(*outcomes: Any) -> CommitResult:
    return CommitResult("epoch-1", outcomes)


WRONG_COMMITS: Final = {
    "result: expected a CommitResult, found None": None,
    "result: expected a CommitResult, found list": [Committed(4)],
    "CommitResult.epoch: expected a str, found None": CommitResult(None, []),  # type: ignore[arg-type]
    "CommitResult.outcomes: expected a sequence, found None": CommitResult("e", None),  # type: ignore[arg-type]
    "CommitResult.outcomes: expected 3 outcomes, one for each write, found 1": outcomes(
        Committed(4)
    ),
    r"CommitResult.outcomes\[0\]: expected Committed or Rejected, found 4": outcomes(4, 4, 4),
    r"CommitResult.outcomes\[1\].version: .*, found True": outcomes(
        Committed(4), Committed(True), Committed(5)
    ),
    r"CommitResult.outcomes\[1\].version: expected 4 after 4, found 5": outcomes(
        Committed(4), Committed(5), Committed(6)
    ),
    r"CommitResult.outcomes\[2\].version: expected 5 after 4, found 3": outcomes(
        Committed(4), Committed(4), Committed(3)
    ),
    r"CommitResult.outcomes\[0\].version: expected 1 after 0, found 0": outcomes(
        Committed(0), Committed(0), Committed(1)
    ),
    r"CommitResult.outcomes\[2\].code: expected an ErrorCode, found str": outcomes(
        Committed(4),
        Committed(4),
        Rejected("nonsense", "no", 4),  # type: ignore[arg-type]
    ),
    r"CommitResult.outcomes\[2\].message: holds half of a surrogate": outcomes(
        Committed(4), Committed(4), Rejected("conflict", "\ud800", 4)
    ),
}


@pytest.mark.parametrize("problem", WRONG_COMMITS)
def test_commits(problem: str) -> None:
    world, ticket = begin(committing)
    with pytest.raises(LocalProtocolError, match=problem):
        answer(world, ticket, WRONG_COMMITS[problem])
    world.finish(ticket)
    world.settle()
    check_requests(world)


@pytest.mark.parametrize("names", [None, "abc", b"abc", 3, {"c"}, [b"c"], ["c", None], ["\ud800"]])
def test_names(names: Any) -> None:
    world, ticket = begin(listing)
    with pytest.raises(LocalProtocolError, match="names"):
        answer(world, ticket, names)
    world.finish(ticket)
    world.settle()


def test_a_sequence_that_cannot_be_read() -> None:
    class Lazy(Sequence[Any]):
        def __len__(self) -> int:
            return 1

        def __getitem__(self, index: Any) -> Any:
            raise OSError("the cursor is closed")

    world, ticket = begin(loading)
    with pytest.raises(LocalProtocolError, match="reading it failed: OSError"):
        answer(world, ticket, Loaded("e", 1, 0, Lazy()))
    world.finish(ticket)
    world.settle()


@pytest.mark.parametrize("ticket", [None, "1", 1.0, True, [1], 0, -1])
def test_what_is_no_ticket(ticket: Any) -> None:
    world, one = begin(listing)
    assert one == 1  # which 1.0 and True are equal to
    server = world.server
    with pytest.raises(LocalProtocolError, match="no ListCollections or ListApps with ticket"):
        server.list_succeeded(ticket, [], 0.0)
    with pytest.raises(LocalProtocolError, match="no Load with ticket"):
        server.load_failed(ticket, "gone", 0.0)
    world.settle()


@pytest.mark.parametrize(
    ("path", "cursor", "problem"),
    [
        ("/a/items/c", None, "path: expected a CollectionPath, found str"),
        (("a", "items", "c"), None, "path: expected a CollectionPath, found tuple"),
        (CollectionPath("a", "items", ["c"]), None, "path: expected"),  # type: ignore[arg-type]
        (PATH, ("epoch-1", 9), "cursor: expected a Cursor or None, found tuple"),
        (PATH, 9, "cursor: expected a Cursor or None, found 9"),
        (PATH, Cursor(None, 9), "cursor.epoch: expected a str, found None"),  # type: ignore[arg-type]
        (PATH, Cursor("epoch-1", "9"), "cursor.version: .*, found str"),  # type: ignore[arg-type]
        (PATH, Cursor("epoch-1", -1), "cursor.version: .*, found -1"),
        (PATH, Cursor("epoch-1", True), "cursor.version: .*, found True"),
    ],
)
def test_what_is_heard_of_others(path: Any, cursor: Any, problem: str) -> None:
    world = watching(1, "p")
    before = portrait(world.server)
    with pytest.raises(LocalProtocolError, match=problem):
        world.server.collection_changed(path, cursor, world.now)
    assert portrait(world.server) == before


def test_the_sentence_of_a_failure_may_hold_halves_of_characters() -> None:
    """As the name of a file does that is not UTF-8."""
    world, ticket = begin(listing)
    server = world.server
    with pytest.raises(TypeError, match="message: expected a str, found None"):
        server.list_failed(ticket, None, world.now)  # type: ignore[arg-type]
    effects = server.list_failed(ticket, "no file caf\udce9", world.now)
    del world.operations[ticket]
    world._perform(effects)
    world.settle()
    reply = world.clients[0].asked[-1].reply
    assert reply is not None
    assert reply["error"]["message"] == "no file caf\\udce9"


def test_an_outcome_is_known_or_not() -> None:
    world, ticket = begin(committing)
    with pytest.raises(TypeError, match="outcome_unknown: expected a bool, found None"):
        world.server.commit_failed(ticket, "gone", 0.0, outcome_unknown=None)  # type: ignore[arg-type]
    world.settle()


def test_a_portrait_shows_what_has_changed() -> None:
    world, other = watching(1, "p"), watching(1, "p")
    assert portrait(world.server) == portrait(other.server)
    world.clients[0].ask("GET", "/clock")
    say(world)
    assert portrait(world.server) != portrait(other.server)
    assert portrait(Server[int](["a"])) != portrait(Server[int](["b"]))
