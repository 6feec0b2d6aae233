"""Plain numbers for monitoring: what a server has done, and what it holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(slots=True)
class Counters:
    """What has happened since the server was created; every number only grows.

    Attributes:
        connections: connections opened.
        updates: updates committed.
        rejected: updates that storage rejected individually, such as for a condition that did not hold.
        limited: updates refused since their user had sent too many.
        deliveries: notifications given to connections: one message to 1,000 subscribers counts as 1,000.
        bytes: bytes of messages given to connections, including replies, before framing and compression.
        blocked: times that a reader was blocked.
        conflated: versions that blocked readers got only as part of a later one.
        resumes_met: subscriptions with `since` that got only what had changed.
        resumes_missed: subscriptions with `since` that had to be sent everything.
    """

    connections: int = 0
    updates: int = 0
    rejected: int = 0
    limited: int = 0
    deliveries: int = 0
    bytes: int = 0
    blocked: int = 0
    conflated: int = 0
    resumes_met: int = 0
    resumes_missed: int = 0


class Census(NamedTuple):
    """What there is at the moment.

    Attributes:
        connections: open connections.
        subscriptions: subscriptions of all connections.
        blocked: connections whose reader is blocked.
        collections: collections that are watched, read or written, or were a moment ago.
        loaded: those of them whose content is in memory.
        views: different parts of collections that are watched, or were a moment ago.
        scanned_views: those of them that are asked about every change of an item.
        view_bytes: memory of what they remember, in bytes.
    """

    connections: int
    subscriptions: int
    blocked: int
    collections: int
    loaded: int
    views: int
    scanned_views: int
    view_bytes: int
