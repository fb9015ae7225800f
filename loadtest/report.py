"""What a run found, as JSON and as text for people."""

import os
import platform
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from loadtest.histogram import TICKS_PER_S, Histogram
from loadtest.plan import Outcome

_PERCENTILES: Final = (50.0, 90.0, 99.0, 99.9, 100.0)


class Latency(msgspec.Struct, frozen=True):
    """In milliseconds."""

    p50_ms: float
    p90_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float


class ServerUse(msgspec.Struct, frozen=True):
    """What the server used while it was measured: processor seconds, and resident memory at the end."""

    cpu_s: float
    rss_bytes: int
    cpu_us_per_delivery: float


class Idle(msgspec.Struct, frozen=True):
    """Resident memory of the server before anybody connected, and with everybody connected and silent."""

    users: int
    rss_before_bytes: int
    rss_after_bytes: int
    bytes_per_user: float


class Check(msgspec.Struct, frozen=True):
    """`wrong` counts what was found by kind; `examples` tell the first few."""

    ok: bool
    acknowledged: int
    delivered: int
    wrong: dict[str, int]
    examples: list[str]


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One run. Counts and rates are of the time after warm-up, `check` is of all of it."""

    scenario: str
    run: str
    url: str
    machine: str
    users: int
    channels: int
    processes: int
    rate: float
    window: int
    content_chars: int
    measured_s: float
    sent: int
    acknowledged: int
    delivered: int
    acknowledged_per_s: float
    delivered_per_s: float
    ack: Latency
    delivery: Latency
    lateness: Latency
    reconnects: int
    resent: int
    repeated_acks: int
    retried: dict[str, int]
    client_cpu_s: float
    check: Check
    kills: int = 0
    server: ServerUse | None = None
    idle: Idle | None = None


def machine() -> str:
    system = f"{platform.system()} {platform.machine()}"
    return f"{system}, {os.cpu_count()} cores, Python {platform.python_version()}"


def latency(counts: Iterable[dict[int, int]]) -> Latency:
    merged = Histogram()
    for some in counts:
        merged.merge(some)
    return Latency(*(ticks * 1000 / TICKS_PER_S for ticks in merged.percentiles(*_PERCENTILES)))


def check(outcomes: Sequence[Outcome]) -> Check:
    """Everything found wrong in any process, and whether the processes agree on what each channel holds."""
    wrong = added(outcome.wrong for outcome in outcomes)
    examples = [example for outcome in outcomes for example in outcome.examples]
    for channel_id in {channel_id for outcome in outcomes for channel_id in outcome.digests}:
        digests = {outcome.digests[channel_id] for outcome in outcomes if channel_id in outcome.digests}
        if len(digests) > 1:
            wrong["order"] = wrong.get("order", 0) + 1
            examples.append(f"order: processes saw different messages in channel {channel_id}")
    return Check(
        ok=not wrong,
        acknowledged=sum(outcome.total_acknowledged for outcome in outcomes),
        delivered=sum(outcome.total_delivered for outcome in outcomes),
        wrong=wrong,
        examples=examples[:20],
    )


def added(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for some in counts:
        total.update(some)
    return dict(total)


def as_text(result: Result) -> str:
    """The result for a person, some ten lines."""
    population = f"{result.users} users in {result.channels} channels"
    processes = f"{result.processes} client process{'es' if result.processes > 1 else ''}"
    lines = [f"{result.scenario}: {population}, {processes}, {_pressure(result)}"]
    if result.idle is not None:
        lines += _idle_lines(result.idle)
    else:
        lines += _traffic_lines(result)
    if result.server is not None:
        lines.append(
            f"  server       {result.server.cpu_s:.2f} s of processor time "
            f"({result.server.cpu_us_per_delivery:.2f} µs per delivery), {_mib(result.server.rss_bytes)}"
        )
    return "\n".join([*lines, *_check_lines(result.check)])


def _pressure(result: Result) -> str:
    if result.idle is not None:
        return "silent"
    if result.rate:
        return f"{result.rate:g} messages/s"
    return f"{result.window} unacknowledged sends each"


def _traffic_lines(result: Result) -> list[str]:
    total = f"{result.acknowledged:,} in {result.measured_s:.1f} s"
    lines = [
        f"  acknowledged {result.acknowledged_per_s:>10,.0f} /s   ({total})",
        f"  delivered    {result.delivered_per_s:>10,.0f} /s   ({result.delivered:,})",
        f"  ack          {_latency_text(result.ack)}",
        f"  delivery     {_latency_text(result.delivery)}",
    ]
    if result.rate:
        lines.append(f"  sent late    {_latency_text(result.lateness)}")
    if result.reconnects or result.kills:
        lines.append(
            f"  reconnects   {result.reconnects} ({result.kills} kills), {result.resent} sends repeated, "
            f"{result.repeated_acks} of them known already"
        )
    if result.retried:
        lines.append(f"  retried      {_counted(result.retried)}")
    return [*lines, f"  clients      {result.client_cpu_s:.2f} s of processor time"]


def _idle_lines(idle: Idle) -> list[str]:
    growth = f"{_mib(idle.rss_before_bytes)} before, {_mib(idle.rss_after_bytes)} with {idle.users} users"
    return [f"  memory       {idle.bytes_per_user / 1024:.2f} KiB per user ({growth})"]


def _check_lines(check: Check) -> list[str]:
    if check.ok and not check.acknowledged:
        return ["  check        passed: nothing was sent, and nothing went wrong"]
    if check.ok:
        kept = "acknowledged messages reached every member exactly once, in order"
        return [f"  check        passed: {check.acknowledged:,} {kept}"]
    return [
        f"  check        FAILED: {_counted(check.wrong)}",
        *(f"    {example}" for example in check.examples),
    ]


def _latency_text(latency: Latency) -> str:
    return (
        f"p50 {latency.p50_ms:.2f}  p90 {latency.p90_ms:.2f}  p99 {latency.p99_ms:.2f}  "
        f"p99.9 {latency.p999_ms:.2f}  max {latency.max_ms:.2f} ms"
    )


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))


def _mib(size: int) -> str:
    return f"{size / 2**20:.1f} MiB"
