"""The recent changes of one channel in memory: what serves `sync` and `history` without the database."""

from collections import OrderedDict

from msgspec import UNSET, Struct

from protocol.facts import Changes
from protocol.ids import MessageId, Seq, UserId
from protocol.resources import ChannelInfo, MemberChange, Message

Row = Message | MemberChange | None
"""A row as it is now; None stands for the channel itself, whose row the caller has."""

RECENT_MAX_ROWS = 256
RECENT_MAX_CHARS = 256 * 1024

CHANNEL_KEY = 0


class Changed(Struct, frozen=True, gc=False):
    """A row and the `seq` of its last change. `chars` is what it keeps in memory, roughly."""

    seq: Seq
    row: Row
    chars: int = 0


class Recent:
    """Every row that changed after `floor`, in the order of the last changes.

    Keyed by message id, by negative user id, and by 0 for the channel. Bounded in rows and in characters.
    """

    __slots__ = ("_chars", "_nonces", "_rows", "floor")

    def __init__(self, floor: Seq) -> None:
        self.floor = floor
        self._rows: OrderedDict[int, Changed] = OrderedDict()
        self._nonces: dict[tuple[UserId, str], MessageId] = {}
        self._chars = 0

    def put_message(self, seq: Seq, message: Message) -> None:
        self._put(message.id, Changed(seq, message, len(message.content or "")))
        if message.nonce is not UNSET:
            self._nonces[message.sender_id, message.nonce] = message.id

    def put_member(self, seq: Seq, member: MemberChange) -> None:
        self._put(-member.user.id, Changed(seq, member))

    def put_channel(self, seq: Seq) -> None:
        self._put(CHANNEL_KEY, Changed(seq, None))

    def message(self, message_id: MessageId) -> Message | None:
        changed = self._rows.get(message_id)
        return changed.row if changed is not None and isinstance(changed.row, Message) else None

    def by_nonce(self, key: tuple[UserId, str]) -> Message | None:
        """The recent message that this sender's nonce made."""
        message_id = self._nonces.get(key)
        return None if message_id is None else self.message(message_id)

    def since(self, after: Seq, info: ChannelInfo) -> Changes | None:
        """What changed after `after`; None when that goes back further than memory."""
        if after < self.floor:
            return None
        rows = []
        for changed in reversed(self._rows.values()):
            if changed.seq <= after:
                break
            rows.append(changed.row)
        rows.reverse()
        messages = tuple(row for row in rows if isinstance(row, Message))
        members = tuple(row for row in rows if isinstance(row, MemberChange))
        is_changed = len(messages) < len(rows)
        return Changes(
            to=info.last_seq,
            last_seq=info.last_seq,
            messages=messages,
            members=members,
            channel=info if is_changed else None,
            more=False,
        )

    def history(self, before: Seq | None, after: Seq | None, limit: int) -> list[Message] | None:
        """The messages that `history` asks for; None when memory does not hold all of them.

        Every message posted after `floor` is here, since posting is a change.
        """
        if after is not None and after < self.floor:
            return None
        found = [
            row
            for changed in self._rows.values()
            if isinstance(row := changed.row, Message)
            and row.seq > (self.floor if after is None else after)
            and (before is None or row.seq < before)
        ]
        found.sort(key=lambda message: message.seq, reverse=after is None)
        if after is None and len(found) < limit and self.floor > 0:
            return None
        return found[:limit]

    def _put(self, key: int, changed: Changed) -> None:
        rows = self._rows
        earlier = rows.pop(key, None)
        if earlier is not None:
            self._chars -= earlier.chars
        rows[key] = changed
        self._chars += changed.chars
        while len(rows) > RECENT_MAX_ROWS or self._chars > RECENT_MAX_CHARS:
            self._evict(rows.popitem(last=False)[1])

    def _evict(self, oldest: Changed) -> None:
        # Rows leave in the order of their `seq`.
        self.floor, row = oldest.seq, oldest.row
        self._chars -= oldest.chars
        if isinstance(row, Message) and row.nonce is not UNSET:
            self._nonces.pop((row.sender_id, row.nonce), None)
