"""Bodies that come as forms."""

from collections.abc import AsyncIterator
from ipaddress import ip_network
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from msgspec import structs
from pytest_aiohttp.plugin import AiohttpClient

from protocol.errors import Code, Refused
from server.calls import Call
from server.dispatch import BODY_MAX_BYTES, add_routes
from server.forms import FIELDS_MAX, Form, form_of, parse_form
from server.measures import Measures
from server.middleware import middlewares
from server.openapi import describe
from server.routing import Routes
from server.settings import Settings
from tests.server.rest.client import serving

part = Routes("Part")
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Greeting(Form, frozen=True, kw_only=True, rename="pascal"):
    body: str = ""
    profile_name: str = ""


@part.post("/greet", access="anyone", status=200, media_type="text/plain")
async def greet(call: Call, body: Greeting) -> str:
    """Say it back."""
    return f"{body.body}|{body.profile_name}|{dict(call.form_fields)}|{call.url}"


def test_every_field_is_kept_in_its_order_also_empty_and_repeated_ones() -> None:
    fields = parse_form(b"To=%2B49&Body=&Media=a&Media=b+c&Name=%C3%A9")
    assert list(fields.items()) == [
        ("To", "+49"),
        ("Body", ""),
        ("Media", "a"),
        ("Media", "b c"),
        ("Name", "é"),
    ]
    assert not parse_form(b"")


@pytest.mark.parametrize("body", [b"\xff=1", b"a=%FF", b"a=1&" * (FIELDS_MAX + 1)])
def test_what_is_no_form_in_utf_8_is_malformed(body: bytes) -> None:
    with pytest.raises(Refused) as refused:
        parse_form(body)
    assert refused.value.refusal.code is Code.MALFORMED


def test_a_struct_takes_what_it_names_and_lets_the_rest_through() -> None:
    fields = parse_form(b"Body=a%00b&Body=second&More=1")
    assert form_of(fields, Greeting) == Greeting(body="ab")


def test_a_form_is_described_as_one() -> None:
    operation = describe(part.routes, {}, version="1")["paths"]["/greet"]["post"]
    assert list(operation["requestBody"]["content"]) == ["application/x-www-form-urlencoded"]


PROXY = {"X-Forwarded-Proto": "http, https", "X-Forwarded-Host": "chat.example"}


@pytest.fixture
async def client(
    quick_settings: Settings, aiohttp_client: AiohttpClient
) -> AsyncIterator[TestClient[Any, Any]]:
    async with serving(quick_settings) as running:
        app = web.Application(middlewares=middlewares((), running.context.readiness, Measures()))
        add_routes(app, running.context, part.routes)
        yield await aiohttp_client(app)


async def test_a_handler_gets_its_struct_and_all_fields(client: TestClient[Any, Any]) -> None:
    async with client.post("/greet?a=%C3%A9", data={"Body": "hi", "More": ""}, headers=PROXY) as answer:
        url = f"http://127.0.0.1:{client.port}/greet?a=%C3%A9"
        assert await answer.text() == f"hi||{{'Body': 'hi', 'More': ''}}|{url}"


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{}", {"Content-Type": "application/json"}, 415),
        (b"Body=hi", {}, 415),
        (b"Body=hi", FORM | {"Content-Encoding": "gzip"}, 415),
        (b"Body=%FF", FORM, 400),
        (b"Body=" + b"a" * BODY_MAX_BYTES, FORM, 413),
    ],
)
async def test_other_bodies_are_refused(
    client: TestClient[Any, Any], body: bytes, headers: dict[str, str], status: int
) -> None:
    async with client.post("/greet", data=body, headers=headers) as answer:
        assert answer.status == status


@pytest.mark.parametrize(
    ("changes", "url"),
    [
        ({"trusted_proxies": (ip_network("127.0.0.0/8"),)}, "https://chat.example/greet?a=1"),
        ({"trusted_proxies": (ip_network("10.0.0.0/8"),)}, "http://127.0.0.1:{port}/greet?a=1"),
        ({"public_url": "https://x.example/chat"}, "https://x.example/chat/greet?a=1"),
    ],
)
async def test_the_outside_url_is_the_settings_or_a_trusted_proxys(
    quick_settings: Settings, aiohttp_client: AiohttpClient, changes: dict[str, Any], url: str
) -> None:
    async with serving(structs.replace(quick_settings, **changes)) as running:
        app = web.Application(middlewares=middlewares((), running.context.readiness, Measures()))
        add_routes(app, running.context, part.routes)
        client = await aiohttp_client(app)
        async with client.post("/greet?a=1", data={"Body": "hi"}, headers=PROXY) as answer:
            assert (await answer.text()).rpartition("|")[2] == url.format(port=client.port)
        odd = PROXY | {"X-Forwarded-Proto": "ftp"}
        async with client.post("/greet?a=1", data={"Body": "hi"}, headers=odd) as answer:
            assert not (await answer.text()).rpartition("|")[2].startswith("ftp")
