"""What a run is to do, and what its processes tell each other: one JSON object a line."""

from typing import Final

import msgspec

FOREVER: Final = 0.0


class User(msgspec.Struct, frozen=True):
    """One user of the run; `index` is unique in it. The first channel is the one they talk in."""

    index: int
    token: str
    channel_ids: tuple[int, ...]


class WorkerPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One process's share. `rate` in messages a second, of this process; 0 saturates with `window` each."""

    run: str
    url: str
    users: tuple[User, ...]
    rate: float
    window: int
    content: str
    warmup_s: float
    drain_s: float
    verify_tls: bool = True


class Go(msgspec.Struct, frozen=True, tag="go"):
    """Everybody is connected: start sending."""


class Stop(msgspec.Struct, frozen=True, tag="stop"):
    """Send nothing new; report once everything is answered."""


class Drain(msgspec.Struct, frozen=True, tag="drain"):
    """The last acknowledged position of each channel: report once every member has got that far."""

    targets: dict[int, int]


Order = Go | Stop | Drain


class Connected(msgspec.Struct, frozen=True, tag="connected"):
    """How many are; sent as they come, and last when all are."""

    count: int


class Progress(msgspec.Struct, frozen=True, tag="progress"):
    """Counts since the start; how many are connected now. `ack_p99` in ticks, since warm-up."""

    connected: int
    sent: int
    acknowledged: int
    delivered: int
    reconnects: int
    ack_p99: int
    wrong: int


class Stopped(msgspec.Struct, frozen=True, tag="stopped"):
    """The last position of each channel that was acknowledged to one of this process's members."""

    targets: dict[int, int]


class Outcome(msgspec.Struct, frozen=True, kw_only=True, tag="outcome"):
    """What one process has measured after warm-up, and found wrong from the first message to the last.

    Rates are counts over `measured_s`; latencies are in ticks, by bucket, and go on to the last delivery.
    """

    measured_s: float
    sent: int
    acknowledged: int
    delivered: int
    total_sent: int
    total_acknowledged: int
    total_delivered: int
    repeated_acks: int
    reconnects: int
    resent: int
    refused: dict[str, int]
    retried: dict[str, int]
    ack_latency: dict[int, int]
    delivery_latency: dict[int, int]
    lateness: dict[int, int]
    wrong: dict[str, int]
    examples: list[str]
    digests: dict[int, str]
    cpu_s: float


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The run cannot go on, and why, for a person."""

    reason: str


Report = Connected | Progress | Stopped | Outcome | Failed

encode: Final = msgspec.json.Encoder().encode
decode_plan: Final = msgspec.json.Decoder(WorkerPlan).decode
decode_order: Final = msgspec.json.Decoder(Order).decode
decode_report: Final = msgspec.json.Decoder(Report).decode
