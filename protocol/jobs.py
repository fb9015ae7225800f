"""Jobs: what a message must cause outside the chat, kept in the outbox until it is done.

`actors/consequences.py` says which jobs a message causes; they are written in the message's own commit.
`actors/outbox.py` hands them to whoever does them.
"""

from datetime import datetime
from typing import Any, Final, Literal, NewType, get_args

from msgspec import Struct

from protocol.ids import ChannelId, Seq, UserId

JobId = NewType("JobId", int)

JobKind = Literal["agent", "sms", "telegram", "webhook"]
JOB_KINDS: Final[tuple[JobKind, ...]] = get_args(JobKind)

JobState = Literal["pending", "sending", "done", "failed", "unknown"]
"""`pending`: nothing has gone out. `sending`: an attempt is under way, or may have got through before it is
made again. `done`. `failed`: given up. `unknown`: it may have got through, and will not be tried again.
"""
JOB_STATES: Final[tuple[JobState, ...]] = get_args(JobState)

Bridge = Literal["twilio", "whatsapp", "telegram"]
"""The `via` of messages that come from people who are elsewhere, and are answered there."""
BRIDGE_JOBS: Final[dict[Bridge, JobKind]] = {"twilio": "sms", "whatsapp": "sms", "telegram": "telegram"}


def bridge_of(via: str | None) -> Bridge | None:
    """The bridge that a message came by; None when its author was here, or there is no message."""
    return next((bridge for bridge in BRIDGE_JOBS if bridge == via), None)


class AgentJob(Struct, frozen=True):
    """Agent `agent_id` is to answer the message at `seq`."""

    agent_id: UserId
    channel_id: ChannelId
    seq: Seq


class BridgeJob(Struct, frozen=True):
    """The message at `seq` is to go out to `user_id`, by the bridge that they wrote by last."""

    user_id: UserId
    bridge: Bridge
    channel_id: ChannelId
    seq: Seq


class Job(Struct, frozen=True, kw_only=True):
    """One job as its worker gets it.

    `payload` is as JSON gives it: `msgspec.convert(job.payload, AgentJob)`. `attempt` counts from 1.
    `is_again`: an earlier attempt may have got through, so look before doing it once more. `idle_since`: when
    the earlier one was last heard of, as it ended or while it lasted; at first when the job was queued.
    """

    id: JobId
    kind: JobKind
    key: str
    lane: str | None
    payload: Any
    attempt: int
    is_again: bool
    queued_at: datetime
    idle_since: datetime


class JobEntry(Struct, frozen=True, kw_only=True):
    """One job as the operator sees it."""

    id: JobId
    kind: JobKind
    key: str
    lane: str | None
    state: JobState
    attempts: int
    next_attempt_at: datetime | None
    last_error: str | None
    queued_at: datetime
    updated_at: datetime


class Due(Struct, frozen=True):
    """Jobs that were taken, and when the next one of their kind is due, if any is waiting for its time.

    `is_more`: others were due as well, but were taken elsewhere meanwhile; ask again.
    """

    jobs: tuple[Job, ...]
    next_at: datetime | None
    is_more: bool = False


class Backlog(Struct, frozen=True):
    """How much of one kind there is in one state; `oldest_at` is when the oldest of it was queued."""

    kind: JobKind
    state: JobState
    count: int
    oldest_at: datetime


class Settlement(Struct, frozen=True, kw_only=True):
    """What became of one attempt. `next_at` is when to try again, while the state is an open one."""

    job: Job
    state: JobState
    next_at: datetime | None = None
    error: str | None = None
