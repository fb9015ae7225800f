"""Frames: the RFC's examples, arbitrary cuts, violations, bounded memory, and a library on the other side."""

import sys
import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    MAX_FRAGMENTS,
    NO_STATUS,
    PING,
    PONG,
    TEXT,
    FrameError,
    FrameParser,
    apply_mask,
    client_frame,
    close_frame,
    close_payload,
    read_close,
    server_frame,
)

MAX = 65_536
MASK = b"\x37\xfa\x21\x3d"
FIN = 0x80

messages = st.lists(
    st.one_of(
        st.tuples(st.sampled_from((TEXT, BINARY)), st.binary(max_size=400)),
        st.tuples(st.sampled_from((TEXT, BINARY)), st.integers(60_000, MAX).map(bytes)),
        st.tuples(st.sampled_from((PING, PONG)), st.binary(max_size=125)),
    ),
    max_size=8,
)
masks = st.binary(min_size=4, max_size=4)


def server_side(max_bytes: int = MAX) -> FrameParser:
    return FrameParser(max_bytes, masked=True)


def client_side(max_bytes: int = MAX) -> FrameParser:
    return FrameParser(max_bytes, masked=False)


def raw(first: int, payload: bytes = b"", length: bytes | None = None, mask: bytes = b"") -> bytes:
    """A frame with any header at all."""
    bit = 0x80 if mask else 0
    head = bytes([bit | len(payload)]) if length is None else bytes([bit | length[0]]) + length[1:]
    return bytes([first]) + head + mask + (apply_mask(payload, mask) if mask else payload)


def refusal(parser: FrameParser) -> int | None:
    return None if parser.error is None else parser.error.close_code


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


# RFC 6455, section 5.7


@pytest.mark.parametrize(
    ("wire", "masked", "message"),
    [
        ("81 05 48 65 6c 6c 6f", False, (TEXT, b"Hello")),
        ("81 85 37 fa 21 3d 7f 9f 4d 51 58", True, (TEXT, b"Hello")),
        ("01 03 48 65 6c 80 02 6c 6f", False, (TEXT, b"Hello")),
        ("89 05 48 65 6c 6c 6f", False, (PING, b"Hello")),
        ("8a 85 37 fa 21 3d 7f 9f 4d 51 58", True, (PONG, b"Hello")),
        ("82 7e 01 00" + "00" * 256, False, (BINARY, bytes(256))),
        ("82 7f 00 00 00 00 00 01 00 00" + "00" * 65536, False, (BINARY, bytes(65536))),
    ],
)
def test_the_examples_of_the_rfc_are_read(wire: str, masked: bool, message: tuple[int, bytes]) -> None:
    parser = FrameParser(MAX, masked=masked)
    assert parser.feed(bytes.fromhex(wire)) == [message]
    assert parser.error is None


def test_the_examples_of_the_rfc_are_written() -> None:
    assert server_frame(TEXT, b"Hello") == bytes.fromhex("81 05 48 65 6c 6c 6f")
    assert client_frame(TEXT, b"Hello", MASK) == bytes.fromhex("81 85 37 fa 21 3d 7f 9f 4d 51 58")
    assert server_frame(BINARY, bytes(256)) == bytes.fromhex("82 7e 01 00") + bytes(256)
    assert server_frame(BINARY, bytes(65536)) == bytes.fromhex("82 7f 00 00 00 00 00 01 00 00") + bytes(65536)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536])
def test_every_form_of_length_comes_back(size: int) -> None:
    payload = bytes(range(256)) * 256
    payload = payload[:size]
    assert server_side().feed(client_frame(BINARY, payload, MASK)) == [(BINARY, payload)]
    assert client_side().feed(server_frame(BINARY, payload)) == [(BINARY, payload)]


# Cutting and joining


@given(messages, masks, st.lists(st.integers(0, 400_000), max_size=30))
def test_messages_come_back_however_the_bytes_are_cut(
    sent: list[tuple[int, bytes]], mask: bytes, places: list[int]
) -> None:
    wire = b"".join(client_frame(opcode, payload, mask) for opcode, payload in sent)
    parser = server_side()
    assert [message for chunk in cut(wire, places) for message in parser.feed(chunk)] == sent
    assert parser.error is None


@given(
    st.binary(max_size=300),
    st.lists(st.integers(0, 300), max_size=10),
    st.lists(st.integers(0, 999), max_size=20),
)
def test_fragments_make_one_message_with_control_frames_between(
    payload: bytes, fragments: list[int], places: list[int]
) -> None:
    pieces = cut(payload, fragments)
    wire = raw(TEXT, b"", mask=MASK) + raw(FIN | PING, b"between", mask=MASK)
    for piece in pieces[:-1]:
        wire += client_frame(BINARY, piece, MASK).replace(b"\x82", b"\x00", 1) + raw(FIN | PONG, mask=MASK)
    wire += client_frame(BINARY, pieces[-1], MASK).replace(b"\x82", b"\x80", 1) + client_frame(
        TEXT, b"next", MASK
    )
    parser = server_side()
    received = [message for chunk in cut(wire, places) for message in parser.feed(chunk)]
    assert [message for message in received if message[0] in {TEXT, BINARY}] == [
        (TEXT, payload),
        (TEXT, b"next"),
    ]
    assert [opcode for opcode, _ in received if opcode in {PING, PONG}] == [PING] + [PONG] * (len(pieces) - 1)


@pytest.mark.parametrize("masked", [True, False])
def test_a_message_is_there_with_its_last_byte_and_not_before(masked: bool) -> None:
    parser = FrameParser(70_000, masked=masked)
    for opcode, size in (
        (PING, 0),
        (TEXT, 1),
        (PONG, 125),
        (TEXT, 126),
        (BINARY, 65_535),
        (BINARY, 65_536),
        (PING, 0),
    ):
        payload = b"a" * size
        frame = client_frame(opcode, payload, MASK) if masked else server_frame(opcode, payload)
        for place in range(len(frame) - 1):
            assert parser.feed(frame[place : place + 1]) == []
            assert not parser.idle
        assert parser.feed(frame[-1:]) == [(opcode, payload)]
        assert parser.idle


def test_a_parser_between_frames_holds_nothing() -> None:
    parser = server_side()
    idle = sys.getsizeof(parser)
    parser.feed(client_frame(TEXT, b"x" * 300, MASK) * 20)
    parser.feed(client_frame(TEXT, b"x" * 300, MASK)[:100])
    parser.feed(client_frame(TEXT, b"x" * 300, MASK)[100:])
    assert idle < 150
    assert parser._held is None
    assert parser._parts is None


def test_work_grows_with_the_bytes_and_not_with_their_square() -> None:
    """A frame that dribbles in is looked at for its header and when it is whole, not at each byte."""
    looks = 0

    class Counting(FrameParser):
        __slots__ = ()

        def _take(self, data: bytes, messages: list[tuple[int, bytes]]) -> int:
            nonlocal looks
            looks += 1
            return super()._take(data, messages)

    parser = Counting(MAX, masked=True)
    for byte in client_frame(BINARY, bytes(60_000), MASK):
        parser.feed(bytes([byte]))
    assert looks <= 4


# Violations


@pytest.mark.parametrize(
    ("wire", "code"),
    [
        pytest.param(raw(FIN | 0x40 | TEXT, b"x", mask=MASK), 1002, id="compressed without agreement"),
        pytest.param(raw(FIN | 0x20 | TEXT, b"x", mask=MASK), 1002, id="second reserved bit"),
        pytest.param(raw(FIN | 0x10 | PING, b"x", mask=MASK), 1002, id="third reserved bit"),
        pytest.param(raw(FIN | 0x3, mask=MASK), 1002, id="unknown data opcode"),
        pytest.param(raw(FIN | 0x7, mask=MASK), 1002, id="last unknown data opcode"),
        pytest.param(raw(FIN | 0xB, mask=MASK), 1002, id="unknown control opcode"),
        pytest.param(raw(FIN | 0xF, mask=MASK), 1002, id="last unknown control opcode"),
        pytest.param(raw(PING, mask=MASK), 1002, id="fragmented ping"),
        pytest.param(raw(CLOSE, mask=MASK), 1002, id="fragmented close"),
        pytest.param(raw(FIN | PING, length=b"\x7e\x00\x7e", mask=MASK), 1002, id="long ping"),
        pytest.param(server_frame(TEXT, b"x"), 1002, id="not masked"),
        pytest.param(server_frame(TEXT, b""), 1002, id="empty and not masked"),
        pytest.param(server_frame(TEXT, b"x" * 300), 1002, id="long and not masked"),
        pytest.param(
            raw(FIN | TEXT, length=b"\x7e\x00\x7d", mask=MASK), 1002, id="16 bits for a short length"
        ),
        pytest.param(
            raw(FIN | TEXT, length=b"\x7f" + (65_535).to_bytes(8, "big"), mask=MASK),
            1002,
            id="64 bits for 16",
        ),
        pytest.param(
            raw(FIN | TEXT, length=b"\x7f" + (1 << 63).to_bytes(8, "big"), mask=MASK), 1002, id="2^63 bytes"
        ),
        pytest.param(
            raw(FIN | TEXT, length=b"\x7f" + (2**63 - 1).to_bytes(8, "big"), mask=MASK),
            1009,
            id="2^63 - 1 bytes",
        ),
        pytest.param(
            raw(FIN | TEXT, length=b"\x7f" + (1 << 56).to_bytes(8, "big"), mask=MASK), 1009, id="2^56 bytes"
        ),
        pytest.param(
            raw(FIN | TEXT, length=b"\x7f" + (MAX + 1).to_bytes(8, "big"), mask=MASK),
            1009,
            id="a byte too long",
        ),
        pytest.param(raw(FIN | CONTINUATION, mask=MASK), 1002, id="continuation of nothing"),
        pytest.param(raw(TEXT, mask=MASK) + raw(FIN | TEXT, mask=MASK), 1002, id="message within a message"),
        pytest.param(raw(TEXT, mask=MASK) + raw(BINARY, mask=MASK), 1002, id="first fragment twice"),
        pytest.param(raw(FIN | CLOSE, b"\x03", mask=MASK), 1002, id="half a close code"),
        pytest.param(raw(FIN | CLOSE, b"\x03\xe8\xff", mask=MASK), 1007, id="close reason not UTF-8"),
    ],
)
@pytest.mark.parametrize("step", [1, 3, 1000])
def test_a_violation_names_its_close_code_and_loses_nothing_before_it(
    wire: bytes, code: int, step: int
) -> None:
    whole = client_frame(TEXT, b"before", MASK) + wire
    parser = server_side()
    received = []
    for start in range(0, len(whole), step):
        received += parser.feed(whole[start : start + step])
    assert received == [(TEXT, b"before")]
    assert refusal(parser) == code
    assert parser.feed(client_frame(TEXT, b"after", MASK)) == []
    assert refusal(parser) == code
    assert parser.ended
    assert parser._held is None
    assert parser._parts is None


def test_a_client_refuses_masked_frames() -> None:
    parser = client_side()
    assert parser.feed(client_frame(TEXT, b"x", MASK)) == []
    assert refusal(parser) == 1002


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535])
def test_close_codes_that_may_not_be_sent_are_refused(code: int) -> None:
    parser = client_side()
    assert parser.feed(raw(FIN | CLOSE, code.to_bytes(2, "big"))) == []
    assert refusal(parser) == 1002


@pytest.mark.parametrize("code", [1000, 1003, 1007, 1012, 1014, 3000, 4400, 4999])
def test_close_codes_come_back_with_their_reason(code: int) -> None:
    parser = client_side()
    [(opcode, payload)] = parser.feed(close_frame(code, "läuft"))
    assert (opcode, read_close(payload)) == (CLOSE, (code, "läuft"))
    assert parser.error is None


def test_a_close_without_a_code_has_none() -> None:
    assert read_close(b"") == (NO_STATUS, "") == (1005, "")
    assert client_side().feed(server_frame(CLOSE, b"")) == [(CLOSE, b"")]


def test_a_long_close_reason_is_cut_between_characters() -> None:
    payload = close_payload(4400, "ä" * 100)
    assert len(payload) == 124
    assert len(close_payload(4400, "a" * 200)) == 125
    assert read_close(payload) == (4400, "ä" * 61)


def test_nothing_is_read_after_a_close() -> None:
    parser = client_side()
    assert parser.feed(close_frame(1000) + server_frame(TEXT, b"x")) == [(CLOSE, b"\x03\xe8")]
    assert parser.feed(server_frame(TEXT, b"x")) == []
    assert parser.ended
    assert parser.error is None


# Limits


def test_a_message_of_the_largest_size_passes_and_one_byte_more_is_refused_from_its_header() -> None:
    parser = server_side(1000)
    assert parser.feed(client_frame(BINARY, bytes(1000), MASK)) == [(BINARY, bytes(1000))]
    assert parser.feed(client_frame(BINARY, bytes(1001), MASK)[:4]) == []
    assert parser.error == FrameError(1009, "message over 1000 bytes")


def test_a_length_of_64_bits_is_refused_with_its_last_byte() -> None:
    parser = server_side()
    assert parser.feed(client_frame(BINARY, bytes(MAX + 1), MASK)[:10]) == []
    assert refusal(parser) == 1009


def test_fragments_count_towards_the_size_of_their_message() -> None:
    parser = server_side(1000)
    parser.feed(raw(BINARY, bytes(100), mask=MASK) + raw(CONTINUATION, bytes(100), mask=MASK) * 8)
    assert parser.error is None
    parser.feed(raw(CONTINUATION, bytes(101), mask=MASK)[:2])
    assert refusal(parser) == 1009


def test_the_size_of_one_fragmented_message_is_not_held_against_the_next() -> None:
    parser = server_side(100)
    fragmented = raw(BINARY, bytes(60), mask=MASK) + raw(FIN | CONTINUATION, bytes(40), mask=MASK)
    assert parser.feed(fragmented * (MAX_FRAGMENTS + 1)) == [(BINARY, bytes(100))] * (MAX_FRAGMENTS + 1)


def test_empty_fragments_for_ever_are_refused() -> None:
    parser = server_side()
    most = raw(TEXT, mask=MASK) + raw(CONTINUATION, mask=MASK) * (MAX_FRAGMENTS - 2)
    last = raw(FIN | CONTINUATION, b"x", mask=MASK)
    assert parser.feed((most + last) * 2) == [(TEXT, b"x")] * 2
    parser.feed(most + raw(CONTINUATION, mask=MASK))
    assert parser.error is None
    assert not parser.idle
    parser.feed(last[:2])
    assert refusal(parser) == 1009


def test_memory_stays_within_the_limit_whatever_a_header_announces() -> None:
    liars = [
        raw(FIN | BINARY, length=b"\x7f" + (2**63 - 1).to_bytes(8, "big"), mask=MASK),
        raw(FIN | BINARY, length=b"\x7f" + MAX.to_bytes(8, "big"), mask=MASK),
        raw(BINARY, length=b"\x7f" + MAX.to_bytes(8, "big"), mask=MASK),
    ]
    chunk = bytes(1000)
    tracemalloc.start()
    for start in liars:
        parser = server_side()
        parser.feed(start)
        for _ in range(2000):
            parser.feed(chunk)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5 * MAX


@given(st.lists(st.binary(max_size=60), max_size=20), st.booleans())
def test_random_bytes_never_raise(chunks: list[bytes], masked: bool) -> None:
    parser = FrameParser(200, masked=masked)
    for chunk in chunks:
        for opcode, payload in parser.feed(chunk):
            assert opcode in {TEXT, BINARY, CLOSE, PING, PONG}
            assert len(payload) <= 200
    assert parser.error is None or parser.ended
    assert refusal(parser) in {None, 1002, 1007, 1009}
    assert len(parser._held or b"") < 14 + 200


@given(messages.filter(bool), masks, st.data())
def test_damaged_frames_never_raise(sent: list[tuple[int, bytes]], mask: bytes, data: st.DataObject) -> None:
    wire = bytearray(b"".join(client_frame(opcode, payload, mask) for opcode, payload in sent))
    for place in data.draw(st.lists(st.integers(0, min(len(wire), 600) - 1), min_size=1, max_size=4)):
        wire[place] = data.draw(st.integers(0, 255))
    parser = server_side()
    parser.feed(bytes(wire))
    assert refusal(parser) in {None, 1002, 1007, 1009}


@pytest.mark.parametrize("size", [0, 1, 3, 4, 5, 200, 65_536])
def test_masking_is_byte_wise_and_its_own_inverse(size: int) -> None:
    payload = bytes(range(256)) * 256
    payload = payload[:size]
    masked = apply_mask(payload, MASK)
    assert masked == bytes(byte ^ MASK[place % 4] for place, byte in enumerate(payload))
    assert apply_mask(masked, MASK) == payload
