"""`PUT /subs`: editing, replacing, refusing; who is owed a synchronising notification."""

from __future__ import annotations

import gc
import json
from functools import partial
from typing import Any

import pytest

from sharedstate_core import Effect, Limits, Load, RequestError, Send, Server
from sharedstate_core.server.registry import AT_ONCE
from sharedstate_core.testing import World
from tests.support.work import LONG_TURN, work_of

from .scenes import PATH, P, change, changes, hear, kinds, put, say, stored, under_way, watching

OTHER = "/a/items/d"
SPELLED = "a/items//c/"


def put_subs(world: World, arg: dict[str, Any], client: int = 0) -> dict[str, Any]:
    """Send exactly this argument; return the reply, leaving the rest unheard."""
    asked = world.clients[client].ask(
        "PUT", "/subs", {"insert": [], "remove": [], "reset": False} | arg
    )
    say(world, client)
    while asked.reply is None:
        world.to_client(client)
    return asked.reply


def test_the_reply_comes_before_the_synchronising_notification() -> None:
    world = World(store=stored("p"))
    world.clients[0].put_subs({P: {}})
    say(world)
    assert kinds(hear(world)) == [0]
    world.finish(under_way(world, Load).ticket)
    assert changes(world) == [
        (0, 1, {"remove": [], "insert": [{"id": "p", "value": 0}], "reset": True})
    ]
    assert not world.operations


def test_a_second_subscriber_is_served_from_memory() -> None:
    world = watching(1, "p")
    world.connect(0) if world.links[0].connection is None else world.cut(0)
    world.connect(0)
    say(world)
    assert not world.operations
    assert kinds(hear(world)) == [1, "NOTIFY"]


def test_an_empty_collection_is_synchronised_too() -> None:
    world = World()
    put_subs(world, {"insert": [[P, {}]]})
    world.finish(under_way(world, Load).ticket)
    assert changes(world) == [(0, 0, change() | {"reset": True})]


def test_the_same_sub_again_gets_nothing() -> None:
    world = watching(1, "p")
    for arg in ({"insert": [[P, {}]]}, {"insert": [[P, {}]], "reset": True}, {}):
        assert put_subs(world, arg)["data"] == [[P, {}]]
        assert hear(world) == []
        world.clients[0].subscribed[P].synchronised = True
    put(world, 0, "q")
    world.settle()
    assert list(world.clients[0].copies[P].state) == ["p", "q"]


def test_another_sub_for_the_same_path_synchronises_again() -> None:
    world = watching(1, "p")
    put_subs(world, {"insert": [[P, {"parts": True}]]})
    assert [(base, data["reset"]) for base, _, data in changes(world)] == [(0, True)]
    world.settle()


def test_remove_and_insert_in_one_request_synchronises_again() -> None:
    world = watching(1, "p")
    assert put_subs(world, {"insert": [[P, {}]], "remove": [P]})["data"] == [[P, {}]]
    assert [(base, data["reset"]) for base, _, data in changes(world)] == [(0, True)]


def test_edits_keep_the_others_and_reset_does_not() -> None:
    world = watching(1, "p")
    assert put_subs(world, {"insert": [[OTHER, {}]]})["data"] == [[P, {}], [OTHER, {}]]
    world.settle()
    assert put_subs(world, {"remove": [P, "/never/items/was"]})["data"] == [[OTHER, {}]]
    assert put_subs(world, {"insert": [[P, {}]], "reset": True})["data"] == [[P, {}]]
    world.settle()
    assert put_subs(world, {"reset": True, "remove": [P]})["data"] == []
    put(world, 0, "q")
    world.finish(max(world.operations))
    assert changes(world) == []


def test_of_a_path_listed_twice_the_last_counts() -> None:
    world = World()
    reply = put_subs(world, {"insert": [[P, {}], [OTHER, {}], [P, {"parts": True}]]})
    assert reply["data"] == [[P, {"parts": True}], [OTHER, {}]]


def test_two_spellings_of_one_collection_are_two_subscriptions() -> None:
    world = watching(1)
    put_subs(world, {"insert": [[SPELLED, {}]]})
    world.settle()
    put(world, 0, "p")
    world.settle()
    copies = world.clients[0].copies
    assert copies[P] == copies[SPELLED]
    put_subs(world, {"remove": [P]})
    put(world, 0, "q")
    world.settle()
    assert list(copies[P].state) == ["p"]
    assert list(copies[SPELLED].state) == ["p", "q"]


def test_what_cannot_be_subscribed_is_left_out_and_said() -> None:
    world = World()
    insert = [["/a", {}], ["/a/nothing/c", {}], [P, 5], [OTHER, {}], ["/b/items/c", {"parts": 1}]]
    reply = put_subs(world, {"insert": insert})
    assert reply["data"] == [[OTHER, {}]]
    assert [(path, error["code"]) for path, error in reply["errors"]] == [
        ("/a", "bad_path"),
        ("/a/nothing/c", "no_service"),
        (P, "bad_message"),
        ("/b/items/c", "bad_message"),
    ]


def test_a_refused_change_of_a_subscription_ends_it() -> None:
    """The path is left out of the returned list, so it is not subscribed any more."""
    world = watching(1)
    reply = put_subs(world, {"insert": [[P, {"parts": 1}]]})
    assert reply["data"] == []
    put(world, 0, "p")
    world.finish(max(world.operations))
    assert changes(world) == []


def test_a_request_that_makes_no_sense_changes_nothing() -> None:
    world = watching(1)
    reply = put_subs(world, {"insert": [[P]], "reset": True})
    assert reply["error"]["code"] == "bad_message"
    put(world, 0, "p")
    world.settle()
    assert list(world.clients[0].copies[P].state) == ["p"]


def test_the_number_of_subscriptions_is_bounded() -> None:
    world = World(limits=Limits(subscriptions=2))
    insert = [[f"/a/items/{n}", {}] for n in range(3)]
    reply = put_subs(world, {"insert": insert})
    assert [path for path, _ in reply["data"]] == ["/a/items/0", "/a/items/1"]
    assert [(path, e["code"]) for path, e in reply["errors"]] == [("/a/items/2", "too_many")]
    world.settle()
    reply = put_subs(world, {"insert": insert[::-1], "reset": True})
    assert [path for path, _ in reply["data"]] == ["/a/items/2", "/a/items/1"]
    assert put_subs(world, {"insert": insert, "remove": ["/a/items/2"]})["data"] == [
        ["/a/items/1", {}],
        ["/a/items/0", {}],
    ]
    assert len(world.server._sessions[world.connection(0)].subscriptions) == 2
    world.settle()


def test_the_spellings_of_one_collection_are_bounded() -> None:
    world = World()
    insert = [["/" * n + "a/items/c", {}] for n in range(6)]
    reply = put_subs(world, {"insert": [*insert, ["/a/items/d", {}]]})
    assert [path for path, _ in reply["data"]] == [
        *("/" * n + "a/items/c" for n in range(4)),
        "/a/items/d",
    ]
    told = [(path, e["code"], e["message"]) for path, e in reply["errors"]]
    assert told == [
        (path, "too_many", "at most 4 spellings of /a/items/c") for path, _ in insert[4:]
    ]
    reply = put_subs(world, {"insert": insert[4:], "remove": [insert[0][0]]})
    assert [path for path, _ in reply["errors"]] == [insert[5][0]]
    world.settle()


def test_what_a_connection_has_us_keep_is_bounded() -> None:
    world = World()
    reply = put_subs(world, {"insert": [[P, {"mine": "x" * 4096}], ["/" * 510 + P, {}]]})
    assert [(path, e["code"]) for path, e in reply["errors"]] == [
        (P, "too_large"),
        ("/" * 510 + P, "bad_path"),
    ]
    reply = put_subs(world, {"insert": [[P, {"mine": "x" * 4000}], ["/" * 490 + P, {}]]})
    assert len(reply["data"]) == 2


def test_the_paths_of_one_request_are_bounded() -> None:
    world = World(limits=Limits(subscriptions=2))
    reply = put_subs(world, {"insert": [[P, {}]] * 3, "remove": [P] * 2})
    assert reply["error"]["code"] == "too_many"
    assert put_subs(world, {"insert": [[P, {}]] * 2, "remove": [P] * 2})["ok"]


def test_a_request_may_replace_all_subscriptions_that_there_can_be() -> None:
    world = World(limits=Limits(subscriptions=5))
    for name in "de":
        paths = [f"/a/items/{name}{number}" for number in range(5)]
        reply = put_subs(world, {"insert": [[path, {}] for path in paths]})
        edit = {"remove": paths, "insert": [[f"{path}-other", {}] for path in paths]}
        assert len(put_subs(world, edit)["data"]) == len(reply["data"]) == 5
        assert put_subs(world, {"reset": True})["data"] == []


def test_the_first_of_too_many_subscriptions_are_accepted() -> None:
    """Clients of level 1 name all they want, and have what there is room for."""
    world = World(limits=Limits(subscriptions=5))
    paths = [f"/a/items/{number}" for number in range(10)]
    reply = put_subs(world, {"insert": [[path, {}] for path in paths], "reset": True})
    assert [path for path, _ in reply["data"]] == paths[:5]
    assert [path for path, _ in reply["errors"]] == paths[5:]


def test_many_paths_are_refused_for_little_work() -> None:
    server: Server[int] = Server(["items"])
    server.connection_opened(0)
    paths = [[f"/a/items/{number}", {}] for number in range(20_000)]
    assert work_of(lambda: asking(server, {"insert": paths})) < LONG_TURN


def test_many_new_subscriptions_begin_by_turns() -> None:
    """All of them at once are 1,000 loads, or as many contents that are told."""
    server: Server[int] = Server(["items"], Limits(loads=1000))
    server.connection_opened(0)
    turns = [asking(server, {"insert": [[f"/a/items/{n}", {}] for n in range(1000)]})]
    while server.next_wakeup() == 0.0:
        turns.append(server.wake(0.0))
    begun = [sum(isinstance(effect, Load) for effect in effects) for effects in turns]
    assert max(begun) == AT_ONCE
    assert sum(begun) == 1000


def test_a_refusal_leaves_no_garbage() -> None:
    world = World()
    gc.collect()
    gc.disable()
    try:
        put_subs(world, {"insert": [[P, 5], ["/nowhere", {}]]})
        assert not [each for each in gc.get_objects() if isinstance(each, RequestError)]
    finally:
        gc.enable()


def test_a_subscription_removed_while_its_content_is_loaded_gets_nothing() -> None:
    world = World(store=stored("p"))
    put_subs(world, {"insert": [[P, {}]]})
    put_subs(world, {"remove": [P]})
    world.finish(under_way(world, Load).ticket)
    assert hear(world) == []
    assert list(world.server._registry._collections) == [PATH]  # it lingers
    world.advance(world.limits.linger_seconds)
    assert not world.server._registry._collections


def test_after_unsubscribing_comes_nothing() -> None:
    world = watching(2, "p")
    put_subs(world, {"remove": [P]})
    put(world, 1, "q")
    world.settle()
    assert list(world.clients[0].copies[P].state) == ["p"]
    assert list(world.clients[1].copies[P].state) == ["p", "q"]


def test_a_collection_lingers_and_is_forgotten() -> None:
    world = watching(1, "p", limits=Limits(linger_seconds=5))
    put_subs(world, {"remove": [P]})
    assert world.server.next_wakeup() == world.now + 5
    world.advance(4)
    asked = world.clients[0].ask("GET", P)
    say(world)
    hear(world)
    assert asked.ok  # from memory, and it lingers anew
    world.advance(4)
    assert list(world.server._registry._collections) == [PATH]
    put_subs(world, {"insert": [[P, {}]]})
    world.advance(4)
    world.settle()
    assert list(world.server._registry._collections) == [PATH]  # somebody watches again
    world.cut(0)
    world.advance(5)
    assert not world.server._registry._collections
    assert world.server.next_wakeup() is None


def test_a_brief_answer_tells_of_what_was_listed() -> None:
    world = watching(1, "p")
    edit = {"insert": [[OTHER, {}], ["/a/nothing/c", {}]], "brief": True}
    reply = put_subs(world, edit)
    assert reply["data"] == [[OTHER, {}]]
    assert [path for path, _ in reply["errors"]] == ["/a/nothing/c"]
    assert put_subs(world, {"remove": [OTHER], "brief": True})["data"] == []
    assert put_subs(world, {"insert": [[P, {}]], "reset": True, "brief": True})["data"] == [[P, {}]]
    assert put_subs(world, {"insert": [[P, {}]], "brief": True})["data"] == [[P, {}]], (
        "there already"
    )
    assert put_subs(world, {"insert": [[OTHER, {}]]})["data"] == [[P, {}], [OTHER, {}]]


def test_brief_is_true_or_false() -> None:
    reply = put_subs(watching(1), {"brief": 1})
    assert reply["error"]["message"] == "brief: expected true or false, found a number"


def test_an_edit_costs_what_it_names() -> None:
    """However many other subscriptions there are: what ends, what begins, and what is refused."""

    def work(others: int) -> list[int]:
        server: Server[int] = Server(["items"], Limits(loads=2000))
        server.connection_opened(0)
        ask = partial(asking, server)
        ask({"insert": [[f"/a/items/{number}", {}] for number in range(others)]})
        while server.next_wakeup() == 0.0:
            server.wake(0.0)
        edits: list[dict[str, Any]] = [
            {"insert": [[P, {}], [SPELLED, {}]]},
            {"insert": [[P, {"parts": True}]]},
            {"insert": [[P, 7]]},
            {"remove": [SPELLED], "insert": [[SPELLED, {}]]},
            {"remove": [SPELLED]},
        ]
        return [work_of(partial(ask, edit | {"brief": True})) for edit in edits]

    assert work(900) == pytest.approx(work(10), rel=0.1)


def asking(server: Server[int], arg: dict[str, Any]) -> list[Effect[int]]:
    message = {"type": "REQUEST", "cmd": "PUT", "path": "/subs", "arg": arg, "tunnel": 1}
    return server.receive_text(0, json.dumps(message), 0.0)


def test_so_many_refusals_are_explained() -> None:
    """Of twenty thousand paths that are wrong, a thousand are looked at."""
    paths = [[f"{number}", {}] for number in range(20_000)]
    server: Server[int] = Server(["items"], Limits(subscriptions=10_000))
    server.connection_opened(0)
    effects = asking(server, {"insert": paths})
    while server.next_wakeup() == 0.0:
        effects += server.wake(0.0)
    (reply,) = (effect for effect in effects if isinstance(effect, Send))
    errors = json.loads(bytes(reply.message))["errors"]
    assert [error["code"] for _, error in errors] == ["bad_path"] * 1000 + ["too_many"] * 19_000


def test_the_spellings_that_are_left_count() -> None:
    world = World(store=stored("p"))
    spelled = [f"{'/' * number}a/items/c" for number in range(2, 7)]
    assert len(put_subs(world, {"insert": [[path, {}] for path in spelled]})["data"]) == 4
    assert len(put_subs(world, {"insert": [[spelled[4], {}]]})["errors"]) == 1
    edit = {"remove": [spelled[0]], "insert": [[spelled[4], {}]]}
    assert len(put_subs(world, edit)["data"]) == 4
    assert len(put_subs(world, {"insert": [[spelled[0], {}]]})["errors"]) == 1
    assert (
        len(put_subs(world, {"insert": [[path, {}] for path in spelled], "reset": True})["errors"])
        == 1
    )
