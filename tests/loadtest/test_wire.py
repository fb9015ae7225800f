"""What the harness reads and writes is what the protocol's own structs read and write."""

import msgspec

from loadtest.wire import Nonce, Row, encode_hello, encode_send, posted, read_nonce
from protocol.codec import JSON
from protocol.commands import Cursor, Hello, Send


def test_a_send_is_the_protocols() -> None:
    command = JSON.decode(encode_send(7, "hello", "n1"))
    assert command == Send(id="n1", channel_id=7, content="hello", nonce="n1")


def test_a_hello_is_the_protocols() -> None:
    command = JSON.decode(encode_hello("t", {7: 120, 8: 0}, "e"))
    assert command == Hello(token="t", resume=[Cursor(7, 120), Cursor(8, 0)], epoch="e")


def test_a_nonce_says_whose_send_it_is_and_when_it_was_due() -> None:
    nonce = Nonce(sender=12, number=3, intended=987_654_321)
    assert read_nonce(nonce.text("abcd1234"), "abcd1234") == nonce
    assert len(Nonce(99_999, 10**9, 10**15).text("abcd1234")) <= 64


def test_messages_of_others_are_told_apart() -> None:
    assert read_nonce("abcd1234.1.2.3", "ffff0000") is None
    assert read_nonce("whatever", "abcd1234") is None
    assert posted(Row(5, 9, "whatever"), "abcd1234") == (9, 5, 0, 0, 0)
    assert posted(msgspec.json.decode(b'{"id":5,"seq":9,"nonce":"r.1.2.3"}', type=Row), "r") == (
        9,
        5,
        1,
        2,
        3,
    )
