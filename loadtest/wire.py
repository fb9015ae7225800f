"""As much of the wire protocol as the harness needs, decoded and encoded as cheaply as can be.

The structs name only the fields that are checked: whatever else a frame holds is skipped, not built.
"""

from typing import Final, NamedTuple

import msgspec

from loadtest.check import Posted
from protocol.codec import JSON

SUBPROTOCOL: Final = JSON.subprotocol


class Row(msgspec.Struct, gc=False):
    """A message."""

    id: int
    seq: int
    nonce: str = ""


class Standing(msgspec.Struct, gc=False):
    """A channel in `ready`."""

    id: int
    last_seq: int


class Frequent(msgspec.Struct, gc=False):
    """Any event, as far as acks and new messages go. In an `error`, `message` is text."""

    type: str
    channel_id: int = 0
    seq: int = 0
    message: Row | str = ""
    message_id: int = 0
    reply_to: str = ""
    duplicate: bool = False


class Rare(msgspec.Struct, rename={"from_": "from"}):
    """The rest of the other events."""

    channel_id: int = 0
    seq: int = 0
    message: msgspec.Raw = msgspec.Raw(b"")
    reply_to: str = ""
    code: str = ""
    retryable: bool = False
    retry_after_ms: int = 0
    from_: int = 0
    to: int = 0
    more: bool = False
    messages: list[Row] = []
    members: list[msgspec.Raw] = []
    channel: msgspec.Raw = msgspec.Raw(b"null")
    channels: list[Standing] = []
    epoch: str = ""
    reason: str = ""


decode = msgspec.json.Decoder(Frequent).decode
decode_rare = msgspec.json.Decoder(Rare).decode


class Nonce(NamedTuple):
    """A send's nonce tells every process who sent it, as which of theirs, and when it was due."""

    sender: int
    number: int
    intended: int

    def text(self, run: str) -> str:
        return f"{run}.{self.sender}.{self.number}.{self.intended}"


def read_nonce(text: str, run: str) -> Nonce | None:
    """None for a message that is not of this run."""
    parts = text.split(".")
    if len(parts) != 4 or parts[0] != run:
        return None
    return Nonce(int(parts[1]), int(parts[2]), int(parts[3]))


def posted(row: Row, run: str) -> Posted:
    nonce = read_nonce(row.nonce, run)
    return Posted(row.seq, row.id) if nonce is None else Posted(row.seq, row.id, *nonce)


def encode_send(channel_id: int, content: str, nonce: str) -> bytes:
    """A `send` whose ack names the nonce. `content` must need no escaping."""
    return (
        f'{{"type":"send","id":"{nonce}","channel_id":{channel_id},"content":"{content}","nonce":"{nonce}"}}'
    ).encode()


def encode_hello(token: str, cursors: dict[int, int], epoch: str) -> bytes:
    resume = [{"channel_id": channel_id, "seq": seq} for channel_id, seq in cursors.items()]
    return msgspec.json.encode({"type": "hello", "token": token, "resume": resume, "epoch": epoch})
