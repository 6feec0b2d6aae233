"""Readiness: whether the storage of every service takes updates, and the log of its outages.

The rules:

1. Anybody may request it, as often as they like: storage is probed at most once a second, not if a commit succeeded
   recently (see `proof`), and not while a probe is under way.
2. An answer takes at most `PROBE_SECONDS`. The probe is then cancelled, but nobody waits for its end: a store on
   another loop (`Island`) cannot be interrupted. What it reports in the end, such as that it has waited for a lock, is
   logged.
3. After a failure storage is probed without any request until it works: the log shows the beginning and the end of an
   outage.
"""

from __future__ import annotations

import logging
import math
import time
from typing import TYPE_CHECKING, Final

import anyio

from sharedstate_anyio.logs.events import about

from .outage import Outage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anyio.abc import TaskGroup

    from sharedstate_anyio.logs.repeated_errors import RepeatedErrors
    from sharedstate_anyio.storage.instrumented import InstrumentedBackend

log = logging.getLogger("sharedstate")

PROBE_SECONDS: Final = 2.0
"""How long a probe may take before storage counts as not ready."""

FRESH_SECONDS: Final = 1.0
"""How long the result of a probe is valid."""

WATCH_SECONDS: Final = 1.0
"""Interval between probes of a storage that fails."""


class Readiness:
    """Probes the services' storage.

    Args:
        services: the open backend of each service, by its name; each has just been written to.
        tasks: the task group that owns the probes.
        errors: logs that storage accepts no updates.
    """

    def __init__(
        self, services: Mapping[str, InstrumentedBackend], tasks: TaskGroup, errors: RepeatedErrors
    ) -> None:
        self._services = [_Service(name, backend) for name, backend in services.items()]
        self._tasks = tasks
        self._errors = errors
        self._asking = anyio.Lock()
        self._doubt = anyio.Event()
        now = time.monotonic()
        for service in self._services:
            service.backend.proof.stored(now)
            service.backend.proof.doubted = self._doubted

    async def unready(self) -> list[str]:
        """Return the names of the services whose storage accepts no updates, in order."""
        async with self._asking:
            await self._ask_those_due()
        return [service.name for service in self._services if not service.is_up]

    async def watch(self) -> None:
        """Probe storage that has failed until it works again; runs until cancelled."""
        while True:
            await self._doubt.wait()
            self._doubt = anyio.Event()
            while True:
                await self.unready()
                if not any(service.is_watched for service in self._services):
                    break
                await anyio.sleep(WATCH_SECONDS)

    def _doubted(self) -> None:
        self._doubt.set()

    async def _ask_those_due(self) -> None:
        now = time.monotonic()
        due = [service for service in self._services if service.is_due(now)]
        for service in due:
            service.asked = now
            if service.question is None:
                service.question, service.answered = anyio.Event(), False
                self._tasks.start_soon(service.ask, service.question)
        with anyio.move_on_after(PROBE_SECONDS):
            for question in [service.question for service in due]:
                if question is not None:
                    await question.wait()
        for service in self._services:
            if service.backend.proof.holds():
                self._judge(service, is_up=True)
            elif service in due:
                self._judge(service, is_up=service.answered)

    def _judge(self, service: _Service, *, is_up: bool) -> None:
        now = time.monotonic()
        service.is_up = is_up
        if not is_up:
            since = service.backend.proof.failing_since
            begins = service.outage.fails(now if since is None else since)
            if begins or (service.reason and not service.is_explained):
                service.is_explained = bool(service.reason)
                text = f"service {service.name}: storage accepts no updates: {service.problem}"
                event = {"event": "storage_down", "service": service.name}
                kind = ("probe", service.name, service.is_explained)
                self._errors.report(kind, text, None, event)
                self._doubt.set()
            return
        service.reason = ""
        seconds = service.outage.works(now)
        if seconds is not None:
            service.is_explained = False
            self._errors.settle(service.name)
            # A warning, although it is good news: whoever saw the beginning of the outage also sees its end.
            text = "service %s: storage is back after %.1f s"
            fields = about("storage_back", service=service.name, seconds=round(seconds, 1))
            log.warning(text, service.name, seconds, extra=fields)


class _Service:
    """One storage, and its last probe.

    Attributes:
        is_up: whether it accepts updates, as far as is known.
        reason: why not, in its own words; empty if it gave none.
        is_explained: whether the reason for this outage has been logged.
        asked: when it was last probed.
        answered: whether it has answered that it accepts updates.
        question: set when the probe under way has ended.
    """

    def __init__(self, name: str, backend: InstrumentedBackend) -> None:
        self.name = name
        self.backend = backend
        self.outage = Outage()
        self.is_up = True
        self.reason = ""
        self.is_explained = False
        self.asked = -math.inf
        self.answered = False
        self.question: anyio.Event | None = None

    @property
    def problem(self) -> str:
        """Why it accepts no updates."""
        return self.reason or f"no answer within {PROBE_SECONDS:g} s"

    @property
    def is_watched(self) -> bool:
        """Whether it must be probed without a request."""
        return self.outage.goes_on or self.backend.proof.failing_since is not None

    def is_due(self, now: float) -> bool:
        """Whether to probe it."""
        return not self.backend.proof.holds() and now - self.asked >= FRESH_SECONDS

    async def ask(self, question: anyio.Event) -> None:
        """Probe it, and note why it fails."""
        try:
            with anyio.move_on_after(PROBE_SECONDS):
                await self.backend.prove(self.name)
                self.answered = True
                self.reason = ""
        except Exception as error:  # noqa: BLE001  (whatever a plugin raises is no answer)
            self.reason = str(error) or type(error).__name__
        finally:
            self.question = None
            question.set()
