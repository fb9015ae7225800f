"""Structs to bytes and back, in both encodings, and server frames built once.

Encoders and decoders are made once for the process. Next on a message's path: inbound, `session.py`;
outbound, `actors/fanout.py`.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any, Final, get_args

import msgspec

from protocol.commands import AnyCommand, RequestId
from protocol.errors import Code, Refusal
from protocol.events import AnyEvent
from protocol.frames import BINARY, TEXT, server_frame

Decode = Callable[[bytes], Any]


class Undecodable(msgspec.Struct, frozen=True):
    """Why a frame was not understood. `reply_to` is its `id`, where that much could be read."""

    refusal: Refusal
    reply_to: str | None = None


class _Typed(msgspec.Struct):
    type: str


class _Identified(msgspec.Struct):
    id: RequestId | None = None


_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_NAMED_FIELD: Final = re.compile("Object (?:missing required|contains unknown) field `(.*)`", re.DOTALL)

KNOWN_TYPES: Final = frozenset(kind.__struct_config__.tag for kind in get_args(AnyCommand))


class Codec:
    """One encoding of the wire protocol.

    `opcode` is the kind of WebSocket frame that bears it; `nul` is how a NUL character looks in it.
    """

    def __init__(
        self,
        subprotocol: str,
        opcode: int,
        encode: Callable[[Any], bytes],
        decoder: Callable[[Any], Decode],
        *,
        nul: bytes,
    ) -> None:
        self.subprotocol = subprotocol
        self.opcode = opcode
        self.encode = encode
        self._nul = nul
        self._decode_command: Decode = decoder(AnyCommand)
        self._decode_type: Decode = decoder(_Typed)
        self._decode_id: Decode = decoder(_Identified)

    def frame(self, event: AnyEvent) -> bytes:
        """The event as one server frame: the same bytes for every recipient."""
        return server_frame(self.opcode, self.encode(event))

    def frames(self, events: Iterable[AnyEvent]) -> bytes:
        """Several events as frames joined for one write."""
        return b"".join([self.frame(event) for event in events])

    def decode(self, payload: bytes) -> AnyCommand | Undecodable:
        """A client's frame as a command, or why not: `malformed` ends the socket, `invalid` does not."""
        try:
            command: AnyCommand = self._decode_command(payload)
        except msgspec.ValidationError as error:
            return self._explain(payload, str(error))
        except _UNREADABLE:
            return _malformed("The frame is not valid for this encoding.")
        return _without_nul(command) if self._nul in payload else command

    def _explain(self, payload: bytes, reason: str) -> Undecodable:
        try:
            kind: str = self._decode_type(payload).type
        except _UNREADABLE:
            return _malformed("A frame is an object with a `type`.")
        if kind not in KNOWN_TYPES:
            return _malformed(f"There is no command `{kind[:64]}`.")
        return Undecodable(_invalid(reason), self._id_in(payload))

    def _id_in(self, payload: bytes) -> str | None:
        try:
            request_id: str | None = self._decode_id(payload).id
        except _UNREADABLE:
            return None
        return request_id


def _malformed(message: str) -> Undecodable:
    return Undecodable(Refusal(Code.MALFORMED, message))


def _invalid(reason: str) -> Refusal:
    """A refusal of the field that msgspec's message names, at its end as a path or as the object's field."""
    text, _, path = reason.partition(" - at `$")
    field = path.rstrip("`")
    if named := _NAMED_FIELD.fullmatch(text):
        field = f"{field}.{named[1]}"
    # An unknown field's name is the client's, and may be as long as its frame.
    return Refusal(Code.INVALID, text[:200], field=field.lstrip(".")[:64] or None)


def _without_nul(command: AnyCommand) -> AnyCommand | Undecodable:
    """Databases disagree on NUL, so no text may hold one."""
    for name in command.__struct_fields__:
        value = getattr(command, name)
        if value.__class__ is str and "\0" in value:
            refusal = Refusal(Code.INVALID, f"`{name}` must not contain NUL characters.", field=name)
            return Undecodable(refusal, None if name == "id" else command.id)
    return command


def _json_decoder(kind: Any) -> Decode:
    return msgspec.json.Decoder(kind).decode


def _msgpack_decoder(kind: Any) -> Decode:
    return msgspec.msgpack.Decoder(kind).decode


JSON: Final = Codec("parley.v1.json", TEXT, msgspec.json.Encoder().encode, _json_decoder, nul=b"\\u0000")
MSGPACK: Final = Codec(
    "parley.v1.msgpack", BINARY, msgspec.msgpack.Encoder().encode, _msgpack_decoder, nul=b"\0"
)
CODECS: Final = {codec.subprotocol: codec for codec in (JSON, MSGPACK)}
