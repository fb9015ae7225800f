"""What is refused of bodies and strings, with which code and which field."""

from typing import Annotated, Any

import msgspec
import pytest
from msgspec import Meta

from protocol.errors import Code, Refusal, Refused
from server.decoding import decode_json, decode_strings
from server.fields import ChannelName, Email, Phone, Picture, Username


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    name: str


class Body(msgspec.Struct, forbid_unknown_fields=True):
    content: Annotated[str, Meta(min_length=1, max_length=5)]
    size: int = 0
    inner: Inner | None = None
    names: list[str] = []


DECODER = msgspec.json.Decoder(Body)


def refusal_of(body: bytes) -> Refusal:
    with pytest.raises(Refused) as caught:
        decode_json(DECODER, body)
    return caught.value.refusal


def test_a_good_body_becomes_its_struct() -> None:
    assert decode_json(DECODER, b'{"content":"a","size":2}') == Body(content="a", size=2)


@pytest.mark.parametrize("size", [b"7.0", b"70e-1", b"0.7e1"])
def test_a_whole_number_is_one_however_it_is_spelled(size: bytes) -> None:
    body = b'{"content":"a","size":%b,"inner":{"name":"b"},"names":["c"]}'
    assert decode_json(DECODER, body % size) == decode_json(DECODER, body % b"7")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[" * 10_000,
        b'{"content":1',
        b'{"content":"a"}}',
        b'{"content":"\xff"}',
        b'{"content":"\\ud800"}',
        b'{"content":"a","size":NaN}',
        b'{"content":"a","size":1.0',
        b'{"content":"a","size":1.0,"inner":' + b"[" * 10_000,
        b"content=a",
    ],
)
def test_what_is_no_json_is_malformed(body: bytes) -> None:
    assert refusal_of(body).code == Code.MALFORMED


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"[]", None),
        (b"7", None),
        (b"{}", "content"),
        (b'{"content":{}}', "content"),
        (b'{"content":null}', "content"),
        (b'{"content":""}', "content"),
        (b'{"content":"abcdef"}', "content"),
        (b'{"content":"a","size":"1"}', "size"),
        (b'{"content":"a","size":1.5}', "size"),
        (b'{"content":1.0}', "content"),
        (b'{"content":"a","is_superuser":true}', "is_superuser"),
        (b'{"content":"a","inner":{}}', "inner.name"),
        (b'{"content":"a","inner":{"name":"b","x":1}}', "inner.x"),
        (b'{"content":"a","names":["b",1]}', "names[1]"),
        (b'{"content":"a\\u0000"}', "content"),
        (b'{"content":"a","inner":{"name":"\\u0000"}}', "inner.name"),
        (b'{"content":"a","names":["b","\\u0000"]}', "names[1]"),
    ],
)
def test_what_does_not_fit_is_invalid_and_names_the_field(body: bytes, field: str | None) -> None:
    refusal = refusal_of(body)
    assert (refusal.code, refusal.field) == (Code.INVALID, field)


def test_strings_are_read_as_what_the_struct_says() -> None:
    assert decode_strings({"content": "a", "size": "12"}, Body) == Body(content="a", size=12)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"content": "a", "size": "x"}, "size"),
        ({"content": "\0"}, "content"),
        ({"content": "a", "b": ""}, "b"),
    ],
)
def test_strings_that_do_not_fit_are_invalid(values: dict[str, str], field: str) -> None:
    with pytest.raises(Refused) as caught:
        decode_strings(values, Body)
    assert (caught.value.refusal.code, caught.value.refusal.field) == (Code.INVALID, field)


@pytest.mark.parametrize(
    ("kind", "text"),
    [(Username, "al ice"), (Email, "alice"), (Phone, "call me"), (Picture, "ftp://x"), (ChannelName, " x")],
)
def test_a_pattern_refuses_in_words(kind: Any, text: str) -> None:
    with pytest.raises(Refused) as caught:
        decode_strings({"value": text}, msgspec.defstruct("One", [("value", kind)]))
    refusal = caught.value.refusal
    assert refusal.field == "value"
    assert refusal.message.startswith(("Expected 1 to ", "Expected a", "Expected one line"))
    assert "regex" not in refusal.message
