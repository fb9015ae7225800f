"""What a route reads from its handler's signature."""

from typing import Annotated

import msgspec
import pytest
from msgspec import Meta

from protocol.errors import Code
from server.routing import Routes


class Query(msgspec.Struct):
    limit: int = 50


class Body(msgspec.Struct):
    name: str
    nonce: str | None = None


class Thing(msgspec.Struct):
    name: str


things = Routes("Things")


@things.get("/things/{thing_id}", refuses=(Code.NOT_FOUND,))
async def read_thing(call: object, thing_id: Annotated[int, Meta(ge=1)], query: Query) -> Thing:
    """Read a thing.

    At length.
    """
    raise NotImplementedError


@things.post("/things/", status=201, also=(200,), spends_budget=True)
async def create_thing(call: object, body: Body) -> Thing:
    """Create a thing."""
    raise NotImplementedError


@things.put("/things/{thing_id}", access="superuser")
async def update_thing(call: object, thing_id: int, body: Body | None) -> Thing:
    raise NotImplementedError


@things.delete("/things/{thing_id}", access="anyone")
async def delete_thing(call: object, thing_id: int) -> None:
    raise NotImplementedError


READ, CREATE, UPDATE, DELETE = things.routes


def test_the_signature_says_what_is_taken_and_answered() -> None:
    assert (READ.shape.query, READ.shape.body, READ.shape.answer) == (Query, None, Thing)
    assert msgspec.structs.fields(READ.shape.path)[0].name == "thing_id"
    assert (CREATE.shape.path, CREATE.shape.query, CREATE.shape.body) == (None, None, Body)
    assert not CREATE.shape.body_optional
    assert (UPDATE.shape.body, UPDATE.shape.body_optional) == (Body, True)
    assert DELETE.shape.answer is None


def test_methods_have_their_usual_status_and_users_are_let_in_by_default() -> None:
    assert [route.status for route in things.routes] == [200, 201, 200, 204]
    assert [route.access for route in things.routes] == ["user", "user", "superuser", "anyone"]


def test_a_route_is_named_and_described_by_its_handler() -> None:
    assert (READ.name, READ.tag, READ.description) == ("read_thing", "Things", "Read a thing.\n\nAt length.")
    assert DELETE.description == ""


def test_a_body_with_a_nonce_may_be_sent_again() -> None:
    assert [route.takes_nonce for route in things.routes] == [False, True, True, False]


def test_refusals_follow_from_access_and_parameters() -> None:
    always = {Code.MALFORMED, Code.UNAVAILABLE, Code.DRAINING, Code.INTERNAL}
    access = {Code.UNAUTHENTICATED, Code.TOKEN_EXPIRED, Code.TOKEN_REVOKED, Code.ACCOUNT_DISABLED}
    body = {Code.MALFORMED, Code.UNSUPPORTED, Code.TOO_LARGE, Code.INVALID}
    assert set(READ.all_refusals) == always | access | {Code.NOT_FOUND, Code.INVALID}
    assert set(CREATE.all_refusals) == always | access | body | {Code.RATE_LIMITED}
    assert set(UPDATE.all_refusals) == always | access | body | {Code.FORBIDDEN}
    assert set(DELETE.all_refusals) == always | {Code.INVALID}


def test_a_handler_that_does_not_fit_its_path_is_found_at_once() -> None:
    async def lost(call: object, other_id: int) -> None: ...

    with pytest.raises(TypeError, match="lost takes"):
        things.get("/things/{thing_id}")(lost)
