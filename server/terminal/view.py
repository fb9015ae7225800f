"""One channel as a client has it."""

from typing import Final

from protocol.ids import ChannelId, MessageId, Seq, UserId
from protocol.resources import ChannelKind, Message

KEPT_MESSAGES: Final = 500


class ChannelView:
    """`cursor` is the last `seq` applied; `messages` by id, the newest last, as many as are worth keeping.

    `is_behind` while a `sync` is under way because an event came that was not the next.
    """

    def __init__(
        self,
        channel_id: ChannelId,
        kind: ChannelKind,
        name: str | None,
        conversation_id: str | None,
        cursor: Seq,
    ) -> None:
        self.id = channel_id
        self.kind = kind
        self.name = name
        self.conversation_id = conversation_id
        self.cursor = cursor
        self.is_behind = False
        self.messages: dict[MessageId, Message] = {}

    def pair(self) -> frozenset[UserId]:
        """Whose conversation it is: nobody's in a channel, one who writes to themselves, or two."""
        parts = (self.conversation_id or "").split(":")[1:]
        return frozenset(UserId(int(part)) for part in parts if part.isdecimal())

    def keep(self, message: Message) -> None:
        self.messages[message.id] = message
        if len(self.messages) > KEPT_MESSAGES:
            del self.messages[next(iter(self.messages))]
