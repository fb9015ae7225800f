"""Which webhooks a channel tells of what happens in it: pure."""

from datetime import datetime

from actors.channel_commands import Identity, KnowWebhooks
from actors.channel_state import ChannelState, Decision
from actors.permissions import NOT_FOUND
from protocol.facts import WebhooksKnown


def decide_webhooks(state: ChannelState, _: Identity, command: KnowWebhooks, now: datetime) -> Decision:
    """Nothing is written: webhooks are kept elsewhere, and whoever changes them has authorised it."""
    if state.is_direct:
        return NOT_FOUND
    return [WebhooksKnown(at=now, outgoing=command.outgoing)]
