"""Why a commit was refused: posts that were made before, names that others have, files that are spent."""

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, select

from protocol.facts import ChannelChanged, MessagePosted, Part, Repeats, Spent, Taken
from protocol.ids import ChannelId, MessageId, UserId
from protocol.resources import Message
from storage.channel_names import is_any_taken
from storage.engine import Database
from storage.message_rows import load_messages
from storage.row_statements import Kind, RowsStatement
from storage.tables import attachments

NonceKey = tuple[UserId, str]
Objection = Repeats | Taken | Spent

FIND_REPEATS = RowsStatement(
    """
    SELECT messages.id, messages.sender_id, messages.nonce
    FROM {rows} AS asked
    JOIN messages ON messages.sender_id = asked.sender_id AND messages.nonce = asked.nonce
    """,
    sender_id=Kind.INTEGER,
    nonce=Kind.TEXT,
)


class Objections:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, parts: Sequence[Part]) -> dict[ChannelId, Objection]:
        """The parts that cannot be written as they are, by channel, with what their channels are told."""
        return await self._database.read(lambda connection: _find(connection, parts))


def _find(connection: Connection, parts: Sequence[Part]) -> dict[ChannelId, Objection]:
    objections: dict[ChannelId, Objection] = {}
    first_messages = _first_messages(connection, parts)
    for part in parts:
        repeats = {key: first_messages[key] for key in _nonces(part) if key in first_messages}
        if repeats:
            objections[part.channel_id] = Repeats(repeats)
        elif _is_taken(connection, part):
            objections[part.channel_id] = Taken()
        elif spent := _spent(connection, part):
            objections[part.channel_id] = spent
    return objections


def _nonces(part: Part) -> Iterable[NonceKey]:
    for fact in part.facts:
        if isinstance(fact, MessagePosted) and fact.nonce is not None:
            yield fact.sender_id, fact.nonce


def _first_messages(connection: Connection, parts: Sequence[Part]) -> dict[NonceKey, Message]:
    keys = [key for part in parts for key in _nonces(part)]
    if not keys:
        return {}
    found = {
        MessageId(row.id): (UserId(row.sender_id), str(row.nonce))
        for row in FIND_REPEATS.fetch(connection, keys)
    }
    return {found[message.id]: message for message in load_messages(connection, list(found))}


def _is_taken(connection: Connection, part: Part) -> bool:
    renames = (fact.channel.name for fact in part.facts if isinstance(fact, ChannelChanged))
    return is_any_taken(connection, [name for name in renames if name is not None], part.channel_id)


def _spent(connection: Connection, part: Part) -> Spent | None:
    named = [file.id for fact in part.facts if isinstance(fact, MessagePosted) for file in fact.attachments]
    if not named:
        return None
    is_free = attachments.c.id.in_(named) & attachments.c.message_id.is_(None)
    free = set(connection.execute(select(attachments.c.id).where(is_free)).scalars())
    return Spent(frozenset(named) - free) if len(free) < len(named) else None
