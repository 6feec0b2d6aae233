"""How often a user may update, whatever the number of connections; and those who keep to it are never refused."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sharedstate_core import Access, Counters, Limits, RequestError, Update
from sharedstate_core.identity import NOBODY, Identity
from sharedstate_core.limits import LiveLimits
from sharedstate_core.server import update_rate
from sharedstate_core.server.update_rate import UpdateRate
from sharedstate_core.testing import Asked, MemoryStore, World, check_requests

from .scenes import PATH, P, say

ROUNDED = 0.01


class Users:
    """Connections that update, at times that somebody sets."""

    def __init__(self, rate: float, burst: int | None, now: float = 0.0) -> None:
        self.limits = LiveLimits(Limits(updates_per_second=rate, updates_burst=burst))
        self.rate: UpdateRate[str] = UpdateRate(self.limits, Counters())
        self.now = now

    def connect(self, user: str | None = None) -> Any:
        identity = NOBODY if user is None else Identity({"id": user})
        return Connection(identity)

    def wait(self, session: Any) -> float | None:
        """Update; return how long the user has to wait, or None."""
        try:
            self.rate.take(session, self.now)
        except RequestError as error:
            return error.retry_after
        return None

    @property
    def kept(self) -> int:
        return len(self.rate._buckets)


class Connection:
    def __init__(self, identity: Identity) -> None:
        self.identity = identity


rates = st.one_of(st.floats(0.01, 1000), st.sampled_from([0.1, 1.0, 3.0, 7.0]))
begins = st.sampled_from([0.0, 1e6])
pauses = st.one_of(st.just(0.0), st.floats(0, 3), st.sampled_from([0.1, 1 / 3, 1.0, 50.0]))


@given(rate=rates, burst=st.integers(1, 8), begin=begins, steps=st.lists(pauses, max_size=60))
def test_no_more_than_the_burst_and_the_rate_in_any_span_of_time(
    rate: float, burst: int, begin: float, steps: list[float]
) -> None:
    users = Users(rate, burst, begin)
    times = []
    for number, pause in enumerate(steps):
        users.now += pause
        if users.wait(users.connect("ann")) is None:
            times.append(users.now)
        if number % 3 == 0:
            users.wait(users.connect(f"somebody else, {number}"))
    for first, since in enumerate(times):
        for number, until in enumerate(times[first:], 1):
            assert number <= burst + rate * (until - since) + ROUNDED


@given(rate=rates, burst=st.integers(1, 5), begin=begins, more=st.lists(pauses, max_size=60))
@example(rate=3.0, burst=1, begin=1e6, more=[0.0] * 1000)
@example(rate=0.1, burst=1, begin=0.1, more=[0.0] * 1000)
def test_who_keeps_to_the_rate_is_never_refused(
    rate: float, burst: int, begin: float, more: list[float]
) -> None:
    users = Users(rate, burst, begin)
    ann = users.connect("ann")
    assert [users.wait(ann) for _ in range(burst)] == [None] * burst
    for at in accumulate(1 / rate + pause for pause in more):
        users.now = begin + at
        assert users.wait(ann) is None


@given(rate=rates, begin=begins, early=st.floats(0, 0.9))
def test_who_comes_back_when_told_to_is_accepted(rate: float, begin: float, early: float) -> None:
    users = Users(rate, 1, begin)
    ann = users.connect("ann")
    assert users.wait(ann) is None
    users.now += early / rate
    wait = users.wait(ann)
    assert wait is not None
    assert 0 < wait <= 1 / rate + 0.001
    assert users.wait(ann) == wait, "to be refused takes nothing"
    users.now += wait
    assert users.wait(ann) is None


@pytest.mark.parametrize(("rate", "burst"), [(0.5, 5), (0.01, 1), (3, 30)])
def test_the_burst_is_that_of_ten_seconds_if_nobody_says(rate: float, burst: int) -> None:
    users = Users(rate, None)
    ann = users.connect("ann")
    assert [users.wait(ann) is None for _ in range(burst + 1)] == [True] * burst + [False]


def test_who_has_been_silent_for_long_has_no_more_than_the_burst() -> None:
    users = Users(1, 2)
    ann = users.connect("ann")
    users.wait(ann)
    users.now += 1000
    assert [users.wait(ann) is None for _ in range(4)] == [True, True, False, False]


def test_buckets_are_forgotten_once_they_are_full() -> None:
    users = Users(1, 2)
    for number in range(100):
        users.wait(users.connect(f"{number}"))
    assert users.kept == 100
    users.now += 2
    for _ in range(100):
        users.wait(users.connect("ann"))
        users.now += 1
    assert users.kept == 1


def test_buckets_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(update_rate, "KEPT", 10)
    users = Users(1, 2)
    for number in range(100):
        users.wait(users.connect(f"{number}"))
    assert users.kept == 10
    assert list(users.rate._buckets) == [f"{number}" for number in range(90, 100)]


def test_a_bucket_that_is_used_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(update_rate, "KEPT", 3)
    users = Users(1, 1)
    assert users.wait(users.connect("ann")) is None
    for number in range(20):
        users.wait(users.connect(f"{number}"))
        assert users.wait(users.connect("ann")) is not None


# --- in a server ------------------------------------------------------------------------------------


def limited(*users: str | None, rate: float | None = 1, burst: int | None = 3) -> World:
    """A world with a connection for each of these users; None is nobody."""
    limits = Limits(updates_per_second=rate, updates_burst=burst)
    world = World(len(users), store=MemoryStore(), limits=limits, access=Access())
    for client, user in enumerate(users):
        if user is not None:
            become(world, client, user)
    return world


def become(world: World, client: int, user: str) -> None:
    world.clients[client].ask("PUT", "/session", {"token": "t"})
    say(world, client)
    (ticket,) = world.proofs
    world.accept(ticket, {"id": user})
    world.carry_everything()


def put(world: World, client: int = 0, arg: Any = None, path: str = P) -> Asked:
    asked = world.clients[client].ask("PUT", path, arg or {"insert": [{"id": "p"}]})
    world.settle()
    return asked


def accepted(world: World, client: int = 0) -> int:
    """Return how many of ten updates at one moment are accepted."""
    now = world.now
    number = sum(put(world, client).ok for _ in range(10))
    assert world.now == now
    return number


def test_one_too_many_is_refused_and_nothing_of_it_is_stored() -> None:
    world = limited("ann")
    assert accepted(world) == 3
    asked = put(world, arg={"insert": [{"id": "q"}], "remove": ["p"]})
    assert asked.reply is not None
    assert asked.reply["error"] == {
        "code": "too_many",
        "message": "more than 1 updates a second; the next one in 1 s",
        "retry_after": 1.0,
    }
    assert list(world.store.state(PATH)) == ["p"]
    assert (world.server.counters.updates, world.server.counters.limited) == (3, 8)
    world.now += 1
    assert put(world).ok
    check_requests(world)


def test_a_user_has_one_bucket_and_everybody_else_another() -> None:
    world = limited("ann", "bob", "ann", None, None)
    assert [accepted(world, client) for client in range(5)] == [3, 3, 0, 3, 3]
    become(world, 3, "ann")
    assert accepted(world, 3) == 0
    become(world, 3, "carol")
    assert accepted(world, 3) == 3


def test_a_new_connection_has_the_bucket_of_its_user() -> None:
    world = limited("ann", None)
    assert (accepted(world, 0), accepted(world, 1)) == (3, 3)
    for client in (0, 1):
        world.cut(client)
        world.connect(client)
    become(world, 0, "ann")
    assert (accepted(world, 0), accepted(world, 1)) == (0, 3)
    assert len(world.server._dispatcher.update_rate._buckets) == 2


def test_what_is_refused_for_another_reason_counts_too() -> None:
    world = limited("ann")
    for arg in ({"insert": [7]}, {"remove": [""]}, {"if": {"epoch": "x", "version": 1}}):
        assert put(world, arg=arg).code in {"bad_update", "conflict"}
    assert put(world).code == "too_many"


def test_other_requests_are_not_limited() -> None:
    world = limited("ann")
    assert accepted(world) == 3
    client = world.clients[0]
    asked = [client.ask("GET", path) for path in (P, "/a/items", "/clock", "/session", "/subs")]
    client.put_subs({P: {}})
    world.settle()
    assert all(each.ok for each in asked)
    assert client.subscribed


def test_a_call_counts_if_it_is_made_for_a_connection() -> None:
    world = limited("ann", burst=2)
    update = Update(insert={"p": b'{"id":"p"}'})
    for number in range(5):
        world.put(P, update, f"the program, {number}")
        world.put(P, update, f"for ann, {number}", client=0)
    world.settle()
    errors = {str(each.author): each.error for each in world.callers.answers}
    assert all(errors[f"the program, {number}"] is None for number in range(5))
    refused = [errors[f"for ann, {number}"] for number in range(5)]
    assert [each is None for each in refused] == [True, True, False, False, False]
    assert refused[4] is not None
    assert refused[4].retry_after == 1.0
    assert put(world).code == "too_many"


def test_the_rate_may_change() -> None:
    world = limited("ann", rate=None, burst=None)
    assert accepted(world) == 10
    world.server.change_limits(Limits(updates_per_second=2, updates_burst=8))
    assert accepted(world) == 8
    world.server.change_limits(Limits(updates_per_second=1, updates_burst=2))
    world.now += 100
    assert accepted(world) == 2
    world.server.change_limits(Limits())
    assert accepted(world) == 10
    assert world.server.counters.limited == 2 + 8


def test_without_a_rate_the_burst_means_nothing() -> None:
    assert accepted(limited("ann", rate=None, burst=2)) == 10
