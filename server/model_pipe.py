"""What the server and the process that LiteLLM runs in say to each other, and how it is framed.

They share one socket. A frame is its length in four bytes, and a message or many in MessagePack.
"""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct

from actors.agents.ports import Said
from protocol.agents import Completion, Used

T = TypeVar("T")

LENGTH_BYTES: Final = 4
FRAME_MAX_BYTES: Final = 1 << 26
"""Far more than the longest conversation: whoever announces more is not understood any more."""


class Setup(Struct, frozen=True, tag=True):
    """The first message: which model, where it is, and how long a call may take. `api_key` is a secret."""

    model: str
    base_url: str
    api_key: str
    timeout_s: float


class Offer(Struct, frozen=True):
    """A tool as a model is told of it; `schema` is JSON Schema of its arguments."""

    name: str
    description: str
    schema: dict[str, Any]


class Ask(Struct, frozen=True, tag=True):
    """Begin a call. It is answered by news with this number, up to the one that ends it."""

    number: int
    said: tuple[Said, ...]
    tools: tuple[Offer, ...]


class Cancel(Struct, frozen=True, tag=True):
    """End a call: it is still answered with its end."""

    number: int


Order = Setup | Ask | Cancel
"""What the server says."""


class Failure(Struct, frozen=True):
    """`ModelFailed`, on its way."""

    reason: str
    is_retryable: bool
    after_s: float | None = None


class News(Struct, frozen=True):
    """What has become of a call since the last news of it: more text, what it has cost so far, its end."""

    number: int
    text: str = ""
    used: Used | None = None
    completion: Completion | None = None
    failure: Failure | None = None

    @property
    def is_last(self) -> bool:
        return self.completion is not None or self.failure is not None


Batch = tuple[News, ...]
"""What the process says, of many calls at once. The first one is empty: the process is ready."""

ORDERS: Final = msgspec.msgpack.Decoder[Order](Order)
BATCHES: Final = msgspec.msgpack.Decoder(Batch)


def framed(message: object) -> bytes:
    """A frame, whole."""
    body = msgspec.msgpack.encode(message)
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


async def read_frames(reader: asyncio.StreamReader, decoder: msgspec.msgpack.Decoder[T]) -> AsyncGenerator[T]:
    """What the other side says, until it is gone. Raises ValueError and MsgspecError for what is nonsense."""
    while True:
        try:
            size = int.from_bytes(await reader.readexactly(LENGTH_BYTES), "big")
            if size > FRAME_MAX_BYTES:
                raise ValueError(f"a frame of {size} bytes")
            body = await reader.readexactly(size)
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        yield decoder.decode(body)
