"""Answers of storage that cannot be ones: refused before anything has changed, and nobody else is touched."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharedstate_core import (
    CollectionPath,
    Commit,
    CommitResult,
    Committed,
    Cursor,
    Doubt,
    Limits,
    ListCollections,
    Load,
    Loaded,
    LocalProtocolError,
    Rejected,
    Row,
    Server,
    Update,
)
from sharedstate_core.testing import World, check_copies, check_requests, check_rest
from sharedstate_core.testing.settling import carry_everything

from .scenes import PATH, P, say, stored, under_way, watching

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

OTHER: Final = "/a/items/other"

ROW: Final = Row("p", b'{"id":"p"}', 1, 0, 1)
NONSENSE: Final[Sequence[Any]] = (
    *(None, True, False, 0, 1, 2, -1, 2**53, 2**70, 1.0, float("nan"), float("inf"), 1j),
    *("", "p", "items", "\ud800", b"", b"p", bytearray(b"p"), (), [], {}, set(), {"p": 1}, [None]),
    *(["p"], ["\ud800"], [b"p"], ("p", b"{}", 1, 0, 1), object(), range(3), iter(()), len, int),
    *(ROW, [ROW], [ROW, ROW], Cursor("epoch-1", 1), Committed(1), [Committed(1)], Committed(-1)),
    *(Rejected("conflict", "no", 1), Rejected("nonsense", "no", 1), Rejected("conflict", None, 1)),  # type: ignore[arg-type]
    *(CommitResult("epoch-1", []), CommitResult("epoch-1", [Committed(1)]), Loaded("e", 0, 0, [])),
)


class Credulous(World):
    """A World in which what is false may be taken for the truth."""

    def _doubt(self, doubt: Doubt) -> None:  # noqa: ARG002
        self.doubts += 1


# --- what an answer may be in the place of ---------------------------------------------------------


def loading() -> World:
    """Somebody subscribes to a collection that is not in memory, and reads and writes it."""
    world = Credulous(3, store=stored("p", "q"))
    world.clients[0].put_subs({P: {}})
    return world


def catching_up() -> World:
    """Another process has written; what changed since is loaded."""
    world = loading()
    world.settle()
    world.commit_elsewhere(PATH, Update(("p",), {"r": b'{"id":"r"}'}))
    world.tell(PATH)
    return world


def committing() -> World:
    """Three updates are committed to a collection in memory; one does nothing, one is on a condition."""
    world = loading()
    world.settle()
    client = world.clients[0]
    client.put(P, insert=[{"id": "first"}])
    say(world)
    client.put(P, insert=[{"id": "r"}])
    client.put(P)
    client.put(P, insert=[{"id": "s"}], condition=(Cursor("epoch-1", 1), None))
    say(world)
    world.finish(under_way(world, Commit).ticket)
    return world


def committing_blind() -> World:
    world = Credulous(3, store=stored("p"))
    world.clients[0].put(P, insert=[{"id": "q"}])
    return world


def listing() -> World:
    world = Credulous(3, store=stored("p"))
    world.clients[0].ask("GET", "/a/items")
    return world


SITUATIONS: Final = (loading, catching_up, committing, committing_blind, listing)


def begin(situation: Callable[[], World]) -> tuple[World, int]:
    """Return a World with one operation under way, and its ticket; others watch and wait beside it.

    Client 0 is concerned. Client 1 watches another collection; client 2 asks for both, and comes later.
    """
    world = situation()
    say(world)
    (ticket,) = world.operations
    world.clients[1].put_subs({OTHER: {}})
    world.clients[1].put(OTHER, insert=[{"id": "x"}])
    for path in (P, OTHER):
        world.clients[2].ask("GET", path)
        world.clients[2].put(path, insert=[{"id": "z"}])
    for client in (1, 2):
        say(world, client)
    return world, ticket


def answer(world: World, ticket: int, result: Any) -> None:
    """Give an answer to the operation; if it is taken, it is under way no more."""
    server = world.server
    match world.operations[ticket].effect:
        case Commit():
            effects = server.commit_succeeded(ticket, result, world.now)
        case Load():
            effects = server.load_succeeded(ticket, result, world.now)
        case ListCollections():
            effects = server.list_succeeded(ticket, result, world.now)
    del world.operations[ticket]
    world._perform(effects)


def right_answer(world: World, ticket: int) -> Any:
    world.execute(ticket)
    return world.operations[ticket].result


def give_up(world: World, ticket: int) -> None:
    """Say that the operation has failed, as the embedder is to do."""
    if isinstance(world.operations[ticket].effect, Commit):
        world.lose(ticket)
    else:
        world.fail(ticket)


# --- spoiling an answer -----------------------------------------------------------------------------


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


# --- the core, seen whole -----------------------------------------------------------------------------


def portrait(root: object) -> list[object]:
    """Return all that can be reached from an object, as values that can be compared; the same for the same state."""
    seen: dict[int, int] = {}
    found: list[object] = []
    queue: deque[object] = deque([root])
    while queue:
        value = queue.popleft()
        if value is None or isinstance(value, str | bytes | int | float | type):
            found.append(value)
            continue
        if id(value) in seen:
            found.append(("again", seen[id(value)]))
            continue
        seen[id(value)] = len(seen)
        found.append(type(value).__name__)
        if isinstance(value, Mapping):
            queue.extend(part for pair in value.items() for part in pair)
        elif isinstance(value, list | tuple | deque):
            queue.extend(value)
        elif isinstance(value, functools.partial):
            queue.extend((value.func, *value.args))
        elif isinstance(value, set | frozenset):
            found.append(len(value))
        else:
            slots = [s for kind in type(value).__mro__ for s in getattr(kind, "__slots__", ())]
            queue.extend(getattr(value, slot) for slot in slots if hasattr(value, slot))
            queue.append(getattr(value, "__dict__", None))
    return found


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
        carry_everything(world)
    assert not world.server.is_busy
    assert list(world.clients[1].copies[OTHER].state) == ["x", "z"]
    assert world.clients[1].asked[-1].ok
    for client in range(len(world.links)):
        if world.links[client].connection is not None:
            world.cut(client)
    world.advance(2 * Limits().linger_seconds)
    assert not world.server._registry._collections


# --- kinds of it, and what is said of them -----------------------------------------------------------


def row(**changes: Any) -> Loaded:
    fields: dict[str, Any] = {"id": "q", "version": 2} | changes
    return Loaded("epoch-1", 2, 0, [ROW, ROW._replace(**fields)])


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
    r"Loaded.rows\[1\]: expected a Row, found tuple": Loaded("e", 1, 0, [ROW, tuple(ROW)]),  # type: ignore[list-item]
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
    old = right._replace(rows=[*right.rows, Row("q", b"{}", 2, 0, 2)])
    with pytest.raises(LocalProtocolError, match=r"rows\[2\].version: .* after 2 and up to 3"):
        answer(world, ticket, old)
    with pytest.raises(LocalProtocolError, match="2 is before the horizon, 3"):
        answer(world, ticket, right._replace(horizon=3))
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
    with pytest.raises(LocalProtocolError, match="no ListCollections with ticket"):
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
