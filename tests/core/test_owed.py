"""What a slow reader is owed comes in order, a window at a time, and keeps nobody waiting."""

from __future__ import annotations

from sharedstate_core import Commit, Limits, Load, Update
from sharedstate_core.collection.subscription import Subscription
from sharedstate_core.testing import World, check_copies, check_requests
from tests.support.work import work_of

from .scenes import PATH, P, hear, kinds, put, say, stored, under_way, watching


def test_what_is_owed_comes_in_order() -> None:
    """The net change before later acknowledgements; a read, and what follows it, is carried out after the drain."""
    world = World(store=stored("p"))
    world.block(0)
    client = world.clients[0]
    client.put_subs({P: {}})
    client.put(P, insert=[{"id": "q"}])
    client.ask("GET", P)
    client.ask("GET", "/clock")
    client.put(P, insert=[{"id": "r"}])
    client.ask("GET", "/a/b/c/d")
    say(world)
    for _ in range(2):  # the load, and the commit before the read
        world.finish(max(world.operations))
    assert not world.links[0].inbox
    assert not world.operations
    world.drain(0)
    assert kinds(hear(world)) == [0, "NOTIFY", 2, 3, 5, 1]
    world.finish(under_way(world, Commit).ticket)
    assert kinds(hear(world)) == ["NOTIFY", 4]
    assert client.copies[P].cursor == ("epoch-1", 3)


def test_a_read_that_waited_for_content_is_postponed_with_what_follows() -> None:
    world = World(store=stored("p"))
    client = world.clients[0]
    client.ask("GET", P)
    client.put(P, insert=[{"id": "q"}])
    world.clients[0].ask("GET", P)
    say(world)
    world.block(0)
    client.put(P, insert=[{"id": "r"}])
    say(world)
    world.finish(under_way(world, Load).ticket)
    assert not world.operations
    world.drain(0)
    assert kinds(hear(world)) == [0]
    world.settle()
    check_requests(world)
    assert [len(asked.items or ()) for asked in client.asked] == [1, 0, 2, 0]


def test_one_input_hands_out_no_more_than_the_window_and_a_message() -> None:
    """Many reads, and many subscriptions, of large collections at once."""
    world = World(2, store=stored(*"pqrstuvwxy"), limits=Limits(window_bytes=300))
    world.clients[1].put_subs({P: {}})
    world.settle()
    reader = 0
    for _ in range(4):
        world.clients[reader].ask("GET", P)
    say(world, reader)
    assert kinds(hear(world, reader)) == [0]
    world.drain(reader)
    assert kinds(hear(world, reader)) == [1]
    world.clients[reader].put_subs({"a/items/c": {}, "/a/items/c/": {}, P: {}})
    say(world, reader)
    heard = []
    for _ in range(10):
        world.drain(reader)
        heard.append(kinds(hear(world, reader)))
    assert heard[:6] == [[2], [3], [4, "NOTIFY"], ["NOTIFY"], ["NOTIFY"], []]
    world.settle()
    check_copies(world)


def test_who_is_brought_to_now_in_turns_is_never_kept_waiting_by_what_changes_meanwhile() -> None:
    world = World(2, limits=Limits(window_bytes=100))
    reader = 1
    world.clients[reader].put_subs({"/a/items/d": {}, P: {}, "/a/items/e": {}})
    world.settle()
    world.block(reader)
    told = []
    for n in range(6):
        for path in ("/a/items/d", P, "/a/items/e"):
            put(world, 0, f"{n}{'x' * 100}", path=path)
        while world.operations:
            world.finish(min(world.operations))
        world.drain(reader)
        told += [message["path"] for message in hear(world, reader)]
    assert told == ["/a/items/d", P, "/a/items/e"] * 2


def test_an_acknowledgement_waits_for_content_that_its_author_waits_for_after_the_drain() -> None:
    world = watching(1, "p")
    client = world.clients[0]
    world.block(0)
    client.put(P, insert=[{"id": "q"}])
    client.put_subs({P: {"since": {"epoch": "epoch-1", "version": 99}}}, [P])
    say(world)
    world.finish(under_way(world, Commit).ticket)
    load = under_way(world, Load)
    world.drain(0)
    assert kinds(hear(world)) == [2]
    world.finish(load.ticket)
    assert kinds(hear(world)) == ["NOTIFY", 1]


def test_requests_keep_their_order_when_they_are_postponed_again() -> None:
    """A busy collection takes some of them, another's answer fills the window meanwhile."""
    other = "/a/items/d"
    world = World(2, store=stored("p"), limits=Limits(window_bytes=100))
    world.clients[1].put_subs({P: {}, other: {}})
    world.settle()
    put(world, 1, "x" * 200, path=other)
    world.settle()
    world.block(0)
    client = world.clients[0]
    first = client.ask("GET", P)
    write = client.put(P, insert=[{"id": "q"}])
    client.ask("GET", other)
    last = client.ask("GET", P)
    say(world)
    put(world, 1, "r")
    world.drain(0)
    world.settle()
    check_requests(world)
    assert [len(asked.items or ()) for asked in (first, last)] == [2, 3]
    assert write.ok


def test_a_subscription_that_ends_is_not_owed_by_what_its_end_sets_free() -> None:
    """Ending it gives an acknowledgement that waited for content, and that fills the window."""
    world = World(1, store=stored("p"), limits=Limits(window_bytes=120))
    client = world.clients[0]
    client.put_subs({P: {}})
    world.settle()
    world.commit_elsewhere(PATH, Update(("absent",), {}))
    put(world, 0, "q")
    world.finish(under_way(world, Commit).ticket)
    world.fail(under_way(world, Load).ticket)
    world.block(0)
    world.drain(0)
    client.put_subs({}, [P])
    say(world)
    assert world.links[0].draining
    session = world.server._sessions[world.connection(0)]
    assert not [owed for owed in session._backlog if isinstance(owed, Subscription)]
    world.settle()
    check_requests(world)


def test_an_acknowledgement_waits_for_a_subscription_that_is_owed_anew() -> None:
    """It waited for content after a drain that ended early, and so went to the end of the queue."""
    world = World(1, store=stored("p"), limits=Limits(window_bytes=150))
    client = world.clients[0]
    client.put_subs({P: {}})
    world.settle()
    world.block(0)
    client.put_subs({P: {"since": {"epoch": "epoch-1", "version": 99}}}, [P])
    client.put(P, insert=[{"id": "q"}])
    client.ask("GET", "/clock")
    say(world)
    world.finish(under_way(world, Load).ticket)
    world.finish(under_way(world, Commit).ticket)
    world.tell(PATH, vaguely=True)
    load = under_way(world, Load)
    world.drain(0)
    assert world.links[0].draining
    world.finish(load.ticket)
    world.settle()
    check_copies(world)
    assert client.asked[-2].ok


def test_an_acknowledgement_comes_after_a_subscription_that_took_the_place_of_another() -> None:
    """The one that was owed before it has ended meanwhile, and the new one is owed behind it."""
    world = World(1, store=stored("p"))
    client = world.clients[0]
    client.put_subs({P: {}})
    world.settle()
    asked = put(world, 0, "q")
    world.block(0)
    world.finish(under_way(world, Commit).ticket)
    client.put_subs({P: {}}, [P])
    world.to_server(0, even_if_paused=True)
    assert not world.links[0].inbox
    world.drain(0)
    heard = kinds(hear(world))
    assert heard.index("NOTIFY") < heard.index(asked.tunnel)
    check_copies(world)


def test_answers_that_waited_do_not_look_for_what_is_owed_among_all_subscriptions() -> None:
    def work(others: int) -> int:
        world = watching(1)
        client = world.clients[0]
        client.put_subs({P: {}, **{f"/a/items/{number}": {} for number in range(others)}})
        world.settle()
        for number in range(50):
            put(world, 0, str(number))
        world.block(0)
        world.finish(under_way(world, Commit).ticket)
        world.finish(under_way(world, Commit).ticket)
        return work_of(lambda: world.server.connection_drained(world.connection(0), world.now))

    assert work(50) < 2 * work(1)
