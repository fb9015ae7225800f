"""`/metrics`: the numbers of this process in Prometheus' text format, read where they are kept.

Nothing of the hot path calls the client library. Other parts add a `Source`: a function that yields families
of metrics, or a `Probe` that has to wait for them.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from typing_extensions import override

from actors.chat import Chat
from server.measures import Histogram, Measures
from server.socket_registry import SocketRegistry

LOG: Final = logging.getLogger("server")
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
PROBE_WITHIN_S: Final = 2.0

Source = Callable[[], Iterable[Metric]]
Probe = Callable[[], Awaitable[Iterable[Metric]]]


class Metrics:
    """Everything that can be read of one server: there is no registry of the whole process."""

    def __init__(self) -> None:
        self._sources: list[Source] = []
        self._probes: list[Probe] = []

    def add(self, source: Source) -> None:
        """Numbers that are at hand."""
        self._sources.append(source)

    def add_probe(self, probe: Probe) -> None:
        """Numbers that have to be asked for, such as those in the database."""
        self._probes.append(probe)

    async def text(self) -> bytes:
        """All metrics as they are now. One that cannot be read is left out, and logged."""
        families: list[Metric] = []
        for source in self._sources:
            families += source()
        for answers in await asyncio.gather(*map(_asked, self._probes)):
            families += answers
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Families(families))
        return generate_latest(registry)


class _Families(Collector):
    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    @override
    def collect(self) -> Iterable[Metric]:
        return self._families


async def _asked(probe: Probe) -> Iterable[Metric]:
    try:
        async with asyncio.timeout(PROBE_WITHIN_S):
            return await probe()
    except Exception as error:
        LOG.warning("a metric cannot be read: %r", error)
        return ()


# Families.


def counter(name: str, about: str, by: str, values: Mapping[str, float]) -> CounterMetricFamily:
    """A number that only grows, by one label."""
    family = CounterMetricFamily(name, about, labels=[by])
    for label, value in sorted(values.items()):
        family.add_metric([label], value)
    return family


def total(name: str, about: str, value: float) -> CounterMetricFamily:
    """A number that only grows."""
    return CounterMetricFamily(name, about, value=value)


def gauge(name: str, about: str, value: float) -> GaugeMetricFamily:
    """A number that goes up and down."""
    return GaugeMetricFamily(name, about, value=value)


def gauges(name: str, about: str, by: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    """A number that goes up and down, by one label."""
    family = GaugeMetricFamily(name, about, labels=[by])
    for label, value in sorted(values.items()):
        family.add_metric([label], value)
    return family


def histogram(name: str, about: str, values: Histogram) -> HistogramMetricFamily:
    return HistogramMetricFamily(name, about, buckets=values.cumulative(), sum_value=values.total)


# What the core knows of itself.


def of_sockets(registry: SocketRegistry, chat: Chat) -> Iterable[Metric]:
    yield gauge("parley_connections", "Open sockets.", len(registry))
    yield gauge("parley_lagging_sockets", "Sockets whose reader does not keep up.", registry.lagging)
    yield counter("parley_commands", "Commands of sockets.", "type", by_tag(registry.commands))
    yield counter("parley_events", "Events, however many heard them.", "type", by_tag(chat.fanout.events))
    yield total("parley_deliveries", "Events times the sockets they were written to.", chat.fanout.deliveries)
    yield counter("parley_resumes", "Pages of what was missed.", "source", chat.fanout.resumes)
    closes = {str(code): count for code, count in registry.closes.items()}
    yield counter("parley_closes", "Sockets that the server has closed.", "code", closes)


def of_actors(chat: Chat) -> Iterable[Metric]:
    depths = chat.system.depths()
    waiting: dict[str, float] = {kind: sum(each) for kind, each in depths.items()}
    deepest: dict[str, float] = {kind: max(each, default=0) for kind, each in depths.items()}
    awake: dict[str, float] = {kind: len(each) for kind, each in depths.items()}
    yield gauges("parley_actors", "Actors that are awake.", "kind", awake)
    yield gauges("parley_mailbox_depth", "Unread mail in all mailboxes.", "kind", waiting)
    yield gauges("parley_mailbox_depth_max", "Unread mail in the fullest mailbox.", "kind", deepest)


def of_commits(measures: Measures) -> Iterable[Metric]:
    about = "Changes by what became of them in a commit."
    yield counter("parley_committed_changes", about, "outcome", measures.committed)
    yield total("parley_messages", "Messages written.", measures.messages)
    yield histogram("parley_commit_seconds", "How long a commit takes.", measures.commit_s)
    yield histogram("parley_commit_changes", "Changes in one commit.", measures.commit_facts)
    about = "From the end of a commit until its events are written to their sockets."
    yield histogram("parley_fanout_seconds", about, measures.fanout_s)


def of_edges(measures: Measures, registry: SocketRegistry) -> Iterable[Metric]:
    refusals = CounterMetricFamily("parley_refusals", "Refusals by code.", labels=["transport", "code"])
    for transport, counts in (("http", measures.refusals), ("websocket", registry.refusals)):
        for code, count in sorted(counts.items()):
            refusals.add_metric([transport, code], count)
    yield refusals
    requests = CounterMetricFamily("parley_http_requests", "HTTP answers.", labels=["method", "status"])
    for (method, status), count in sorted(measures.requests.items()):
        requests.add_metric([method, str(status)], count)
    yield requests


def by_tag(counts: Mapping[Any, int]) -> dict[str, float]:
    """Counts of commands or events by the tag that the wire has for them."""
    return {str(kind.__struct_config__.tag): count for kind, count in counts.items()}


def add_core(metrics: Metrics, measures: Measures, registry: SocketRegistry, chat: Chat) -> None:
    """What every server knows of itself."""
    metrics.add(lambda: of_sockets(registry, chat))
    metrics.add(lambda: of_actors(chat))
    metrics.add(lambda: of_commits(measures))
    metrics.add(lambda: of_edges(measures, registry))
