"""Every operation shows what it takes and what it answers, and what it shows is so."""

from typing import Any, Final, get_args

import jsonschema_rs
import msgspec
import pytest

from server.descriptions import Descriptions
from server.examples.rest import EXAMPLES, FORMS
from server.examples.socket import SOCKET_EXAMPLES
from server.file_answers import FileAnswer
from server.forms import form_of, is_form
from server.openapi_examples import Examples
from server.paging import Page
from server.rest.table import ROUTES
from server.routing import Route

DOCUMENT: Any = msgspec.json.decode(Descriptions(ROUTES, EXAMPLES).openapi)
COMPONENTS: Any = DOCUMENT["components"]
WITH_BODY: Final = [route for route in ROUTES if route.shape.body is not None]
ANSWERING: Final = [route for route in ROUTES if route.shape.answer not in {None, FileAnswer}]
STRUCTS: Final = [kind for kind in EXAMPLES if kind not in FORMS]


def operation_of(route: Route) -> Any:
    return DOCUMENT["paths"][route.path][route.method.lower()]


def body_of(route: Route) -> Any:
    return operation_of(route)["requestBody"]["content"][route.body_type]


def answer_of(route: Route) -> Any:
    return operation_of(route)["responses"][str(route.status)]["content"][route.media_type]


def shown(body: Any) -> list[Any]:
    """The examples of a media type."""
    names = [
        each["$ref"].removeprefix("#/components/examples/") for each in body.get("examples", {}).values()
    ]
    own = [body["example"]] if "example" in body else []
    return own + [COMPONENTS["examples"][name]["value"] for name in names]


def check(body: Any) -> None:
    """That there is an example, and that each fits the schema."""
    schema = {**body["schema"], "components": COMPONENTS}
    assert shown(body)
    for example in shown(body):
        jsonschema_rs.Draft202012Validator(schema, validate_formats=True).validate(example)


@pytest.mark.parametrize("route", WITH_BODY, ids=lambda route: route.name)
def test_an_operation_with_a_body_shows_one_that_it_takes(route: Route) -> None:
    check(body_of(route))
    for example in shown(body_of(route)):
        if route.takes_files:
            assert example.keys() == set(route.shape.body.__struct_fields__)
        elif is_form(route.shape.body):
            assert form_of(example, route.shape.body) == EXAMPLES[route.shape.body]
        else:
            said = msgspec.json.encode(example)
            assert msgspec.json.decode(said, type=route.shape.body) == EXAMPLES[route.shape.body]


@pytest.mark.parametrize("route", ANSWERING, ids=lambda route: route.name)
def test_an_operation_that_answers_shows_what(route: Route) -> None:
    check(answer_of(route))


@pytest.mark.parametrize("kind", STRUCTS, ids=lambda kind: kind.__name__)
def test_an_example_is_what_its_struct_reads(kind: Any) -> None:
    example = EXAMPLES[kind]
    assert msgspec.json.decode(msgspec.json.encode(example), type=kind) == example


def test_there_is_no_example_that_nothing_shows() -> None:
    kinds: set[Any] = set(SOCKET_EXAMPLES)
    for route in ROUTES:
        kinds |= {route.shape.body, route.shape.answer, *get_args(route.shape.answer)}
    assert set(EXAMPLES) <= kinds


def test_a_choice_shows_each_and_a_list_shows_its_item() -> None:
    examples = Examples({int: 3, str: "x"})
    assert list(examples.of_answer(int | str)["examples"]) == ["int", "str"]
    assert list(examples.of_answer(Page[int])["examples"]) == ["Page_int_"]
    assert examples.components["Page_int_"]["value"] == {"items": [3], "next": None}
    assert examples.of_answer(float) == {}
    assert examples.of_body(float) == {}
