"""What `/metrics` tells of work outside: jobs that wait, and for how long."""

from collections.abc import Awaitable, Callable, Iterable

from prometheus_client.core import GaugeMetricFamily, Metric

from actors.outboxes import Outboxes
from actors.ports import Clock
from server.metrics import gauges
from storage.outbox import Outbox


def of_jobs(outbox: Outbox, outboxes: Outboxes, clock: Clock) -> Callable[[], Awaitable[Iterable[Metric]]]:
    """A probe: what is not done is counted in the database, for all processes."""

    async def probe() -> Iterable[Metric]:
        depth = GaugeMetricFamily("parley_jobs", "Jobs that are not done.", labels=["kind", "state"])
        age = GaugeMetricFamily(
            "parley_job_age_seconds", "Since the oldest of them was queued.", labels=["kind", "state"]
        )
        now = clock.now()
        for backlog in await outbox.backlogs():
            labels = [backlog.kind, backlog.state]
            depth.add_metric(labels, backlog.count)
            age.add_metric(labels, (now - backlog.oldest_at).total_seconds())
        working: dict[str, float] = dict(outboxes.working().items())
        return depth, age, gauges("parley_jobs_working", "Jobs under way here.", "kind", working)

    return probe
