"""The server's numbers for Prometheus: read when they are asked for, so that counting costs next to nothing.

prometheus-client is imported by nobody else, and not needed to serve.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from .metered import BOUNDS, Durations

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from prometheus_client.metrics_core import Metric

    from .hub import Hub
    from .metered import Metered


class Metrics(Collector):
    """What `/metrics` tells.

    Args:
        hub: whose connections and counters.
        services: the backend of each service, by its name.
        delays: of the event loop.

    Attributes:
        content_type: of `text`.
    """

    content_type = CONTENT_TYPE_LATEST.encode()

    def __init__(self, hub: Hub, services: Mapping[str, Metered], delays: Durations) -> None:
        self._hub = hub
        self._services = services
        self._delays = delays
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def text(self) -> bytes:
        """Return all numbers as they are now, in Prometheus' text format."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Yield our own."""
        yield from self._state()
        yield from self._progress()
        yield from self._storage()
        name, text = "event_loop_delay_seconds", "How late the event loop runs what is due."
        delays = HistogramMetricFamily(f"sharedstate_{name}", text)
        delays.add_metric([], *_histogram(self._delays))
        yield delays

    def _state(self) -> Iterator[Metric]:
        census = self._hub.census()
        for name, text, value in (
            ("connections", "Open WebSockets.", census.connections),
            ("subscriptions", "Subscriptions of all connections.", census.subscriptions),
            ("blocked_readers", "Connections that read more slowly than told.", census.blocked),
            ("collections", "Collections in use.", census.collections),
            ("loaded_collections", "Collections whose content is in memory.", census.loaded),
        ):
            yield GaugeMetricFamily(f"sharedstate_{name}", text, value=value)

    def _progress(self) -> Iterator[Metric]:
        counters = self._hub.counters
        for name, text, value in (
            ("connections_opened", "WebSockets opened.", counters.connections),
            ("updates", "Updates committed.", counters.updates),
            ("rejected_updates", "Updates refused, mostly by a condition.", counters.rejected),
            ("deliveries", "Notifications, once for each connection.", counters.deliveries),
            ("sent_bytes", "Messages handed to connections, before framing.", counters.bytes),
            ("reader_blocks", "Times that a reader fell behind.", counters.blocked),
            ("conflated_versions", "Versions told within a later one.", counters.conflated),
        ):
            yield CounterMetricFamily(f"sharedstate_{name}", text, value=value)
        text = "Subscriptions that asked for what changed since: met, or given everything."
        resumes = CounterMetricFamily("sharedstate_resumes", text, labels=["outcome"])
        resumes.add_metric(["met"], counters.resumes_met)
        resumes.add_metric(["missed"], counters.resumes_missed)
        yield resumes

    def _storage(self) -> Iterator[Metric]:
        text = "How long the storage of a service took."
        commits = HistogramMetricFamily("sharedstate_commit_seconds", text, labels=["service"])
        loads = HistogramMetricFamily("sharedstate_load_seconds", text, labels=["service"])
        text, labels = "Calls to the storage of a service that failed.", ["service", "operation"]
        errors = CounterMetricFamily("sharedstate_storage_errors", text, labels=labels)
        for name, metered in self._services.items():
            commits.add_metric([name], *_histogram(metered.commits))
            loads.add_metric([name], *_histogram(metered.loads))
            for operation, count in metered.errors.items():
                errors.add_metric([name, operation], count)
        yield from (commits, loads, errors)


def _histogram(durations: Durations) -> tuple[list[tuple[str, float]], float]:
    ends = [*map(str, BOUNDS), "+Inf"]
    totals = map(float, accumulate(durations.counts))
    return list(zip(ends, totals, strict=True)), durations.seconds
