"""What all connections of a server share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

    from sharedstate_anyio.logs.repeated_errors import RepeatedErrors
    from sharedstate_anyio.net.gate import Gate
    from sharedstate_anyio.websocket.broadcaster import Broadcaster
    from sharedstate_anyio.websocket.fair_turns import FairTurns
    from sharedstate_anyio.websocket.partial_messages import PartialMessages
    from sharedstate_core.driver import Driver

    from .peer import Peer


@dataclass(frozen=True, slots=True)
class Shared:
    """What a connection needs from its server.

    Attributes:
        driver: receives what happens to it.
        broadcaster: sends what this turn of the loop queues.
        gate: lets so many peers in at a time.
        fair_turns: the line of peers whose messages take long.
        partial_messages: messages that are not complete yet.
        errors: logs errors that may repeat.
        tasks: the task group for what outlasts an input.
    """

    driver: Driver[Peer]
    broadcaster: Broadcaster
    gate: Gate
    fair_turns: FairTurns
    partial_messages: PartialMessages
    errors: RepeatedErrors
    tasks: TaskGroup
