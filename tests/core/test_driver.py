"""The driver: inputs one after the other, peers that leave, storage's answers, time, an orderly stop."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from sharedstate_core import Commit, CommitResult, Committed, Limits, Load, LocalProtocolError
from sharedstate_core.driver import BroadcastingHost

from .in_memory import MemoryPeer, Transport
from .scenes import PATH, P, stored

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sharedstate_core.driver import Operation
    from sharedstate_core.messages import Message


def watching(peers: int, limits: Limits | None = None) -> Transport:
    transport = Transport(limits, stored("p"))
    for _ in range(peers):
        transport.connect().client.put_subs({P: {}})
    transport.settle()
    return transport


def put(peer: MemoryPeer, id: str) -> Any:
    asked = peer.client.put(P, insert=[{"id": id}])
    peer.say()
    return asked


def only(transport: Transport) -> Operation:
    (operation,) = transport.operations
    return operation


# --- from within ----------------------------------------------------------------------------------


def test_an_input_from_within_waits_until_the_effects_at_hand_are_performed() -> None:
    """The first reader of a broadcast is blocked from within; the second gets the broadcast all the same."""
    transport = watching(2)
    ann, bob = transport.peers
    put(ann, "q")
    ann.tricks.append(MemoryPeer.block)
    transport.finish(only(transport))
    assert [json.loads(each)["type"] for each in ann.inbox] == ["MESSAGE", "REPLY"]
    assert len(bob.inbox) == 1
    assert transport.driver.server.census().blocked == 1
    put(bob, "r")
    transport.finish(only(transport))
    assert len(ann.inbox) == 2
    ann.drain()
    assert len(ann.inbox) == 1  # the net change
    transport.settle()
    assert ann.client.copies == bob.client.copies


def test_a_peer_that_leaves_from_within_is_left_alone() -> None:
    transport = watching(3)
    ann, bob, cyd = transport.peers
    put(bob, "q")
    ann.tricks.append(lambda _: bob.leave())
    transport.finish(only(transport))
    assert not bob.inbox
    assert len(cyd.inbox) == 1
    assert transport.driver.server.census().connections == 2


class Broadcasting(Transport, BroadcastingHost[MemoryPeer]):
    def send(self, peers: Sequence[MemoryPeer], message: Message) -> None:
        self.sent.append((len(peers), message))
        for peer in peers:
            if not peer.left:
                peer.send(bytes(message))

    sent: list[tuple[int, Message]]


def test_a_host_may_send_to_all_by_itself() -> None:
    transport = Broadcasting(store=stored("p"))
    transport.sent = []
    for _ in range(3):
        transport.connect().client.put_subs({P: {}})
    transport.settle()
    transport.sent.clear()
    ann, bob, cyd = transport.peers
    put(ann, "q")
    transport.finish(only(transport))
    assert [count for count, _ in transport.sent] == [3, 1]
    put(ann, "r")
    ann.tricks.append(lambda _: bob.leave())
    transport.finish(only(transport))
    assert [count for count, _ in transport.sent] == [3, 1, 3, 1]
    assert len(bob.inbox) == 1
    assert len(cyd.inbox) == 2


def test_a_peer_may_send_from_within() -> None:
    transport = watching(1)
    (ann,) = transport.peers
    asked = put(ann, "q")
    more = []
    ann.tricks.append(lambda _: more.append(put(ann, "r")))
    transport.settle()
    assert asked.ok
    assert more[0].ok
    assert list(transport.store.state(PATH)) == ["p", "q", "r"]


def test_storage_may_answer_from_within() -> None:
    transport = watching(2)
    transport.at_once = True
    asked = put(transport.peers[0], "q")
    transport.settle()
    assert asked.ok
    assert transport.driver.is_idle


def test_what_is_left_when_something_raises_is_done_with_the_next_input() -> None:
    transport = watching(2)
    ann, bob = transport.peers
    put(bob, "q")

    def fall(_: MemoryPeer) -> None:
        raise OSError("the wire is cut")

    bob.tricks += [lambda _: None, fall]  # at its reply, the last effect but one
    bob.client.ask("GET", "/")
    ann.tricks.append(lambda _: bob.say())  # is taken when that is done
    with pytest.raises(OSError, match="the wire is cut"):
        transport.finish(only(transport))
    assert not transport.driver.is_idle
    assert transport.driver.next_wakeup == transport.now
    assert len(bob.inbox) == 2
    transport.driver.wake(transport.now)
    assert len(bob.inbox) == 3
    assert transport.driver.is_idle


@pytest.mark.parametrize("ended", [False, True])
def test_an_operation_that_the_host_does_not_begin_has_failed(
    ended: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    transport = watching(1)
    (ann,) = transport.peers

    def stumble(operation: Operation) -> None:
        if ended:
            transport.driver.failed(operation, transport.now, outcome_unknown=False)
        raise OSError("no task can be started")

    with monkeypatch.context() as patch:
        patch.setattr(transport, "start", stumble)
        with pytest.raises(OSError, match="no task can be started"):
            put(ann, "q")
    (refused,) = ann.client.waiting
    transport.driver.wake(transport.now)
    ann.drain()
    error = (refused.reply or {})["error"]
    assert (error["code"], error.get("outcome")) == ("unavailable", None if ended else "unknown")
    again = put(ann, "q")
    transport.settle()
    assert again.ok


def test_who_stands_behind_a_peer_that_raises_gets_the_message_with_the_next_input() -> None:
    transport = watching(3)
    ann, bob, cec = transport.peers
    put(cec, "q")

    def fall(_: MemoryPeer) -> None:
        raise OSError("the wire is cut")

    bob.tricks.append(fall)
    with pytest.raises(OSError, match="the wire is cut"):
        transport.finish(only(transport))
    before = [len(peer.inbox) for peer in (ann, bob, cec)]
    assert before == [1, 1, 0]
    transport.driver.wake(transport.now)
    assert [len(peer.inbox) for peer in (ann, bob, cec)] == [1, 1, 2]


def test_a_report_that_raises_does_not_keep_the_operation_under_way() -> None:
    transport = watching(1)
    asked = put(transport.peers[0], "q")
    commit = only(transport)
    transport.operations.clear()
    transport.reports = None  # type: ignore[assignment]  # so that `report` stumbles
    with pytest.raises(AttributeError):
        transport.driver.succeeded(commit, CommitResult("epoch-1", [Committed(-1)]), transport.now)
    transport.driver.wake(transport.now)
    transport.settle()
    assert asked.code == "unavailable"


def test_effects_of_texts_that_raised_are_not_for_a_peer_that_has_left() -> None:
    transport = watching(1)
    (ann,) = transport.peers

    def texts() -> Iterator[str]:
        yield '{"type":"REQUEST","cmd":"GET","path":"/"}'
        raise ValueError("the frame was not text")

    transport.driver.receive(ann, texts(), transport.now)
    assert ann.closed_with == 1011
    ann.closed_with = None
    ann.leave()  # `MemoryPeer.send` asserts that it has not left
    assert transport.driver.is_idle
    assert not transport.driver.has_peers


# --- peers ----------------------------------------------------------------------------------------


def test_of_a_peer_that_has_left_nothing_is_taken_in() -> None:
    transport = watching(1)
    (ann,) = transport.peers
    ann.leave()
    driver = transport.driver
    assert not driver.has_peers
    ann.leave()
    driver.blocked(ann, (), transport.now)
    driver.drained(ann, transport.now)
    driver.receive(ann, ['{"type":"REQUEST","cmd":"GET","path":"/"}'], transport.now)
    assert driver.server.census().connections == 0


def test_a_peer_opens_once() -> None:
    transport = watching(1)
    with pytest.raises(LocalProtocolError, match="open already"):
        transport.driver.opened(transport.peers[0])


def test_a_text_that_cannot_be_handled_closes_its_own_connection() -> None:
    transport = watching(2)
    ann, bob = transport.peers

    def texts() -> Iterator[str]:
        yield '{"type":"REQUEST","cmd":"PUT","path":"/a/items/c","arg":{"insert":[{"id":"q"}]}}'
        raise RuntimeError("a fault of ours")

    transport.driver.receive(ann, texts(), transport.now)
    assert ann.closed_with == 1011
    assert bob.closed_with is None
    ((subject, error),) = transport.reports
    assert subject is ann
    assert str(error) == "a fault of ours"
    ann.leave()
    transport.settle()
    assert list(transport.store.state(PATH)) == ["p", "q"]
    assert list(bob.client.copies[P].state) == ["p", "q"]


def test_the_time_is_told_by_the_host() -> None:
    transport = watching(1)
    (ann,) = transport.peers
    asked = ann.client.ask("GET", "/clock")
    transport.settle()
    assert asked.reply is not None
    assert asked.reply["data"] == 1234.5


# --- storage --------------------------------------------------------------------------------------


def test_a_result_that_the_core_refuses_is_a_failure_and_reported() -> None:
    transport = watching(1)
    (ann,) = transport.peers
    asked = put(ann, "q")
    commit = only(transport)
    transport.operations.clear()
    nonsense = CommitResult("epoch-1", [Committed(-1)])
    assert transport.driver.succeeded(commit, nonsense, transport.now) is False
    transport.settle()
    assert asked.code == "unavailable"
    assert asked.reply["error"]["outcome"] == "unknown"
    assert asked.reply["data"] == "storage failed while the update was being committed"
    ((subject, error),) = transport.reports
    assert subject is commit
    assert isinstance(error, LocalProtocolError)


def test_an_operation_ends_once() -> None:
    transport = watching(1)
    put(transport.peers[0], "q")
    commit = only(transport)
    assert isinstance(commit, Commit)
    assert transport.finish(commit)
    with pytest.raises(LocalProtocolError, match="no Commit like this one is under way"):
        transport.driver.failed(commit, transport.now, outcome_unknown=False)
    with pytest.raises(LocalProtocolError, match="no Load like this one is under way"):
        transport.driver.succeeded(Load(1, PATH, None), None, transport.now)


@pytest.mark.parametrize(
    ("message", "unknown", "data"),
    [
        (None, False, "the storage is not available"),
        ("the disk is full", False, "the disk is full"),
        (None, True, "storage failed while the update was being committed"),
    ],
)
def test_a_commit_that_failed(message: str | None, unknown: bool, data: str) -> None:
    transport = watching(1)
    (ann,) = transport.peers
    asked = put(ann, "q")
    commit = only(transport)
    transport.operations.clear()
    transport.driver.failed(commit, transport.now, message, outcome_unknown=unknown)
    transport.settle()
    assert asked.reply["data"] == data
    assert ("outcome" in asked.reply["error"]) is unknown


def test_loads_and_listings_that_failed() -> None:
    transport = Transport()
    ann = transport.connect()
    asked = [ann.client.ask("GET", path) for path in (P, "/a/items", "/apps")]
    ann.say()
    while transport.operations:  # of two lists, one waits for the other
        transport.fail(transport.operations[0])
    transport.settle()
    assert [each.code for each in asked] == ["unavailable"] * 3


def test_doubts_are_handed_out_and_need_no_answer() -> None:
    transport = watching(1)
    ahead = {"since": {"epoch": "epoch-1", "version": 99}}
    transport.connect().client.put_subs({P: ahead})
    transport.settle()
    assert transport.driver.is_idle


# --- time -----------------------------------------------------------------------------------------


def test_the_host_hears_when_the_next_wakeup_has_moved() -> None:
    transport = watching(1)
    (ann,) = transport.peers
    changes = transport.changes
    assert transport.driver.next_wakeup is None
    ann.block()
    assert transport.changes == changes + 1
    assert transport.driver.next_wakeup == transport.now + 30
    transport.now += 1
    ann.block()
    assert transport.changes == changes + 2
    transport.driver.wake(transport.now)
    assert transport.changes == changes + 2
    transport.now += 30
    transport.driver.wake(transport.now)
    assert ann.closed_with == 1008
    assert transport.driver.now == transport.now


# --- the end --------------------------------------------------------------------------------------


def test_an_orderly_stop() -> None:
    transport = watching(2)
    ann, bob = transport.peers
    asked = put(ann, "q")
    driver = transport.driver
    driver.stop(transport.now, transport.now + 10)
    assert driver.is_stopping
    assert not driver.is_stopped
    late = put(bob, "r")
    new = transport.connect()
    assert new.closed_with == 1001
    new.leave()
    changes = transport.changes
    transport.finish(only(transport))
    assert driver.is_stopped
    assert transport.changes == changes + 1
    assert [ann.closed_with, bob.closed_with] == [1001, 1001]
    for peer in (ann, bob):
        peer.drain()
        peer.leave()
    assert asked.ok
    assert late.reply is None
    assert not driver.has_peers
    assert transport.changes == changes + 2


def test_a_stop_does_not_wait_for_storage_that_hangs() -> None:
    transport = watching(1)
    (ann,) = transport.peers
    put(ann, "q")
    driver = transport.driver
    driver.stop(transport.now, transport.now + 10)
    assert driver.next_wakeup == transport.now + 10
    driver.wake(transport.now + 10)
    assert ann.closed_with == 1001
    assert driver.is_stopped
    assert not driver.is_idle


def test_an_argument_that_cannot_be_right_changes_nothing() -> None:
    transport = watching(1)
    asked = put(transport.peers[0], "q")
    driver, commit, now = transport.driver, only(transport), transport.now
    wrong: Any = OSError("the disk is full")
    with pytest.raises(TypeError, match="message: expected a str"):
        driver.failed(commit, now, wrong, outcome_unknown=True)
    with pytest.raises(ValueError, match="now: expected seconds"):
        driver.failed(commit, float("nan"), outcome_unknown=True)
    with pytest.raises(TypeError, match="now: expected seconds"):
        driver.succeeded(commit, CommitResult("epoch-1", [Committed(2)]), wrong)
    with pytest.raises(ValueError, match="now: expected seconds"):
        driver.wake(float("inf"))
    assert driver.now == now
    transport.settle()
    assert asked.ok
