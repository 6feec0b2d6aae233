"""What a change of the user takes back: by turns, and nothing is shown before its own turn."""

from __future__ import annotations

import pytest

from sharedstate_core import Commit, Limits, LocalProtocolError, Update
from sharedstate_core.errors import CLOSE_SENT_AWAY
from sharedstate_core.testing import check_copies, check_requests
from tests.support.work import LONG_TURN, work_of

from .examining import ANN, AT_ONCE, NEWS, PATHS, access, become, change, shown, watching
from .scenes import hear, kinds, say, text, turns, under_way


def test_much_is_taken_back_by_turns_and_then_comes_the_reply() -> None:
    world = watching("ann")
    asked = become(world, "eve")
    assert len(world.links[0].inbox) == 2 * AT_ONCE
    assert turns(world) >= len(PATHS) / AT_ONCE - 1
    told = hear(world)
    assert [each["cmd"] for each in told] == ["NOTIFY", "END"] * len(PATHS) + ["PUT"]
    assert asked.ok
    assert world.links[0].reading
    assert world.server.census().subscriptions == 0


def test_a_subscription_ends_right_after_it_is_emptied_though_the_window_is_full() -> None:
    world = watching("ann", paths=PATHS[:2], limits=Limits(window_bytes=100))
    asked = become(world, "eve")
    told = hear(world)
    while not asked.reply:
        world.drain(0)
        told += hear(world)
    assert [each["cmd"] for each in told] == ["NOTIFY", "END"] * 2 + ["PUT"]


def test_nothing_is_shown_before_its_turn() -> None:
    world = watching("ann")
    become(world, "eve")
    change(world, *PATHS)
    assert turns(world) > 1
    assert shown(hear(world)) == []


def test_what_may_still_be_seen_goes_on() -> None:
    world = watching("ann", paths=[*PATHS, NEWS["path"]], rules=(NEWS, ANN))
    become(world, "eve")
    change(world, NEWS["path"])
    turns(world)
    assert shown(hear(world)) == [NEWS["path"]]
    change(world, PATHS[0])
    assert hear(world) == []
    world.settle()
    check_copies(world)


def test_requests_wait_until_all_is_taken_back() -> None:
    world = watching("ann")
    become(world, "eve")
    client = world.clients[0]
    asked = [
        client.put_subs({PATHS[-1]: {}}),
        client.ask("GET", "/subs"),
        client.ask("GET", PATHS[0]),
    ]
    assert not world.links[0].reading
    say(world)
    assert not any(each.reply for each in asked)
    world.settle()
    turns(world)
    world.settle()
    assert [each.code for each in asked] == [None, None, "forbidden"]
    assert asked[0].reply["errors"][0][0] == PATHS[-1]  # type: ignore[index]
    assert asked[1].reply["data"] == []  # type: ignore[index]


def test_requests_wait_until_all_is_taken_back_from_whoever_signs_out() -> None:
    world = watching("ann")
    become(world, None)
    asked = world.clients[0].ask("GET", "/subs")
    assert not world.links[0].reading
    say(world)
    assert not asked.reply
    turns(world)
    world.settle()
    assert asked.reply["data"] == []  # type: ignore[index]


def test_what_was_answered_before_comes_before() -> None:
    world = watching("ann")
    world.block(0)
    asked = world.clients[0].put_subs({PATHS[-1]: {}})
    say(world)
    become(world, None)
    world.drain(0)
    turns(world)
    told = kinds(hear(world))
    assert told.index(asked.tunnel) < told.index("END")


def test_a_token_that_is_refused_meanwhile_lets_nothing_go_ahead() -> None:
    world = watching("ann")
    become(world, "eve")
    asked = world.clients[0].ask("PUT", "/session", {"token": "nonsense"})
    say(world)
    assert not world.proofs
    turns(world)
    [ticket] = world.proofs
    world.decline(ticket)
    world.settle()
    assert asked.code == "unauthenticated"
    assert world.server.users() == {world.connection(0): {"id": "eve"}}


def test_a_token_that_is_looked_into_meanwhile_lets_nothing_go_ahead() -> None:
    world = watching("ann")
    client = world.clients[0]
    client.ask("PUT", "/session", {"token": "eve"})
    asked = client.ask("GET", PATHS[0])
    say(world)
    world.change_access(access(ANN))
    turns(world)
    assert asked.reply is None
    assert not world.operations
    [ticket] = world.proofs
    world.accept(ticket)
    turns(world)
    world.settle()
    assert asked.code == "forbidden"


def test_another_token_of_the_same_user_costs_nothing() -> None:
    world = watching("ann")
    asked = become(world, "ann")
    assert turns(world) == 0
    assert kinds(hear(world)) == [asked.tunnel]


def test_a_user_that_changes_while_another_change_is_under_way() -> None:
    world = watching("ann", paths=[*PATHS, NEWS["path"]], rules=(NEWS, ANN))
    first = become(world, "eve")
    world.change_access(access(NEWS, ANN))
    second = world.clients[0].ask("PUT", "/session", {"token": None})
    say(world)
    assert (first.reply, second.reply) == (None, None)
    turns(world)
    world.settle()
    assert first.ok
    assert second.ok
    assert set(world.clients[0].subscribed) == {NEWS["path"]}
    world.settle()
    check_copies(world)


def test_a_slow_reader_is_examined_when_it_has_drained() -> None:
    world = watching("ann")
    world.block(0)
    change(world, PATHS[0])
    asked = become(world, "eve")
    assert turns(world) == 0
    world.drain(0)
    turns(world)
    told = hear(world)
    assert shown(told) == []
    assert kinds(told)[-1] == asked.tunnel
    assert world.server.census().subscriptions == 0


def test_a_reader_that_is_blocked_halfway_goes_on_when_it_has_drained() -> None:
    world = watching("ann")
    become(world, "eve")
    world.block(0)
    change(world, *PATHS)
    turns(world)
    before = len(world.links[0].inbox)
    world.drain(0)
    turns(world)
    assert len(world.links[0].inbox) > before
    assert shown(hear(world)) == []
    assert world.server.census().subscriptions == 0


def test_a_connection_that_ends_meanwhile() -> None:
    world = watching("ann", "ann")
    become(world, "eve")
    world.put(PATHS[0], Update(insert={"y": text("y")}), "me", client=0)
    world.cut(0)
    [answer] = world.callers.answers
    assert answer.error is not None
    turns(world)
    world.settle()
    check_copies(world)


def test_an_update_is_shown_before_it_is_acknowledged() -> None:
    world = watching("ann", paths=[*PATHS, NEWS["path"]], rules=(NEWS, ANN))
    asked = world.clients[0].put(NEWS["path"], insert=[{"id": "mine"}])
    say(world)
    become(world, "eve")
    world.finish(under_way(world, Commit).ticket)
    turns(world)
    told = hear(world)
    assert shown(told) == [NEWS["path"]]
    assert kinds(told)[-1] == asked.tunnel
    check_requests(world)


def test_who_is_sent_away_is_closed_once_all_is_taken_back() -> None:
    world = watching("ann")
    world.send_away(0)
    assert world.links[0].closed_with is None
    turns(world)
    assert world.links[0].closed_with == CLOSE_SENT_AWAY


def test_who_is_sent_away_and_does_not_read_is_closed_at_once() -> None:
    world = watching("ann")
    world.block(0)
    world.send_away(0)
    assert world.links[0].closed_with == CLOSE_SENT_AWAY


def test_no_turn_is_long() -> None:
    paths = [f"/a/items/{n}" for n in range(1_000)]
    world = watching("ann", paths=paths, limits=Limits())
    world.clients[0].ask("PUT", "/session", {"token": "eve"})
    say(world)
    [ticket] = world.proofs
    assert work_of(lambda: world.accept(ticket)) < LONG_TURN
    count = 0
    while world.server.next_wakeup() == world.now:
        assert work_of(world.turn) < LONG_TURN
        count += 1
    assert count >= 9
    assert world.server.census().subscriptions == 0


# --- a proof that is withdrawn ----------------------------------------------------------------------


def test_a_proof_that_is_withdrawn_expires_now() -> None:
    world = watching("ann", paths=PATHS[:1])
    world.withdraw(0)
    world.advance(0.0)
    [told] = hear(world)
    assert (told["cmd"], told["reason"]) == ("SESSION", "expires")
    assert told["data"] == {"user": {"id": "ann"}, "expires": world.now}
    world.advance(20.0)
    world.withdraw(0)
    world.advance(11.0)
    assert [each["cmd"] for each in hear(world)] == ["NOTIFY", "END", "SESSION"]


def test_another_token_in_time_takes_the_place_of_one_that_is_withdrawn() -> None:
    world = watching("ann", paths=PATHS[:1])
    world.withdraw(0)
    world.advance(0.0)
    become(world, "ann")
    world.advance(1000.0)
    assert [each["cmd"] for each in hear(world)] == ["SESSION", "PUT"]


def test_nobody_has_no_proof_to_withdraw() -> None:
    world = watching(None)
    world.withdraw(0)
    world.advance(1000.0)
    assert hear(world) == []
    connection = world.connection(0)
    world.cut(0)
    with pytest.raises(LocalProtocolError, match="not open"):
        world.server.withdraw(connection, world.now)
