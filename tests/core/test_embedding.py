"""What the embedding program may rely on, and what it may not do."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import sharedstate_core
from sharedstate_core import (
    Close,
    Commit,
    CommitResult,
    Limits,
    ListCollections,
    Load,
    Loaded,
    LocalProtocolError,
    PauseReading,
    Server,
    Update,
)
from sharedstate_core.testing import World

from .scenes import PATH, P, hear, put, say, stored, under_way, watching

PACKAGE = Path(sharedstate_core.__file__).parent
ALLOWED = {
    *(
        "__future__",
        "abc",
        "base64",
        "bisect",
        "collections",
        "collections.abc",
        "contextlib",
        "dataclasses",
    ),
    *(
        "functools",
        "hashlib",
        "heapq",
        "itertools",
        "json",
        "math",
        "msgspec",
        "msgspec.structs",
        "operator",
        "re",
        "typing",
    ),
    *("typing_extensions", "sharedstate_core"),
}
"""What the core may import: nothing that does I/O, reads a clock, draws a random number or knows an event loop."""


@pytest.mark.parametrize(
    "file", sorted(PACKAGE.rglob("*.py")), ids=lambda file: str(file.relative_to(PACKAGE))
)
def test_the_core_has_no_io_no_clock_no_randomness_and_nothing_asynchronous(file: Path) -> None:
    for node in ast.walk(ast.parse(file.read_text())):
        modules = []
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            modules = [node.module or ""]
        for module in modules:
            assert module in ALLOWED or module.startswith("sharedstate_core.")
        assert not isinstance(node, ast.AsyncFunctionDef | ast.AsyncWith | ast.AsyncFor | ast.Await)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in {"open", "print", "input", "__import__", "exec", "eval"}


# --- misuse ---------------------------------------------------------------------------------------


def test_a_connection_opens_once() -> None:
    server: Server[int] = Server(["items"])
    server.connection_opened(1)
    with pytest.raises(LocalProtocolError, match="open already"):
        server.connection_opened(1)
    server.connection_closed(1, 0.0)
    server.connection_opened(1)


def test_a_connection_that_is_not_open_does_nothing() -> None:
    server: Server[int] = Server(["items"])
    with pytest.raises(LocalProtocolError, match="not open"):
        server.receive_text(1, "{}", 0.0)
    with pytest.raises(LocalProtocolError, match="not open"):
        server.connection_closed(1, 0.0)
    with pytest.raises(LocalProtocolError, match="not open"):
        server.connection_blocked(1, 0.0)
    with pytest.raises(LocalProtocolError, match="not open"):
        server.connection_drained(1, 0.0)


def test_a_ticket_nobody_issued_is_refused() -> None:
    server: Server[int] = Server(["items"])
    with pytest.raises(LocalProtocolError, match="no Commit with ticket 7"):
        server.commit_succeeded(7, CommitResult("e", []), 0.0)
    with pytest.raises(LocalProtocolError, match="no Commit with ticket 7"):
        server.commit_failed(7, "gone", 0.0, outcome_unknown=True)
    with pytest.raises(LocalProtocolError, match="no Load with ticket 7"):
        server.load_succeeded(7, Loaded("e", 0, 0, []), 0.0)
    with pytest.raises(LocalProtocolError, match="no Load with ticket 7"):
        server.load_failed(7, "gone", 0.0)
    with pytest.raises(LocalProtocolError, match="no ListCollections or ListApps with ticket 7"):
        server.list_succeeded(7, [], 0.0)
    with pytest.raises(LocalProtocolError, match="no ListCollections or ListApps with ticket 7"):
        server.list_failed(7, "gone", 0.0)


def test_a_ticket_comes_back_once_and_as_what_it_is() -> None:
    """A misused ticket stays good: the state of the core is unchanged."""
    world = World(store=stored("p"))
    server, client = world.server, world.clients[0]
    asked = [client.ask("GET", "/a/items"), client.ask("GET", P)]
    asked.append(client.put("/a/items/d", insert=[{"id": "q"}]))
    say(world)
    effects = [operation.effect for operation in world.operations.values()]
    listing, load, commit = (effect.ticket for effect in effects)
    assert [type(effect) for effect in effects] == [ListCollections, Load, Commit]
    for ticket in (listing, load):
        with pytest.raises(LocalProtocolError, match="no Commit"):
            server.commit_succeeded(ticket, CommitResult("e", []), 0.0)
    for ticket in (listing, commit):
        with pytest.raises(LocalProtocolError, match="no Load"):
            server.load_succeeded(ticket, Loaded("e", 0, 0, []), 0.0)
    for ticket in (load, commit):
        with pytest.raises(LocalProtocolError, match="no ListCollections"):
            server.list_succeeded(ticket, [], 0.0)
    world.settle()
    assert all(a.ok for a in asked)
    with pytest.raises(LocalProtocolError):
        server.commit_succeeded(commit, CommitResult("e", []), 0.0)


# --- endings --------------------------------------------------------------------------------------


def check_empty(world: World) -> None:
    server = world.server
    assert (len(server._sessions), len(server._registry), len(server._tickets)) == (0, 0, 0)
    assert server.next_wakeup() is None
    assert not server.is_busy


def end(world: World) -> None:
    """Cut the client, let storage end what it began, let time pass: nothing may be kept."""
    world.cut(0)
    for _ in range(3):
        for ticket in list(world.operations):
            world.finish(ticket)
    world.advance(world.limits.linger_seconds)
    check_empty(world)


def test_nothing_is_kept_of_a_connection_that_ends_while_its_content_is_loaded() -> None:
    world = World(store=stored("p"))
    world.clients[0].put_subs({P: {}})
    put(world, 0, "q")
    under_way(world, Load)
    end(world)
    assert list(world.store.state(PATH)) == ["p", "q"]  # its update goes on


def test_nothing_is_kept_of_a_connection_that_ends_during_its_commit() -> None:
    world = watching(1, "p")
    put(world, 0, "q")
    put(world, 0, "r")
    world.clients[0].ask("GET", P)
    say(world)
    end(world)
    assert list(world.store.state(PATH)) == ["p", "q", "r"]


def test_nothing_is_kept_of_a_connection_that_ends_while_loads_fail() -> None:
    world = watching(1, "p")
    world.tell(PATH, vaguely=True)
    world.fail(under_way(world, Load).ticket)
    put(world, 0, "q")
    end(world)


def test_nothing_is_kept_of_a_connection_that_ends_blocked() -> None:
    world = watching(1, "p")
    world.block(0)
    world.clients[0].ask("GET", P)
    put(world, 0, "q")
    world.clients[0].ask("GET", "/a/items")
    say(world)
    end(world)


def test_nothing_is_kept_of_a_connection_that_ends_during_a_listing() -> None:
    world = World()
    world.clients[0].ask("GET", "/a/items")
    say(world)
    end(world)


def test_nothing_is_kept_of_an_author_whose_reply_waits_for_a_gap() -> None:
    world = watching(1, "p")
    world.commit_elsewhere(PATH, Update(("p",)))
    put(world, 0, "q")
    world.finish(under_way(world, Commit).ticket)
    end(world)


def test_others_go_on_when_one_leaves() -> None:
    world = watching(3, "p")
    put(world, 0, "q")
    world.cut(0)
    world.cut(1)
    world.finish(under_way(world, Commit).ticket)
    assert [m["version"] for m in hear(world, 2)] == [2]


def test_a_connection_too_slow_is_closed_once() -> None:
    limits = Limits(held_bytes=10)
    server: Server[int] = Server(["items"], limits)
    server.connection_opened(1)
    server.connection_blocked(1, 0.0)
    text = '{"type":"REQUEST","cmd":"GET","path":"/subs"}'
    effects = [effect for _ in range(2) for effect in server.receive_text(1, text, 0.0)]
    assert [type(effect) for effect in effects if not isinstance(effect, PauseReading)] == [Close]


def test_services_and_limits_have_defaults() -> None:
    assert Server[int](["items"]).limits == Limits()


def test_what_is_in_use() -> None:
    """While somebody watches it, and for a while afterwards."""
    world = watching(1, "p", limits=Limits(linger_seconds=5))
    assert world.server.is_in_use(PATH)
    world.cut(0)
    assert world.server.is_in_use(PATH)
    world.advance(6)
    assert not world.server.is_in_use(PATH)
    assert world.server.loaded("items") == []
