"""A peer with a queue: its threshold, what it tells of progress, and its end."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sharedstate_core.driver import QueuedPeer
from sharedstate_core.driver.queued_peer import PROGRESS_BYTES


class Recorder:
    """In place of a driver."""

    def __init__(self) -> None:
        self.now = 5.0
        self.told: list[tuple[Any, ...]] = []

    def blocked(self, _: QueuedPeer[Event], unsent: tuple[bytes, ...], now: float) -> None:
        self.told.append(("blocked", len(unsent), now))

    def drained(self, _: QueuedPeer[Event], now: float) -> None:
        self.told.append(("drained", now))


class Event:
    """Counts those that are set."""

    def __init__(self, changes: list[str]) -> None:
        self.changes = changes

    def set(self) -> None:
        self.changes.append("changed")


def queued(full_bytes: int = 10) -> tuple[QueuedPeer[Event], Recorder, list[str]]:
    driver, changes = Recorder(), list[str]()

    def end(at_once: bool) -> None:
        driver.told.append(("end", at_once))

    peer = QueuedPeer(driver, lambda: Event(changes), end, full_bytes)  # type: ignore[arg-type]
    return peer, driver, changes


def test_beyond_the_threshold_it_is_blocked_and_when_all_is_taken_it_has_drained() -> None:
    peer, driver, changes = queued()
    for message in (b"12345", b"67890"):
        peer.send(message)
    assert driver.told == []
    peer.send(b"!")
    peer.send(b"?")
    assert driver.told == [("blocked", 3, 5.0)]
    assert len(changes) == 4
    for message in (b"12345", b"67890", b"!", b"?"):
        assert peer.next() == message
        peer.taken(6.0)
    assert peer.next() is None
    assert driver.told == [("blocked", 3, 5.0), ("drained", 6.0)]
    peer.send(b"1")
    peer.taken(7.0)
    assert len(driver.told) == 2


def test_whoever_closes_it_again_does_not_give_it_more_time() -> None:
    peer, driver, _ = queued()
    peer.send(b"1")
    for code in (1003, 1009, 1003):
        peer.close(code, "messages are text")
    assert driver.told == [("end", False)]
    assert peer.goodbye == (1003, "messages are text")
    peer.close(1008, "no memory", at_once=True)
    assert driver.told == [("end", False), ("end", True)]
    assert peer.is_finished


def test_progress_is_told_every_now_and_then() -> None:
    peer, driver, _ = queued(4 * PROGRESS_BYTES)
    half = b"x" * (PROGRESS_BYTES // 2)
    for _ in range(9):
        peer.send(half)
    for _ in range(3):
        peer.taken(6.0)
    assert driver.told == [("blocked", 9, 5.0), ("blocked", 7, 6.0)]


def test_whether_all_has_left_is_told_when_it_is_asked() -> None:
    peer, driver, _ = queued()
    peer.await_drain()
    assert driver.told == [("drained", 5.0)]
    peer.send(b"1")
    peer.await_drain()
    assert len(driver.told) == 1
    peer.taken(6.0)
    assert driver.told[1:] == [("drained", 6.0)]


def test_a_goodbye_comes_after_what_was_sent_and_nothing_after_it() -> None:
    peer, driver, changes = queued()
    peer.send(b"1")
    assert not peer.is_finished
    peer.close(1001, "the end")
    assert not peer.is_finished
    assert driver.told == [("end", False)]
    peer.close(1008, "another one")
    peer.send(b"2")
    assert peer.goodbye == (1001, "the end")
    assert peer.next() == b"1"
    peer.taken(6.0)
    assert peer.next() is None
    assert peer.is_finished
    assert len(changes) == 3


def test_at_once_nothing_is_kept() -> None:
    peer, driver, _ = queued()
    peer.send(b"1" * 20)
    peer.close(1008, "no memory", at_once=True)
    assert peer.next() is None
    assert peer.bytes == 0
    assert peer.is_finished
    peer.taken(6.0)  # what was being written
    assert peer.bytes == 0
    assert driver.told == [("blocked", 1, 5.0), ("end", True)]


def test_reading_is_paused_and_goes_on() -> None:
    peer, _, changes = queued()
    assert not peer.is_paused
    peer.pause_reading()
    assert peer.is_paused
    assert changes == []
    peer.resume_reading()
    assert not peer.is_paused
    assert len(changes) == 1


@given(st.lists(st.one_of(st.integers(0, 30), st.none(), st.just("await")), max_size=60))
def test_it_counts_what_it_keeps(steps: list[Any]) -> None:
    """None: one message is taken; a number: one of that length comes."""
    peer, driver, _ = queued(40)
    kept: list[int] = []
    blocked = awaited = False
    for step in steps:
        told = len(driver.told)
        if step == "await":
            peer.await_drain()
            awaited = bool(kept)
            assert len(driver.told) == told + (not kept)
        elif step is not None:
            peer.send(b"x" * step)
            kept.append(step)
            assert len(driver.told) == told + (not blocked and sum(kept) > 40)
            blocked = blocked or sum(kept) > 40
        elif kept:
            peer.taken(1.0)
            del kept[0]
            assert len(driver.told) == told + (not kept and (blocked or awaited))
            if not kept:
                blocked = awaited = False
        assert peer.bytes == sum(kept)
