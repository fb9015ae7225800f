"""Reading what a client may send, and taking the answer apart."""

from typing import Any

from msgspec import UNSET

from protocol.codec import Codec, Undecodable
from protocol.commands import AnyCommand, Command
from protocol.errors import Code
from protocol.events import ErrorEvent


def read(codec: Codec, payload: bytes) -> AnyCommand | Undecodable:
    """What the codec makes of it, which is a command or a refusal that fits into a small error event."""
    result = codec.decode(payload)
    if isinstance(result, Undecodable):
        refusal = result.refusal
        assert refusal.code in {Code.MALFORMED, Code.INVALID}
        event = ErrorEvent(
            reply_to=UNSET if result.reply_to is None else result.reply_to,
            code=refusal.code,
            message=refusal.message,
            retryable=refusal.meaning.retryable,
            field=UNSET if refusal.field is None else refusal.field,
        )
        assert len(codec.encode(event)) < 2048
    else:
        assert isinstance(result, Command)
    return result


def refused(codec: Codec, content: Any) -> tuple[Code, str | None, str | None]:
    """Code, field and `reply_to` of what is answered to `content`: plain data, or raw bytes."""
    result = read(codec, content if isinstance(content, bytes) else codec.encode(content))
    assert isinstance(result, Undecodable), result
    return result.refusal.code, result.refusal.field, result.reply_to


MALFORMED = (Code.MALFORMED, None, None)
