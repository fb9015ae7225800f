"""That the description says what the routes do."""

from typing import Any

import msgspec
import pytest
from openapi_spec_validator import validate

from protocol.errors import MEANINGS, Code
from server.descriptions import Descriptions
from server.examples.rest import EXAMPLES
from server.problems import CONTENT_TYPE
from server.rest.table import ROUTES
from server.routing import Route

DOCUMENT: Any = msgspec.json.decode(Descriptions(ROUTES, EXAMPLES, "https://chat.example.org").openapi)


def operation_of(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = DOCUMENT["paths"][route.path][route.method.lower()]
    return operation


def test_the_document_is_valid() -> None:
    validate(DOCUMENT)


def test_it_is_served_where_the_outside_finds_it() -> None:
    assert DOCUMENT["servers"] == [{"url": "https://chat.example.org"}]


def test_operations_are_named_once_and_described() -> None:
    operations = [operation_of(route) for route in ROUTES]
    assert len({each["operationId"] for each in operations}) == len(ROUTES)
    assert all(each["summary"].endswith(".") and each["tags"] for each in operations)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_an_operation_tells_its_access_statuses_and_refusals(route: Route) -> None:
    operation = operation_of(route)
    assert operation["security"] == ([] if route.access == "anyone" else [{"bearer": []}])
    statuses = {str(status) for status in (route.status, *route.also)}
    statuses |= {str(MEANINGS[code].status) for code in route.all_refusals}
    assert set(operation["responses"]) == statuses
    told = [
        code
        for response in operation["responses"].values()
        for code in response.get("content", {}).get(CONTENT_TYPE, {}).get("examples", {})
    ]
    assert sorted(told) == sorted(route.all_refusals)


def test_parameters_and_bodies_are_those_of_the_handler() -> None:
    by_name = {route.name: operation_of(route) for route in ROUTES}
    history = by_name["list_channel_messages"]["parameters"]
    assert {each["name"] for each in history} == {"channel_id", "limit", "cursor", "skip", "before", "after"}
    assert {"with", "unread"} <= {each["name"] for each in by_name["list_messages"]["parameters"]}
    assert history[0] == {
        "name": "channel_id",
        "in": "path",
        "required": True,
        "schema": {"type": "integer", "minimum": 1, "maximum": 2**53},
    }
    send = by_name["send_channel_message"]
    assert "Idempotency-Key" in {each["name"] for each in send["parameters"]}
    assert "RateLimit-Remaining" in send["responses"]["201"]["headers"]
    assert send["requestBody"]["required"]
    assert not by_name["create_invite"]["requestBody"]["required"]
    assert "content" not in by_name["close_channel"]["responses"]["204"]


def test_bodies_allow_nothing_that_is_not_asked_for() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    assert schemas["MessageCreate"]["additionalProperties"] is False
    assert schemas["Problem"]["required"] == ["type", "title", "status", "detail", "code", "request_id"]


def test_every_code_has_an_example() -> None:
    assert set(DOCUMENT["components"]["examples"]) >= {code.value for code in Code}
