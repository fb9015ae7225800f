"""Frames with a library on the other side, in both directions and roles."""

from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Close, Frame
from websockets.protocol import Protocol, Side, State

from protocol.frames import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    FrameParser,
    client_frame,
    close_frame,
    close_payload,
    server_frame,
)

messages = st.lists(
    st.one_of(
        st.tuples(st.sampled_from((TEXT, BINARY)), st.binary(max_size=400)),
        st.tuples(st.sampled_from((TEXT, BINARY)), st.integers(60_000, 65_536).map(bytes)),
        st.tuples(st.sampled_from((PING, PONG)), st.binary(max_size=125)),
    ),
    max_size=8,
)
masks = st.binary(min_size=4, max_size=4)


def library(side: Side) -> Protocol:
    return Protocol(side, state=State.OPEN, max_size=None)


def received_by(other: Protocol) -> list[tuple[int, bytes]]:
    return [
        (event.opcode, bytes(event.data)) for event in other.events_received() if isinstance(event, Frame)
    ]


def test_a_library_is_understood_as_client() -> None:
    other = library(Side.CLIENT)
    other.send_text(b"hello")
    other.send_binary(bytes(300))
    other.send_ping(b"there?")
    other.send_text(b"frag", fin=False)
    other.send_pong(b"")
    other.send_continuation(b"ments", fin=True)
    other.send_close(4400, "bye")
    assert FrameParser(65_536, masked=True).feed(b"".join(other.data_to_send())) == [
        (TEXT, b"hello"),
        (BINARY, bytes(300)),
        (PING, b"there?"),
        (PONG, b""),
        (TEXT, b"fragments"),
        (CLOSE, close_payload(4400, "bye")),
    ]


@given(messages)
def test_a_library_understands_the_server(sent: list[tuple[int, bytes]]) -> None:
    other = library(Side.CLIENT)
    other.receive_data(b"".join(server_frame(opcode, payload) for opcode, payload in sent))
    assert received_by(other) == sent


@given(messages, masks)
def test_a_library_understands_the_client(sent: list[tuple[int, bytes]], mask: bytes) -> None:
    other = library(Side.SERVER)
    other.receive_data(b"".join(client_frame(opcode, payload, mask) for opcode, payload in sent))
    assert received_by(other) == sent


@given(st.lists(st.binary(max_size=2000), max_size=5))
def test_a_library_is_understood_as_server(payloads: list[bytes]) -> None:
    other = library(Side.SERVER)
    for payload in payloads:
        other.send_binary(payload)
    assert FrameParser(65_536, masked=False).feed(b"".join(other.data_to_send())) == [
        (BINARY, payload) for payload in payloads
    ]


def test_a_library_reads_our_close() -> None:
    other = library(Side.CLIENT)
    other.receive_data(close_frame(4401, "log in again"))
    assert other.close_rcvd == Close(4401, "log in again")
