"""Tokens from the outside: whatever can be read in two ways is not read at all."""

import json
from typing import Any

import pytest

from server.compact_jws import TOKEN_MAX_CHARS, dissect
from tests.stand_ins.auth0 import b64

HEADER = b'{"alg":"RS256","typ":"JWT","kid":"k"}'
PAYLOAD = b'{"iss":"https://tenant.example/","sub":"a"}'


def token(header: bytes = HEADER, payload: bytes = PAYLOAD, signature: bytes = b"s") -> str:
    return ".".join(b64(part) for part in (header, payload, signature))


def test_header_payload_and_issuer_are_read() -> None:
    unverified = dissect(token())
    assert unverified is not None
    header = unverified.header
    assert (header.alg, header.typ, header.kid) == ("RS256", "JWT", "k")
    assert unverified.payload == PAYLOAD
    assert unverified.signed == token().rpartition(".")[0].encode()
    assert unverified.signature == b"s"
    assert unverified.issuer == "https://tenant.example/"


@pytest.mark.parametrize("claims", [{}, {"iss": None}, {"iss": 1}, {"iss": ["https://tenant.example/"]}])
def test_an_issuer_that_is_no_text_is_none(claims: dict[str, Any]) -> None:
    unverified = dissect(token(payload=json.dumps(claims).encode()))
    assert unverified is not None
    assert unverified.issuer is None


@pytest.mark.parametrize(
    ("header", "payload"),
    [
        (b'{"alg":"none","alg":"RS256"}', PAYLOAD),
        (b'{"alg":"RS256","kid":"a","kid":"b"}', PAYLOAD),
        (HEADER, b'{"iss":"parley","iss":"https://tenant.example/"}'),
        (HEADER, b'{"sub":"1","sub":"2"}'),
        (HEADER, b'{"sub":"1","\\u0073ub":"2"}'),
        (HEADER, b'{"nested":{"a":1,"a":2}}'),
    ],
)
def test_a_name_that_is_there_twice_is_refused(header: bytes, payload: bytes) -> None:
    assert dissect(token(header, payload)) is None


@pytest.mark.parametrize("extra", [b'"crit":["exp"]', b'"crit":[]', b'"crit":null', b'"b64":true'])
def test_an_extension_that_must_be_understood_is_refused(extra: bytes) -> None:
    assert dissect(token(b'{"alg":"RS256",' + extra + b"}")) is None


@pytest.mark.parametrize(
    "header", [b"", b"{", b"[]", b'"RS256"', b"{}", b'{"alg":1}', b'{"alg":null}', b"\xff", b"[" * 4000]
)
def test_a_header_that_is_none_is_refused(header: bytes) -> None:
    assert dissect(token(header)) is None


@pytest.mark.parametrize("payload", [b"", b"{", b"[]", b"1", b"\xff", b'{"a":' * 1000])
def test_a_payload_that_is_no_object_is_refused(payload: bytes) -> None:
    assert dissect(token(payload=payload)) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "..",
        "a.b",
        token() + ".more",
        "." + token(),
        token().replace(".", "=.", 1),
        token().replace(".", "\n.", 1),
        " " + token(),
        "é" + token()[1:],
        b64(HEADER) + "+/." + b64(PAYLOAD) + ".",
        token() + "=",
        token() + "!",
        # The same bytes, spelled with bits that count for nothing.
        b64(b'{"alg":"x"}')[:-1] + "R." + b64(PAYLOAD) + ".",
    ],
)
def test_what_is_not_exactly_three_parts_in_base64url_is_refused(text: str) -> None:
    assert dissect(text) is None


def test_a_huge_token_is_not_looked_at() -> None:
    padding = b'{"alg":"RS256","x":"' + b"x" * TOKEN_MAX_CHARS + b'"}'
    assert dissect(token(padding)) is None
    assert dissect(token(payload=padding)) is None
