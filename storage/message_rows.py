"""Messages as rows: a page of them is two queries, one for the rows and one for all that hangs on them."""

from collections.abc import Sequence
from typing import Any

from msgspec import UNSET, Struct, field
from sqlalchemy import Connection, Select, and_, bindparam, select

from protocol.deliveries import delivery_of
from protocol.ids import MessageId, UserId
from protocol.resources import Attachment, Delivery, DeliveryPart, Message, Reaction
from storage.row_statements import Kind, RowsStatement
from storage.tables import channel_members, messages

_reader = channel_members.alias("reader")

MESSAGES = select(*messages.c, _reader.c.read_seq.label("recipient_read_seq")).outerjoin_from(
    messages,
    _reader,
    and_(_reader.c.channel_id == messages.c.channel_id, _reader.c.user_id == messages.c.recipient_id),
)
"""Whole rows, with how far the recipient of a direct message has read: to be narrowed and ordered."""

BY_IDS = MESSAGES.where(messages.c.id.in_(bindparam("ids", expanding=True)))

# One column of numbers and three of texts, for whatever they mean in each of the four branches.
ANNEXES = RowsStatement(
    """
    WITH wanted AS (SELECT message_id FROM {rows} AS asked)
    SELECT 'mention' AS kind, message_id, id, user_id AS number, NULL AS code, NULL AS name, NULL AS url
    FROM mentions WHERE message_id IN (SELECT message_id FROM wanted)
    UNION ALL
    SELECT 'reaction', given.message_id, given.id, given.user_id, reactions.code,
        CAST(reactions.id AS varchar(20)), reactions.image_url
    FROM message_reactions AS given JOIN reactions ON reactions.id = given.reaction_id
    WHERE given.message_id IN (SELECT message_id FROM wanted)
    UNION ALL
    SELECT 'attachment', message_id, id, size, content_type, name, link
    FROM attachments WHERE message_id IN (SELECT message_id FROM wanted)
    UNION ALL
    SELECT 'delivery', message_id, id, NULL, error_code, transport, state
    FROM deliveries WHERE message_id IN (SELECT message_id FROM wanted)
    ORDER BY id
    """,
    message_id=Kind.INTEGER,
)


class Annex(Struct):
    """What hangs on one message, in the order in which it came there."""

    mentions: list[UserId] = field(default_factory=list)
    reactions: dict[str, Reaction] = field(default_factory=dict)
    attachments: list[Attachment] = field(default_factory=list)
    transport: str = ""
    parts: list[DeliveryPart] = field(default_factory=list)

    @property
    def delivery(self) -> Delivery | None:
        return delivery_of(self.transport, self.parts) if self.parts else None


def load_messages(connection: Connection, ids: Sequence[MessageId]) -> list[Message]:
    return fetch_messages(connection, BY_IDS, ids=list(ids)) if ids else []


def fetch_messages(connection: Connection, query: Select[Any], **parameters: object) -> list[Message]:
    """The messages that a narrowing of `MESSAGES` finds, in its order."""
    rows = connection.execute(query, parameters).all()
    if not rows:
        return []
    annexes = _load_annexes(connection, [row.id for row in rows if row.deleted_at is None])
    return [_message(row, annexes.get(row.id) or Annex()) for row in rows]


def _load_annexes(connection: Connection, ids: Sequence[MessageId]) -> dict[MessageId, Annex]:
    annexes: dict[MessageId, Annex] = {}
    for row in ANNEXES.fetch(connection, [(message_id,) for message_id in ids]):
        _hang(annexes.setdefault(row.message_id, Annex()), row)
    return annexes


def _hang(annex: Annex, row: Any) -> None:
    match row.kind:
        case "mention":
            annex.mentions.append(row.number)
        case "reaction":
            annex.reactions[row.code] = _reacted(annex.reactions.get(row.code), row)
        case "attachment":
            annex.attachments.append(attachment(row.id, row.name, row.code, row.number, row.url))
        case _:
            annex.transport = row.name
            annex.parts.append(DeliveryPart(row.url, row.code))


def attachment(
    attachment_id: int, name: str, content_type: str, size: int, link: str | None = None
) -> Attachment:
    """A file, or with `link` something that is elsewhere."""
    url = f"/files/{attachment_id}" if link is None else link
    return Attachment(attachment_id, name, content_type, size, url)


def _reacted(earlier: Reaction | None, row: Any) -> Reaction:
    user_ids = (*(earlier.user_ids if earlier else ()), row.number)
    return Reaction(int(row.name), row.code, row.url, len(user_ids), user_ids)


def _message(row: Any, annex: Annex) -> Message:
    # Taken apart in the order of MESSAGES: asking a row for its fields by name costs as much as the rest.
    (
        message_id,
        channel_id,
        seq,
        _changed_seq,
        stream_id,
        sender_id,
        recipient_id,
        conversation_id,
        content,
        parent_id,
        nonce,
        via,
        edited_at,
        deleted_at,
        created_at,
        updated_at,
        recipient_read_seq,
    ) = row
    return Message(
        id=message_id,
        channel_id=channel_id,
        conversation_id=conversation_id,
        seq=seq,
        sender_id=sender_id,
        user_id=sender_id,
        recipient_id=UNSET if recipient_id is None else recipient_id,
        content=content,
        parent_id=parent_id,
        is_read=UNSET if recipient_id is None else (recipient_read_seq or 0) >= seq,
        mentions=tuple(annex.mentions),
        reactions=tuple(annex.reactions.values()),
        attachments=tuple(annex.attachments),
        via=via,
        delivery=annex.delivery,
        nonce=UNSET if nonce is None else nonce,
        stream_id=UNSET if stream_id is None else stream_id,
        edited_at=edited_at,
        deleted_at=deleted_at,
        created_at=created_at,
        updated_at=updated_at,
    )
