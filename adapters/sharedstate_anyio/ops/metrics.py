"""Metrics for Prometheus, collected on request, so that counting costs next to nothing.

No other module imports prometheus-client, which is optional.
"""

from __future__ import annotations

import time
from itertools import accumulate
from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from sharedstate_anyio.net.expiry import days_left
from sharedstate_anyio.storage.instrumented import BOUNDS, Durations

from .loop_turns import GRAIN_SECONDS, LoopTurns

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from prometheus_client.metrics_core import Metric

    from sharedstate_anyio.hub.hub import Hub
    from sharedstate_anyio.net.tls import Tls
    from sharedstate_anyio.storage.instrumented import InstrumentedBackend


class Metrics(Collector):
    """The content of `/metrics`.

    Args:
        hub: holds the connections and counters.
        services: the backend of each service, by its name.
        secured: the certificates of the listeners that have any.
        delays: of the event loop.
        turns: of the event loop.
        version: of the server.

    Attributes:
        content_type: of `text`.
    """

    content_type = CONTENT_TYPE_LATEST.encode()

    def __init__(
        self,
        hub: Hub,
        services: Mapping[str, InstrumentedBackend],
        secured: Sequence[Tls],
        delays: Durations,
        turns: LoopTurns,
        version: str,
    ) -> None:
        self._version = version
        self._hub = hub
        self._services = services
        self._secured = secured
        self._unready: Collection[str] = ()
        self._sizes: Mapping[str, Mapping[str, int]] = {}
        self._delays = delays
        self._turns = turns
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def text(self, unready: Collection[str], sizes: Mapping[str, Mapping[str, int]]) -> bytes:
        """Return the current values in Prometheus' text format.

        Args:
            unready: the services whose storage takes no updates.
            sizes: bytes on disk, by service and part.
        """
        self._unready, self._sizes = unready, sizes
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Yield the server's own metrics."""
        text = "Which version this is; always 1."
        build = GaugeMetricFamily("sharedstate_build_info", text, labels=["version"])
        build.add_metric([self._version], 1)
        yield build
        yield from self._state()
        yield from self._progress()
        yield from self._storage()
        yield from self._standing()
        yield from self._loop()

    def _loop(self) -> Iterator[Metric]:
        text = "How late the event loop runs what is due."
        delays = HistogramMetricFamily("sharedstate_event_loop_delay_seconds", text)
        delays.add_metric([], *_histogram(self._delays))
        yield delays
        if self._turns.is_watched:
            text = "How long the event loop was busy from one wait to the next, in processor time."
            turns = HistogramMetricFamily("sharedstate_event_loop_turn_seconds", text)
            turns.add_metric([], *_histogram(self._turns.durations, GRAIN_SECONDS))
            yield turns
            name, text = (
                "sharedstate_event_loop_longest_turn_seconds",
                "The longest of these turns.",
            )
            yield GaugeMetricFamily(name, text, value=self._turns.longest)

    def _state(self) -> Iterator[Metric]:
        census = self._hub.driver.server.census()
        for name, text, value in (
            ("connections", "Open WebSockets.", census.connections),
            ("subscriptions", "Subscriptions of all connections.", census.subscriptions),
            (
                "blocked_readers",
                "Connections that read more slowly than they are sent to.",
                census.blocked,
            ),
            ("collections", "Collections in use.", census.collections),
            ("loaded_collections", "Collections whose content is in memory.", census.loaded),
            ("views", "Different filters of collections that are watched.", census.views),
            ("scanned_views", "Those that are asked about every change.", census.scanned_views),
            ("view_bytes", "Memory of what these remember.", census.view_bytes),
        ):
            yield GaugeMetricFamily(f"sharedstate_{name}", text, value=value)

    def _progress(self) -> Iterator[Metric]:
        counters = self._hub.driver.server.counters
        for name, text, value in (
            ("connections_opened", "WebSockets opened.", counters.connections),
            ("updates", "Updates committed.", counters.updates),
            ("rejected_updates", "Updates refused, mostly by a condition.", counters.rejected),
            ("limited_updates", "Updates refused: their user sent too many.", counters.limited),
            ("deliveries", "Notifications, once for each connection.", counters.deliveries),
            ("sent_bytes", "Messages handed to connections, before framing.", counters.bytes),
            ("reader_blocks", "Times that a reader fell behind.", counters.blocked),
            (
                "conflated_versions",
                "Versions that were sent as part of a later one.",
                counters.conflated,
            ),
        ):
            yield CounterMetricFamily(f"sharedstate_{name}", text, value=value)
        text = "Subscriptions that asked to resume: sent the changes, or everything."
        resumes = CounterMetricFamily("sharedstate_resumes", text, labels=["outcome"])
        resumes.add_metric(["met"], counters.resumes_met)
        resumes.add_metric(["missed"], counters.resumes_missed)
        yield resumes

    def _storage(self) -> Iterator[Metric]:
        text = "How long calls to the storage of a service took."
        commits = HistogramMetricFamily("sharedstate_commit_seconds", text, labels=["service"])
        loads = HistogramMetricFamily("sharedstate_load_seconds", text, labels=["service"])
        text, labels = "Calls to the storage of a service that failed.", ["service", "operation"]
        errors = CounterMetricFamily("sharedstate_storage_errors", text, labels=labels)
        for name, instrumented in self._services.items():
            commits.add_metric([name], *_histogram(instrumented.commits))
            loads.add_metric([name], *_histogram(instrumented.loads))
            for operation, count in instrumented.errors.items():
                errors.add_metric([name, operation], count)
        yield from (commits, loads, errors)

    def _standing(self) -> Iterator[Metric]:
        text, labels = "Whether the storage of a service accepts updates.", ["service"]
        up = GaugeMetricFamily("sharedstate_storage_up", text, labels=labels)
        text = "When an update was last stored, since the Unix epoch; 0 before the first one."
        name = "sharedstate_last_commit_timestamp_seconds"
        commits = GaugeMetricFamily(name, text, labels=labels)
        text = "Disk space that the storage of a service takes."
        sizes = GaugeMetricFamily("sharedstate_storage_bytes", text, labels=["service", "part"])
        for service, instrumented in self._services.items():
            up.add_metric([service], service not in self._unready)
            commits.add_metric([service], instrumented.proof.last_commit)
            for part, size in self._sizes.get(service, {}).items():
                sizes.add_metric([service, part], size)
        text = "Time until the certificate of a listener expires; negative afterwards."
        name = "sharedstate_certificate_days_left"
        days = GaugeMetricFamily(name, text, labels=["listener"])
        for tls in dict.fromkeys(self._secured):
            if tls.expires is not None:
                days.add_metric([tls.place], days_left(tls.expires, time.time()))
        yield from (up, commits, sizes, days)


def _histogram(
    durations: Durations, first: float = BOUNDS[0]
) -> tuple[list[tuple[str, float]], float]:
    ends = [*map(str, BOUNDS), "+Inf"]
    totals = map(float, accumulate(durations.counts))
    return list(zip(ends, totals, strict=True))[BOUNDS.index(first) :], durations.seconds
