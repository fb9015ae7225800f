"""What a committed command is answered with: pure."""

from collections.abc import Sequence

from actors.announce import Shown
from actors.channel_commands import Done
from actors.channel_state import ChannelState
from actors.message_state import posted
from actors.pipeline import ABOUT_MESSAGE, Decided
from protocol.facts import AnyFact, InviteCreated, MarkerMoved, MessagePosted, Numbered
from protocol.ids import ChannelId, MessageId, Seq
from protocol.resources import Message


def shown_facts(
    channel_id: ChannelId, facts: Sequence[AnyFact], message_ids: Sequence[MessageId]
) -> list[Shown]:
    """The numbered facts of a committed part, each with the message that it is about."""
    ids = iter(message_ids)
    shown = []
    for fact in facts:
        if isinstance(fact, MessagePosted):
            shown.append(Shown(fact, posted(channel_id, fact, next(ids))))
        elif isinstance(fact, ABOUT_MESSAGE):
            shown.append(Shown(fact, fact.message))
        elif isinstance(fact, Numbered):
            shown.append(Shown(fact, None))
    return shown


def done(state: ChannelState, decided: Decided, message: Message | None) -> Done:
    """The answer to a command: what it changed, and where the channel stands after it."""
    seq, invite, read_seq = state.last_seq, None, None
    for fact in decided.facts:
        if isinstance(fact, Numbered):
            seq = fact.seq
        elif isinstance(fact, InviteCreated):
            invite = fact.invite
        elif isinstance(fact, MarkerMoved):
            read_seq = fact.read_seq
    by = decided.ask.by.user_id
    if message is not None:
        return Done(channel_id=state.base.id, seq=seq, message=message)
    return Done(
        channel_id=state.base.id,
        seq=seq,
        invite=invite,
        read_seq=read_seq,
        info=state.info,
        role=state.role_of(by),
        join_code=state.join_code,
    )


def repeated(first: Message) -> Done:
    """The answer to a post that was made before: the first message."""
    return Done(channel_id=first.channel_id, seq=Seq(first.seq), message=first, duplicate=True)
