"""Every route that takes a body refuses what it does not ask for, and objects where it asks for text."""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from server.examples.rest import EXAMPLES
from server.forms import is_form, is_json_or_form
from server.openapi_examples import Examples
from server.rest.table import ROUTES
from server.routing import Route
from tests.server.access.table import LINES, SIGNED
from tests.server.access.world import World, filled, form_of
from tests.server.rest.client import Api

POWERS: Final = {"is_superuser": True, "role": "owner", "sender_id": 1, "id": 1}
"""What people would give themselves, if a body were taken for a row."""
ODD: Final[tuple[Any, ...]] = ([{}] * 16, {"$gt": ""}, 7, True)
LENIENT: Final = SIGNED | {"POST /hooks/{secret}"}
"""What others specify, and add to whenever they like: what is not known is let through and does nothing."""
OF_TENANT: Final = {"POST /auth/sync"}
"""For tokens of Auth0's: `tests/server/rest/test_auth0.py` has the same for it."""


def name_of(route: Route) -> str:
    return f"{route.method} {route.path}"


STRICT: Final = [
    route
    for route in ROUTES
    if route.shape.body is not None and name_of(route) not in LENIENT | OF_TENANT and not route.takes_files
]


def body_of(route: Route) -> dict[str, Any]:
    """One that is taken."""
    examples = Examples(EXAMPLES)
    examples.of_body(route.shape.body)
    ((_, example),) = examples.components.items()
    body: dict[str, Any] = example["value"]
    return body


def texts_of(kind: Any) -> Iterator[str]:
    """The fields that take text, or a list of texts."""
    schema = msgspec.json.schema(kind)
    for name, field in schema["$defs"][kind.__name__]["properties"].items():
        if "string" in str(field) or "enum" in str(field):
            yield name


async def refusal_of(caller: Api, world: World, route: Route, body: dict[str, Any]) -> tuple[int, Any]:
    path = filled(route.path, await world.things())
    headers = {} if route.access == "anyone" else {"Authorization": f"Bearer {caller.token}"}
    async with caller.session.request(route.method, path, json=body, headers=headers) as answer:
        problem = await answer.json(content_type=None)
        return answer.status, [problem["code"], *(each["field"] for each in problem["errors"])]


def test_all_bodies_but_those_of_other_services_are_strict() -> None:
    lenient = {
        name_of(route)
        for route in ROUTES
        if route.shape.body is not None and not route.shape.body.__struct_config__.forbid_unknown_fields
    }
    assert lenient == LENIENT
    assert not any(is_form(route.shape.body) or is_json_or_form(route.shape.body) for route in STRICT)


async def test_nobody_gives_themselves_what_was_not_asked_for(world: World) -> None:
    superuser = world.people["superuser"]
    for route in STRICT:
        asked = route.shape.body.__struct_encode_fields__
        for field, value in POWERS.items():
            if field not in asked:
                answer = await refusal_of(superuser, world, route, body_of(route) | {field: value})
                assert answer == (422, ["invalid", field]), name_of(route)


async def test_a_form_with_a_file_takes_no_other_field_either(world: World) -> None:
    superuser = world.people["superuser"]
    for route in ROUTES:
        if route.takes_files:
            fields = (LINES[name_of(route)].form or {}) | {"is_superuser": "true"}
            form = form_of(fields, await world.things())
            told = await superuser.refused(route.method, route.path, data=form)
            assert told == ("invalid", "is_superuser"), name_of(route)


async def test_where_text_is_asked_for_nothing_else_is_taken(world: World) -> None:
    superuser, tried = world.people["superuser"], 0
    for route in STRICT:
        for field in texts_of(route.shape.body):
            for odd in ODD:
                status, told = await refusal_of(superuser, world, route, body_of(route) | {field: odd})
                assert (status, told[0]) == (422, "invalid"), (name_of(route), field, odd)
                assert told[1].startswith(field), (name_of(route), field, odd)
                tried += 1
    assert tried > 100
