"""What a socket is answered, for each command and result: pure."""

from msgspec import UNSET, UnsetType, structs

from actors.channel_commands import Done, Result
from protocol import commands
from protocol.commands import AnyCommand
from protocol.errors import Refusal
from protocol.events import Ack, AnyEvent, ErrorEvent, Pong, Reset

ReplyTo = str | UnsetType


def reply(command: AnyCommand, result: Result) -> AnyEvent | None:
    """The event that answers a command; None for `typing`, which is answered only when refused."""
    reply_to: ReplyTo = UNSET if command.id is None else command.id
    if isinstance(result, Refusal):
        return error(reply_to, result)
    match command:
        case commands.Send() if result.message is not None:
            return Ack(
                reply_to=reply_to,
                message_id=result.message.id,
                channel_id=result.channel_id,
                seq=result.seq,
                created_at=result.message.created_at,
                duplicate=result.duplicate,
            )
        case commands.Typing():
            return None
        case commands.Ping():
            return Pong(reply_to=reply_to, t=command.t)
        case commands.Presence() | commands.Auth():
            return Ack(reply_to=reply_to)
        case _:
            return read_reply(reply_to, result)


def read_reply(reply_to: ReplyTo, result: Done) -> AnyEvent:
    if result.reset:
        return Reset(reply_to=reply_to, channel_id=result.channel_id)
    if result.sync is not None:
        return structs.replace(result.sync, reply_to=reply_to)
    if result.history is not None:
        return structs.replace(result.history, reply_to=reply_to)
    message_id = result.message.id if result.message is not None else UNSET
    return Ack(reply_to=reply_to, message_id=message_id, channel_id=result.channel_id, seq=result.seq)


def error(reply_to: ReplyTo, refusal: Refusal) -> ErrorEvent:
    """A refusal as the socket says it."""
    return ErrorEvent(
        reply_to=reply_to,
        code=refusal.code,
        message=refusal.message,
        retryable=refusal.meaning.retryable,
        retry_after_ms=UNSET if refusal.retry_after_ms is None else refusal.retry_after_ms,
        field=UNSET if refusal.field is None else refusal.field,
    )
