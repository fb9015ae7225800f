from typing import Any

import msgspec
import pytest

from protocol.codec import JSON, MSGPACK, Codec
from protocol.commands import Auth, Hello, Ping
from protocol.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    client_frame,
    close_payload,
    server_frame,
)
from protocol.session import IDLE_FRAMES_MAX, End, Farewell, Heard, Say, Session

MASK = b"\x01\x02\x03\x04"
CODECS = pytest.mark.parametrize("codec", [JSON, MSGPACK], ids=lambda codec: codec.subprotocol)


def session(codec: Codec = JSON, *, is_greeted: bool = True, max_frame_bytes: int = 1000) -> Session:
    return Session(codec, max_frame_bytes, is_greeted=is_greeted)


def frame(content: Any, codec: Codec = JSON, opcode: int | None = None) -> bytes:
    payload = content if isinstance(content, bytes) else codec.encode(content)
    return client_frame(codec.opcode if opcode is None else opcode, payload, MASK)


def said(heard: list[Heard], codec: Codec = JSON) -> list[Any]:
    """What is to be written, decoded; anything else stays as it is."""
    decode: Any = msgspec.json.decode if codec is JSON else msgspec.msgpack.decode
    return [
        decode(each.frames[2:] if each.frames[1] < 126 else each.frames[4:])
        if isinstance(each, Say)
        else each
        for each in heard
    ]


@CODECS
def test_commands_are_heard_in_order_however_their_bytes_are_cut(codec: Codec) -> None:
    data = frame({"type": "hello", "token": "t"}, codec) + frame({"type": "ping", "t": 1}, codec)
    expected = [Hello(token="t"), Ping(t=1)]
    assert session(codec, is_greeted=False).receive(data) == expected
    for cut in range(len(data)):
        piecemeal = session(codec, is_greeted=False)
        assert piecemeal.receive(data[:cut]) + piecemeal.receive(data[cut:]) == expected


def test_a_greeted_session_takes_commands_at_once() -> None:
    assert session().receive(frame({"type": "ping"})) == [Ping()]


def test_a_second_hello_is_a_command_like_any_other() -> None:
    talk = session(is_greeted=False)
    hello = {"type": "hello", "token": "t"}
    assert talk.receive(frame(hello)) == talk.receive(frame(hello)) == [Hello(token="t")]


@CODECS
@pytest.mark.parametrize("early", [{"type": "ping"}, {"type": "auth", "token": "t"}])
def test_whoever_does_not_greet_first_is_told_and_let_go(codec: Codec, early: Any) -> None:
    talk = session(codec, is_greeted=False)
    error, end = said(talk.receive(frame(early | {"id": "7"}, codec) * 2), codec)
    assert (error["type"], error["code"], error["reply_to"]) == ("error", "unauthenticated", "7")
    assert end == End(4401, error["message"])


@CODECS
@pytest.mark.parametrize("is_greeted", [True, False])
@pytest.mark.parametrize("content", [b"{", b"\xff", b"", {"type": "nonsense"}, {"no": "type"}, [1]])
def test_what_cannot_be_read_ends_the_conversation_after_an_error(
    codec: Codec, is_greeted: bool, content: Any
) -> None:
    talk = session(codec, is_greeted=is_greeted)
    heard = talk.receive(frame(content, codec) + frame({"type": "ping"}, codec))
    error, end = said(heard, codec)
    assert (error["type"], error["code"], error["retryable"]) == ("error", "malformed", False)
    assert end == End(4400, error["message"])


@CODECS
def test_a_wrong_field_is_named_and_the_conversation_goes_on(codec: Codec) -> None:
    wrong = {"type": "read", "id": "9", "channel_id": "x", "seq": 1}
    error, command = said(session(codec).receive(frame(wrong, codec) + frame({"type": "ping"}, codec)), codec)
    assert (error["code"], error["field"], error["reply_to"]) == ("invalid", "channel_id", "9")
    assert command == Ping()


def test_a_hello_without_a_token_may_be_said_again() -> None:
    talk = session(is_greeted=False)
    (error,) = said(talk.receive(frame({"type": "hello"})))
    assert (error["code"], error["field"], "reply_to" in error) == ("invalid", "token", False)
    assert talk.receive(frame({"type": "hello", "token": "t"})) == [Hello(token="t")]


@pytest.mark.parametrize(("codec", "opcode"), [(JSON, BINARY), (MSGPACK, TEXT)])
def test_a_frame_of_the_other_kind_is_malformed(codec: Codec, opcode: int) -> None:
    heard = session(codec).receive(frame({"type": "ping"}, codec, opcode) + frame({"type": "ping"}, codec))
    error, end = said(heard, codec)
    assert error["code"] == "malformed"
    assert end == End(4400, error["message"])


def test_what_came_before_a_violation_is_heard() -> None:
    heard = session(max_frame_bytes=100).receive(frame({"type": "ping"}) + frame(b"x" * 101))
    assert heard[0] == Ping()
    assert [end.code for end in heard[1:] if isinstance(end, End)] == [1009]


def test_an_unmasked_frame_breaks_the_protocol() -> None:
    (end,) = session().receive(server_frame(TEXT, b'{"type":"ping"}'))
    assert isinstance(end, End)
    assert end.code == 1002


@pytest.mark.parametrize(
    ("payload", "code"), [(b"", 1000), (close_payload(1000), 1000), (close_payload(4001, "bye"), 4001)]
)
def test_a_close_is_answered_in_kind_and_ends_what_is_heard(payload: bytes, code: int) -> None:
    heard = session().receive(
        frame({"type": "ping"}) + frame(payload, opcode=CLOSE) + frame({"type": "ping"})
    )
    assert heard == [Ping(), Farewell(code)]


def test_a_close_with_a_bad_code_is_a_violation() -> None:
    (end,) = session().receive(frame(close_payload(1005), opcode=CLOSE))
    assert isinstance(end, End)
    assert end.code == 1002


def test_once_the_server_has_closed_only_the_clients_close_is_heard() -> None:
    talk = session()
    talk.receive(frame(b"{"))
    assert not talk.is_farewell(frame({"type": "ping"}) + frame(b"{") + frame(b"", opcode=PING))
    close = frame(close_payload(1000), opcode=CLOSE)
    assert not talk.is_farewell(close[:3])
    assert talk.is_farewell(close[3:])


def test_who_goes_on_and_on_after_the_close_is_not_listened_to() -> None:
    talk = session()
    assert not talk.is_farewell(frame(b"x" * 900) * 200)
    assert not talk.is_farewell(frame(b"", opcode=CLOSE))


# Pings.


def test_a_ping_is_answered_with_its_own_payload() -> None:
    assert session().receive(frame(b"abc", opcode=PING)) == [Say(server_frame(PONG, b"abc"))]


def test_of_several_pings_the_last_is_answered() -> None:
    pings = b"".join(frame(b"%d" % number, opcode=PING) for number in range(50))
    assert session().receive(pings + frame({"type": "ping"})) == [Ping(), Say(server_frame(PONG, b"49"))]


def test_a_ping_is_answered_once() -> None:
    talk = session()
    talk.receive(frame(b"abc", opcode=PING))
    assert talk.receive(frame({"type": "ping"})) == [Ping()]


@pytest.mark.parametrize("idle", [frame(b"", opcode=PING), frame(b"", opcode=PONG), frame({"type": "hello"})])
@pytest.mark.parametrize("is_greeted", [True, False])
def test_a_flood_of_frames_without_a_command_ends_the_conversation(idle: bytes, is_greeted: bool) -> None:
    talk = session(is_greeted=is_greeted)
    for _ in range(IDLE_FRAMES_MAX):
        assert not any(isinstance(each, End) for each in talk.receive(idle))
    *_, end = talk.receive(idle)
    assert isinstance(end, End)
    assert end.code == 4429


def test_a_flood_in_one_read_is_not_answered_frame_by_frame() -> None:
    heard = session().receive(frame(b"", opcode=PING) * 40_000)
    assert [type(each) for each in heard] == [End]


def test_frames_without_a_command_that_come_at_a_walk_are_no_flood() -> None:
    talk = session()
    for _ in range(3):
        heard = talk.receive(frame(b"", opcode=PING) * IDLE_FRAMES_MAX)
        assert heard == [Say(server_frame(PONG, b""))]
        talk.beat()


def test_commands_are_not_counted_as_idle() -> None:
    many = IDLE_FRAMES_MAX + 5
    assert session().receive(frame({"type": "auth", "token": "t"}) * many) == [Auth(token="t")] * many


# Heartbeats.


def test_a_client_that_answers_is_asked_for_ever() -> None:
    talk = session()
    for _ in range(10):
        assert talk.beat() == Say(server_frame(PING, b""))
        talk.receive(frame(b"", opcode=PONG))


def test_two_heartbeats_without_an_answer_end_the_conversation() -> None:
    talk = session()
    assert talk.beat() == talk.beat() == Say(server_frame(PING, b""))
    end = talk.beat()
    assert isinstance(end, End)
    assert end.code == 4408


def test_a_command_is_a_sign_of_life_too() -> None:
    talk = session()
    talk.beat()
    talk.beat()
    talk.receive(frame({"type": "ping"}))
    assert isinstance(talk.beat(), Say)


def test_a_frame_that_never_ends_is_no_sign_of_life() -> None:
    talk = session()
    endless = frame(b"x" * 900)
    talk.beat()
    talk.receive(endless[:10])
    talk.beat()
    talk.receive(endless[10:20])
    assert isinstance(talk.beat(), End)


def test_a_message_that_never_ends_is_no_sign_of_life() -> None:
    talk = session()
    talk.beat()
    talk.receive(bytes([TEXT, 0x81]) + MASK + b"x")
    talk.beat()
    talk.receive(bytes([CONTINUATION, 0x81]) + MASK + b"x")
    assert isinstance(talk.beat(), End)
