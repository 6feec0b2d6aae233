"""However many wait for the same collection, they are answered, or refused, by turns."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

from sharedstate_core import Commit, Limits, Load, Loaded, Row, Send, Server
from tests.support.work import LONG_TURN, work_of

from .scenes import P

if TYPE_CHECKING:
    from collections.abc import Callable

    from sharedstate_core.effects import Effect

READERS, EACH = 30, 100
INSERT = json.dumps({"insert": [{"id": str(number)} for number in range(100)]})


def ask(server: Server[int], who: int, cmd: str, arg: str = "null") -> list[Effect[int]]:
    text = f'{{"type":"REQUEST","cmd":"{cmd}","path":"{P}","arg":{arg},"tunnel":1}}'
    return server.receive_text(who, text, 0.0)


def asked(limits: Limits, cmd: str, arg: str = "null") -> tuple[Server[int], int]:
    """A server of which many ask for the same collection, which is being loaded, and the ticket."""
    server: Server[int] = Server(["items"], limits)
    load = None
    for who in range(READERS):
        server.connection_opened(who)
        for _ in range(EACH):
            for effect in ask(server, who, cmd, arg):
                load = effect if isinstance(effect, Load) else load
    assert load is not None
    return server, load.ticket


def answers(server: Server[int], take: Callable[[], list[Effect[int]]]) -> list[Any]:
    """Return what everybody is answered from this input on; none of them is long."""
    effects: list[Effect[int]] = []
    while True:
        assert (work := work_of(lambda: effects.extend(take()))) < LONG_TURN, work  # noqa: B023
        if server.next_wakeup() != 0.0:
            break
        take = partial(server.wake, 0.0)
    assert not any(isinstance(effect, Commit) for effect in effects)
    return [json.loads(bytes(e.message))["data"] for e in effects if isinstance(e, Send)]


def test_reads_that_waited_are_answered_by_turns() -> None:
    server, ticket = asked(Limits(unanswered=EACH), "GET")
    loaded = Loaded("e", 1, 0, [Row("p", b'{"id":"p"}', 1, 0, 1)])
    told = answers(server, lambda: server.load_succeeded(ticket, loaded, 0.0))
    assert told == [[{"id": "p"}]] * READERS * EACH
    assert not server.is_busy


def test_what_waited_for_a_load_that_failed_is_refused_by_turns() -> None:
    server, ticket = asked(Limits(unanswered=EACH), "GET")
    told = answers(server, lambda: server.load_failed(ticket, "no disk", 0.0))
    assert told == ["no disk"] * READERS * EACH
    assert not server.is_busy
    assert any(isinstance(effect, Load) for effect in ask(server, 0, "GET"))


def test_updates_for_which_there_is_no_room_are_refused_by_turns() -> None:
    server, ticket = asked(Limits(unanswered=EACH, collection_items=9), "PUT", INSERT)
    told = answers(server, lambda: server.load_succeeded(ticket, Loaded("e", 0, 0, []), 0.0))
    assert told == ["a collection may hold at most 9 items"] * READERS * EACH
    assert not server.is_busy
