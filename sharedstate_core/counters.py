"""What a server has done and has at hand, in plain numbers, for whoever watches over it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(slots=True)
class Counters:
    """What has happened since the server was made; every number only grows.

    Attributes:
        connections: connections opened.
        updates: updates committed.
        rejected: updates that storage refused one by one, such as for a condition that did not hold.
        deliveries: notifications handed to connections: one message to 1,000 subscribers counts 1,000.
        bytes: bytes of messages handed to connections, replies too, before framing and compression.
        blocked: times that a reader has fallen behind.
        conflated: versions that readers who had fallen behind were told of within a later one.
        resumes_met: subscriptions with `since` that were given what changed.
        resumes_missed: subscriptions with `since` that had to be given everything.
    """

    connections: int = 0
    updates: int = 0
    rejected: int = 0
    deliveries: int = 0
    bytes: int = 0
    blocked: int = 0
    conflated: int = 0
    resumes_met: int = 0
    resumes_missed: int = 0


class Census(NamedTuple):
    """What there is at this moment.

    Attributes:
        connections: open connections.
        subscriptions: of all of them.
        blocked: connections whose reader has fallen behind.
        collections: collections that somebody watches, reads or writes, or did a moment ago.
        loaded: those of them whose content is in memory.
    """

    connections: int
    subscriptions: int
    blocked: int
    collections: int
    loaded: int
