"""The driver's host on anyio: sends, storage and time.

It makes no decisions: the core does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from sharedstate_anyio.auth import Authenticator
from sharedstate_anyio.logs.repeated_errors import RepeatedErrors
from sharedstate_anyio.net.gate import Gate
from sharedstate_anyio.websocket.broadcaster import Broadcaster
from sharedstate_anyio.websocket.fair_turns import FairTurns
from sharedstate_anyio.websocket.partial_messages import PartialMessages
from sharedstate_backends.perform import patchable, resendable
from sharedstate_backends.timed_host import TimedHost
from sharedstate_core.driver import BroadcastingHost, Driver

from .executor import Executor
from .peer import Peer
from .shared import Shared
from .verifier import Verifier

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anyio.abc import TaskGroup

    from sharedstate_anyio.config.live import LiveConfig
    from sharedstate_anyio.storage.instrumented import InstrumentedBackend
    from sharedstate_core import Authenticate
    from sharedstate_core.driver import Operation
    from sharedstate_core.messages import Message


class Hub(TimedHost[Peer], BroadcastingHost[Peer]):
    """One server process: its connections, the core, and the storage behind it.

    Args:
        backends: an open backend for each service.
        tasks: the task group that owns every task of the server.
        live: the configuration in force.
        errors: logs errors that may repeat.
        authenticator: knows who somebody is; None: nobody can sign in.

    Attributes:
        shared: what connections need.
        errors: logs errors that may repeat.
    """

    def __init__(
        self,
        backends: Mapping[str, InstrumentedBackend],
        tasks: TaskGroup,
        live: LiveConfig,
        errors: RepeatedErrors | None = None,
        authenticator: Authenticator | None = None,
    ) -> None:
        super().__init__()
        self.errors = errors or RepeatedErrors()
        self._broadcaster = Broadcaster(live)
        self._driver: Driver[Peer] = Driver(
            tuple(backends),
            self,
            live.now.limits,
            live.now.access,
            patchable=patchable(backends),
            resendable=resendable(backends),
        )
        partial_messages = PartialMessages(live)
        self.shared = Shared(
            self._driver,
            self._broadcaster,
            Gate(),
            FairTurns(),
            partial_messages,
            self.errors,
            tasks,
        )
        self._executor = Executor(backends, self._driver, tasks, self.errors)
        self._authenticator = authenticator or Authenticator(None, self.errors)
        self._verifier = Verifier(
            self._authenticator, self._driver, self.shared.gate, tasks, self.errors
        )

    # --- what the driver wants --------------------------------------------------------------------

    def send(self, peers: Sequence[Peer], message: Message) -> None:
        """Send a message, framed once."""
        self._broadcaster.send(peers, message)

    def start(self, operation: Operation) -> None:
        """Begin a storage operation."""
        self._executor.start(operation)

    def authenticate(self, question: Authenticate[Peer]) -> None:
        """Begin to find out whose a connection is."""
        self._verifier.start(question)

    def report(self, subject: Operation | Peer, error: Exception) -> None:
        """Log a fault: a result that the core refused, or a message that could not be handled."""
        if isinstance(subject, Peer):
            text = "a message could not be handled; its connection is closed"
            self.errors.report(("message", type(error)), text, error, {"event": "message_failed"})
        else:
            self._executor.refused(subject, error)

    # --- as long as it lives ------------------------------------------------------------------------

    async def run(self) -> None:
        """Run what has to go on for the life of the server."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.errors.run)
            tasks.start_soon(self._broadcaster.flush_forever)
            tasks.start_soon(self.shared.partial_messages.run)
            tasks.start_soon(self.shared.gate.run)
            tasks.start_soon(self.shared.fair_turns.run)
            tasks.start_soon(self.keep_time)
            tasks.start_soon(self._authenticator.run)
