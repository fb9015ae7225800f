"""What a message must cause outside the chat: pure. Called by `channel_state.py` where posts are decided.

A channel that nobody outside listens to has no `Outside`, so that its messages cost nothing here.
"""

from collections.abc import Collection, Iterable
from typing import Final, get_args

from msgspec import Struct, structs

from protocol.facts import (
    AnyFact,
    DeliveryChanged,
    JobQueued,
    MemberRow,
    MessageDeleted,
    MessageEdited,
    MessagePosted,
    ReactionChanged,
    WebhooksKnown,
)
from protocol.ids import ChannelId, UserId
from protocol.jobs import BRIDGE_JOBS, AgentJob, Bridge, BridgeJob, bridge_of
from protocol.resources import Via
from protocol.webhooks import WebhookId, WebhookJob, lane_of

Members = dict[UserId, MemberRow]

BRIDGES: Final[frozenset[Via]] = frozenset(get_args(Bridge))

NEWS = (MessagePosted, MessageEdited, MessageDeleted, DeliveryChanged, ReactionChanged)
"""What webhooks are told of."""

NOT_FROM_PEOPLE: Final[frozenset[Via]] = frozenset({"agent", "webhook"})
"""Agents never answer each other, and never act for whoever knows the address of a webhook."""


class Outside(Struct, frozen=True):
    """Who hears of a channel other than by its sockets.

    `agents` are members that answer. `bridges`, in direct channels, is where members are who wrote from
    elsewhere last. `webhooks` are told what happens to messages.
    """

    agents: frozenset[UserId]
    bridges: dict[UserId, Bridge]
    webhooks: tuple[WebhookId, ...] = ()


def outside_of(members: Collection[MemberRow], webhooks: tuple[WebhookId, ...] = ()) -> Outside | None:
    """None when nobody is outside."""
    agents = frozenset(row.user_id for row in members if row.is_bot)
    bridges = {row.user_id: row.bridge for row in members if row.bridge is not None}
    return Outside(agents, bridges, webhooks) if agents or bridges or webhooks else None


def outside_after(outside: Outside | None, members: Members, fact: AnyFact) -> Outside | None:
    """After a fact that changed the members to these, or the webhooks."""
    webhooks = () if outside is None else outside.webhooks
    return outside_of(members.values(), fact.outgoing if isinstance(fact, WebhooksKnown) else webhooks)


def after_message(members: Members, fact: MessagePosted) -> tuple[Members, Outside | None]:
    """The members of a direct channel after a message: its author is where it was written."""
    author, bridge = members.get(fact.sender_id), bridge_of(fact.via)
    if author is not None and author.bridge != bridge:
        members = {**members, author.user_id: structs.replace(author, bridge=bridge)}
    return members, outside_of(members.values())


def news_for(outside: Outside, channel_id: ChannelId, facts: Iterable[AnyFact]) -> list[JobQueued]:
    """One job for each webhook, if messages have changed: it is told of the whole batch by its cursor."""
    news = [fact for fact in facts if isinstance(fact, NEWS)] if outside.webhooks else []
    if not news:
        return []
    return [
        JobQueued(
            at=news[-1].at,
            kind="webhook",
            key=f"webhook:{webhook_id}:{channel_id}:{news[-1].seq}",
            lane=lane_of(webhook_id),
            payload=WebhookJob(webhook_id, channel_id),
        )
        for webhook_id in outside.webhooks
    ]


def jobs_for(outside: Outside, channel_id: ChannelId, fact: MessagePosted) -> list[JobQueued]:
    """In a stated order: agents first, as they are mentioned."""
    return [*_agent_jobs(outside, channel_id, fact), *_bridge_jobs(outside, channel_id, fact)]


def _agent_jobs(outside: Outside, channel_id: ChannelId, fact: MessagePosted) -> Iterable[JobQueued]:
    if fact.sender_id in outside.agents or fact.via in NOT_FROM_PEOPLE:
        return
    addressed = fact.mentions if fact.recipient_id is None else (fact.recipient_id,)
    for agent_id in addressed:
        if agent_id in outside.agents:
            yield JobQueued(
                at=fact.at,
                kind="agent",
                key=f"agent:{agent_id}:{channel_id}:{fact.seq}",
                lane=f"agent:{agent_id}:{channel_id}",
                payload=AgentJob(agent_id, channel_id, fact.seq),
            )


def _bridge_jobs(outside: Outside, channel_id: ChannelId, fact: MessagePosted) -> Iterable[JobQueued]:
    user_id = fact.recipient_id
    bridge = None if user_id is None else outside.bridges.get(user_id)
    if user_id is None or bridge is None:
        return
    kind = BRIDGE_JOBS[bridge]
    yield JobQueued(
        at=fact.at,
        kind=kind,
        key=f"{kind}:{user_id}:{channel_id}:{fact.seq}",
        lane=f"{kind}:{user_id}",
        payload=BridgeJob(user_id, bridge, channel_id, fact.seq),
    )
