"""The endpoints for operators: readiness and metrics.

The rules:

1. Anybody may request `/readyz`, as often as they like; see `readiness`.
2. `/metrics` is for this machine, unless the configuration says otherwise. A request counts as coming from elsewhere if
   its headers say that a proxy has forwarded it, or if it names any other host than this machine.
3. Neither reveals the content of a collection, the text of an error, or who is connected.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final

import anyio
import anyio.to_thread

from sharedstate_anyio.config.addresses import host_of, is_loopback
from sharedstate_anyio.config.document import shown
from sharedstate_anyio.http.responses import complete, error_response, text_response
from sharedstate_anyio.http.site import path_of
from sharedstate_anyio.storage.instrumented import Durations
from sharedstate_anyio.version import full_version

from .loop_turns import LoopTurns
from .readiness import Readiness
from .sizes import Sizes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from anyio.abc import TaskGroup

    from sharedstate_anyio.config.live import LiveConfig
    from sharedstate_anyio.http.resources import Headers
    from sharedstate_anyio.http.responses import Response
    from sharedstate_anyio.hub.hub import Hub
    from sharedstate_anyio.net.tls import Tls
    from sharedstate_anyio.storage.instrumented import InstrumentedBackend

    from .metrics import Metrics

DELAY_SECONDS: Final = 0.5
"""Interval at which the delay of the event loop is measured, in seconds."""

_FORWARDED: Final = (b"forwarded", b"via", b"x-forwarded-", b"x-real-ip", b"x-original-")
"""Beginnings of the headers that proxies add."""


class Endpoints:
    """Answers `/readyz` and `/metrics`.

    Args:
        hub: the server.
        services: the open backend of each service, by its name.
        secured: the certificates of the listeners that have any.
        live: says who may read the metrics.
        tasks: the task group that owns what is under way.
    """

    def __init__(
        self,
        hub: Hub,
        services: Mapping[str, InstrumentedBackend],
        secured: Sequence[Tls],
        live: LiveConfig,
        tasks: TaskGroup,
    ) -> None:
        self._hub = hub
        self._services = services
        self._secured = secured
        self._sizes = Sizes(services)
        self._live = live
        self._delays = Durations()
        self._turns = LoopTurns()
        self._metrics: Metrics | None = None
        self._readiness = Readiness(services, tasks, hub.errors)

    async def respond(
        self, method: str, target: str, headers: Iterable[tuple[bytes, bytes]], address: str
    ) -> Response | None:
        """Answer a request for one of these two paths; None for any other.

        Args:
            method: as received.
            target: as received.
            headers: request headers, names in lower case.
            address: where it comes from, as `admission.group` returns it.
        """
        path = path_of(target)
        if path not in {"/readyz", "/metrics"}:
            return None
        given = list(headers)
        if method not in {"GET", "HEAD"}:
            problem = "Only GET and HEAD are supported here."
            return error_response(method, 405, problem, given, [(b"Allow", b"GET, HEAD")])
        if path == "/readyz":
            return await self._respond_readiness(method)
        return await self._numbers(method, given, address)

    async def watch_loop(self) -> None:
        """Measure the delay of the event loop, until cancelled, and end the measuring of its turns."""
        try:
            while True:
                due = anyio.current_time() + DELAY_SECONDS
                await anyio.sleep_until(due)
                self._delays.add(max(0.0, anyio.current_time() - due))
                if self._live.now.metrics == "off":
                    self._turns.end()
        finally:
            self._turns.end()

    async def watch_storage(self) -> None:
        """Log when storage fails and when it recovers, until cancelled."""
        await self._readiness.watch()

    # --- readiness --------------------------------------------------------------------------------

    async def _respond_readiness(self, method: str) -> Response:
        unready = [] if self._hub.driver.is_stopping else await self._readiness.unready()
        if self._hub.driver.is_stopping:
            return text_response(method, 503, "not ready: the server is stopping")
        if unready:
            names = ", ".join(shown(name) for name in unready)
            return text_response(method, 503, f"not ready: no updates can be stored in {names}")
        return text_response(method, 200, "ready")

    # --- numbers ----------------------------------------------------------------------------------

    async def _numbers(self, method: str, headers: Headers, address: str) -> Response:
        audience = self._live.now.metrics
        if audience == "off":
            problem = 'The key "metrics" of the configuration has switched the metrics off.'
            return error_response(method, 404, problem, headers)
        if audience == "local" and not _is_local(headers, address):
            problem = (
                "The metrics are for this machine only, asked as localhost; "
                'the key "metrics" of the configuration may say "anyone".'
            )
            return error_response(method, 403, problem, headers)
        if self._metrics is None:
            try:
                from .metrics import Metrics  # noqa: PLC0415  (needs what not everybody installs)
            except ModuleNotFoundError as error:
                if (error.name or "").partition(".")[0] != "prometheus_client":
                    raise
                problem = "The metrics need a package: pip install 'sharedstate[metrics]'"
                return error_response(method, 404, problem, headers)
            version = await anyio.to_thread.run_sync(full_version)  # this may call git
            self._metrics = Metrics(
                self._hub, self._services, self._secured, self._delays, self._turns, version
            )
        metrics = self._metrics
        self._turns.begin()  # which costs a little, in vain if nobody asks
        unready = await self._readiness.unready()
        text = metrics.text(unready, await self._sizes.measure(unready))
        return complete(method, 200, text, [(b"Content-Type", metrics.content_type)])


def _is_local(headers: Iterable[tuple[bytes, bytes]], address: str) -> bool:
    for name, value in headers:
        if name.startswith(_FORWARDED):
            return False
        if name == b"host" and value and not is_loopback(host_of(value.decode("latin-1"))):
            return False
    return not address or ipaddress.ip_network(address).is_loopback
