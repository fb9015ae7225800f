"""What every answer carries, and that nothing internal reaches a client."""

import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from pytest_aiohttp.plugin import AiohttpClient

from protocol.errors import Code, Refusal, Refused, Unavailable
from server.log_lines import REQUEST_ID
from server.measures import Measures
from server.middleware import middlewares
from server.readiness import Readiness

Client = TestClient[web.Request, web.Application]
Open = Callable[..., Awaitable[Client]]


async def echo(request: web.Request) -> web.Response:
    return web.json_response(
        {"request_id": REQUEST_ID.get()}, headers={"Content-Security-Policy": "of its own"}
    )


async def refuse(request: web.Request) -> web.Response:
    refusal = Refusal(Code[request.match_info["code"]], "No.", field="name", retry_after_ms=1500)
    raise Refused(refusal)


async def fail(request: web.Request) -> web.Response:
    raise {
        "bug": KeyError("secret column"),
        "database": Unavailable("password=hunter2"),
        "large": too_large(),
    }[request.match_info["how"]]


def too_large() -> Exception:
    return web.HTTPRequestEntityTooLarge(10, 20)


async def redirect(request: web.Request) -> web.Response:
    raise web.HTTPFound("/elsewhere")


async def teapot(request: web.Request) -> web.Response:
    raise web.HTTPExpectationFailed(reason="Unexpected")


@pytest.fixture
def readiness() -> Readiness:
    readiness = Readiness()
    readiness.serve()
    return readiness


@pytest.fixture
async def open_client(aiohttp_client: AiohttpClient, readiness: Readiness) -> Open:
    async def open_with(*origins: str) -> Client:
        app = web.Application(middlewares=middlewares(origins, readiness, Measures()))
        app.router.add_get("/echo", echo)
        app.router.add_get("/health", echo)
        app.router.add_get("/refuse/{code}", refuse)
        app.router.add_get("/fail/{how}", fail)
        app.router.add_get("/redirect", redirect)
        app.router.add_get("/teapot", teapot)
        return await aiohttp_client(app)

    return open_with


@pytest.fixture
async def client(open_client: Open) -> Client:
    return await open_client()


async def problem_at(client: Client, path: str, status: int, **options: Any) -> dict[str, Any]:
    async with client.request(options.pop("method", "GET"), path, **options) as answer:
        assert answer.status == status
        assert answer.content_type == "application/problem+json"
        problem: dict[str, Any] = await answer.json(content_type=None)
        assert problem["status"] == status
        assert problem["request_id"] == answer.headers["X-Request-ID"]
        return problem


async def test_a_sane_request_id_is_honoured_and_known_to_the_logs(client: Client) -> None:
    async with client.get("/echo", headers={"X-Request-ID": "abc-123"}) as answer:
        assert answer.headers["X-Request-ID"] == "abc-123"
        assert await answer.json() == {"request_id": "abc-123"}


@pytest.mark.parametrize("given", ["", "x" * 129, "a b", "<script>", "naïve"])
async def test_an_odd_request_id_is_replaced(client: Client, given: str) -> None:
    async with client.get("/echo", headers={"X-Request-ID": given}) as answer:
        assert answer.headers["X-Request-ID"] != given
        assert len(answer.headers["X-Request-ID"]) == 16


async def test_every_answer_carries_the_security_headers_unless_it_says_otherwise(client: Client) -> None:
    for path in ("/echo", "/refuse/GONE", "/fail/bug", "/nowhere", "/redirect"):
        async with client.get(path, allow_redirects=False) as answer:
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["X-Frame-Options"] == "DENY"
            assert answer.headers["Server"] == "Parley"
            assert answer.headers["Cache-Control"] == "no-store"
            policy = answer.headers["Content-Security-Policy"]
            assert policy == "of its own" if path == "/echo" else "default-src 'none'" in policy


async def test_a_refusal_is_a_problem_with_its_code_and_field(client: Client) -> None:
    problem = await problem_at(client, "/refuse/TAKEN", 409)
    assert problem == {
        "type": "urn:parley:error:taken",
        "title": "Already taken",
        "status": 409,
        "detail": "No.",
        "code": "taken",
        "request_id": problem["request_id"],
        "errors": [{"field": "name", "message": "No."}],
    }


async def test_refusals_say_how_to_come_back(client: Client) -> None:
    async with client.get("/refuse/UNAUTHENTICATED") as answer:
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    for code in ("RATE_LIMITED", "OVERLOADED", "UNAVAILABLE", "DRAINING"):
        async with client.get(f"/refuse/{code}") as answer:
            assert answer.headers["Retry-After"] == "2"
    async with client.get("/refuse/TAKEN") as answer:
        assert not {"Retry-After", "WWW-Authenticate"} & set(answer.headers)


async def test_a_bug_is_logged_and_its_cause_stays_inside(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    problem = await problem_at(client, "/fail/bug", 500)
    assert problem["code"] == "internal"
    assert "secret" not in json.dumps(problem)
    record = next(each for each in caplog.records if each.levelno == logging.ERROR)
    assert record.exc_info
    assert vars(record)["route"] == "/fail/{how}"


async def test_a_dependency_that_is_away_is_retryable_and_unnamed(client: Client) -> None:
    problem = await problem_at(client, "/fail/database", 503)
    assert problem["code"] == "unavailable"
    assert "hunter2" not in json.dumps(problem)


async def test_what_the_framework_refuses_is_a_problem_too(client: Client) -> None:
    assert (await problem_at(client, "/nowhere", 404))["code"] == "not_found"
    assert (await problem_at(client, "/fail/large", 413))["code"] == "too_large"
    assert (await problem_at(client, "/teapot", 417))["title"] == "Expectation Failed"
    problem = await problem_at(client, "/echo", 405, method="POST")
    assert (problem["code"], problem["title"]) == ("unsupported", "Method Not Allowed")
    async with client.post("/echo") as answer:
        assert answer.headers["Allow"] == "GET,HEAD"


async def test_a_redirect_stays_one(client: Client) -> None:
    async with client.get("/redirect", allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (302, "/elsewhere")
        assert answer.headers["X-Request-ID"]


async def test_while_draining_only_health_answers(client: Client, readiness: Readiness) -> None:
    readiness.drain()
    readiness.serve()
    problem = await problem_at(client, "/echo", 503)
    assert problem["code"] == "draining"
    async with client.get("/health") as answer:
        assert answer.status == 200
    async with client.get("/echo") as answer:
        assert int(answer.headers["Retry-After"]) >= 1


async def test_without_the_setting_no_other_origin_may_read(client: Client) -> None:
    async with client.get("/echo", headers={"Origin": "https://a.example"}) as answer:
        assert "Access-Control-Allow-Origin" not in answer.headers


async def test_allowed_origins_may_read_refusals_too(open_client: Open) -> None:
    client = await open_client("https://a.example")
    for path in ("/echo", "/refuse/GONE"):
        async with client.get(path, headers={"Origin": "https://A.example"}) as answer:
            assert answer.headers["Access-Control-Allow-Origin"] == "https://A.example"
            assert "Retry-After" in answer.headers["Access-Control-Expose-Headers"]
            assert answer.headers["Vary"] == "Origin"
            assert "Access-Control-Allow-Credentials" not in answer.headers
    for origin in ("https://b.example", "null", "https://a.example.evil.example"):
        async with client.get("/echo", headers={"Origin": origin}) as answer:
            assert "Access-Control-Allow-Origin" not in answer.headers
            assert answer.headers["Vary"] == "Origin"
    async with client.get("/echo") as answer:
        assert "Access-Control-Allow-Origin" not in answer.headers


async def test_a_star_lets_every_origin_read(open_client: Open) -> None:
    client = await open_client("*")
    async with client.get("/echo", headers={"Origin": "https://b.example"}) as answer:
        assert answer.headers["Access-Control-Allow-Origin"] == "https://b.example"


async def test_a_preflight_is_answered_before_anything_is_asked(open_client: Open) -> None:
    client = await open_client("https://a.example")
    asked = {"Origin": "https://a.example", "Access-Control-Request-Method": "PUT"}
    async with client.options("/echo", headers=asked) as answer:
        assert answer.status == 204
        assert "PUT" in answer.headers["Access-Control-Allow-Methods"]
        assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]
    async with client.options("/echo", headers=asked | {"Origin": "https://b.example"}) as answer:
        assert answer.status == 405
    async with client.options("/echo", headers={"Origin": "https://a.example"}) as answer:
        assert answer.status == 405
