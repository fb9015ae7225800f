"""The OpenAPI 3.1 description of the routes, generated from them and from their structs."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final

import msgspec

from protocol.errors import MEANINGS, Code, Refusal
from server.file_answers import FileAnswer
from server.openapi_examples import Examples
from server.problems import CONTENT_TYPE, Problem, problem_of
from server.routing import PLACEHOLDER, Route
from server.uploads import Upload

Document = dict[str, Any]

_REF: Final = "#/components/schemas/{name}"
_SECURITY: Final[Document] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The `access_token` that `POST /auth/login` answers.",
    }
}
_HEADERS: Final[dict[str, tuple[str, str]]] = {
    "X-Request-ID": ("string", "The request's id: the one that was sent, or a new one."),
    "Retry-After": ("integer", "Seconds to wait before trying again."),
    "WWW-Authenticate": ("string", "How to authenticate."),
    "RateLimit-Limit": ("integer", "How often this may be done at once."),
    "RateLimit-Remaining": ("integer", "How often it may still be done."),
    "RateLimit-Reset": ("integer", "Seconds until all of that is there again."),
}


def describe(
    routes: Iterable[Route], examples_by_type: Mapping[Any, Any], *, version: str, server_url: str = "/"
) -> Document:
    """The whole document. Nothing in it is written by hand but what the structs, routes and examples say."""
    routes = list(routes)
    schemas, examples = _Schemas(routes), Examples(examples_by_type)
    paths: Document = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas, examples)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Parley",
            "version": version,
            "description": "Self-hosted real-time chat. Every refusal is an RFC 9457 problem with a `code`.",
        },
        "servers": [{"url": server_url}],
        "tags": [{"name": tag} for tag in dict.fromkeys(route.tag for route in routes)],
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "securitySchemes": _SECURITY,
            "headers": {name: _header(*about) for name, about in _HEADERS.items()},
            "examples": examples.components | {code.value: {"value": _example(code)} for code in Code},
        },
    }


class _Schemas:
    """One schema for each type that a route takes or answers."""

    def __init__(self, routes: list[Route]) -> None:
        kinds = list(
            dict.fromkeys(
                kind
                for route in routes
                for kind in (route.shape.path, route.shape.query, route.shape.body, route.shape.answer)
                if kind not in {None, FileAnswer}
            )
        )
        schemas, components = msgspec.json.schema_components(
            [*kinds, Problem], schema_hook=_schema_of_file, ref_template=_REF
        )
        self._by_kind = dict(zip([*kinds, Problem], schemas, strict=True))
        self.components: Document = dict(components)
        # Placeholders and queries are parameters, each with its schema in place.
        parameters = {kind for route in routes for kind in (route.shape.path, route.shape.query) if kind}
        self._properties = {kind: self._take_properties(kind) for kind in parameters}

    def of(self, kind: Any) -> Document:
        return self._by_kind[kind]

    def properties(self, kind: Any) -> Document:
        return self._properties[kind]

    def _take_properties(self, kind: Any) -> Document:
        name = self._by_kind[kind]["$ref"].rpartition("/")[2]
        properties: Document = self.components.pop(name)["properties"]
        return properties


def _operation(route: Route, schemas: _Schemas, examples: Examples) -> Document:
    summary, _, details = route.description.partition("\n")
    operation: Document = {
        "operationId": route.name,
        "tags": [route.tag],
        "summary": summary,
        "description": " ".join(details.split()) or summary,
        "parameters": [*_parameters(route, schemas)],
        "responses": _successes(route, schemas, examples) | _refusals(route),
        "security": [] if route.access == "anyone" else [{"bearer": []}],
        "x-access": route.access,
    }
    if route.shape.body is not None:
        body = route.shape.body
        content = {route.body_type: {"schema": schemas.of(body)} | examples.of_body(body)}
        operation["requestBody"] = {"required": not route.shape.body_optional, "content": content}
    return operation


def _parameters(route: Route, schemas: _Schemas) -> Iterable[Document]:
    if route.shape.path is not None:
        properties = schemas.properties(route.shape.path)
        for name in PLACEHOLDER.findall(route.path):
            yield {"name": name, "in": "path", "required": True, "schema": properties[name]}
    if route.shape.query is not None:
        for field in msgspec.structs.fields(route.shape.query):
            schema = schemas.properties(route.shape.query)[field.encode_name]
            yield {"name": field.encode_name, "in": "query", "required": field.required, "schema": schema}
    if route.takes_nonce:
        yield {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "description": "In place of `nonce` in the body: the same key again answers the first message.",
            "schema": {"type": "string", "minLength": 1, "maxLength": 64},
        }


def _successes(route: Route, schemas: _Schemas, examples: Examples) -> Document:
    headers = ["X-Request-ID"]
    if Code.RATE_LIMITED in route.all_refusals:
        headers += ["RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"]
    return {
        str(status): _response(HTTPStatus(status).phrase, headers)
        | (_content(route, schemas, examples) if status < HTTPStatus.MULTIPLE_CHOICES else {})
        for status in (route.status, *route.also)
    }


def _content(route: Route, schemas: _Schemas, examples: Examples) -> Document:
    if route.shape.answer is None:
        return {}
    answer = {"schema": _answer_schema(route.shape.answer, schemas)}
    shown = examples.of_answer(route.shape.answer) if route.example is None else {"example": route.example}
    return {"content": {route.media_type: answer | shown}}


def _answer_schema(answer: Any, schemas: _Schemas) -> Document:
    if answer is FileAnswer:
        return {"description": "The bytes of the file."}
    return {"type": "string"} if answer is str else schemas.of(answer)


def _schema_of_file(kind: type) -> Document:
    if kind is not Upload:
        raise NotImplementedError
    return {"type": "string", "format": "binary", "contentMediaType": "application/octet-stream"}


def _refusals(route: Route) -> Document:
    by_status: dict[int, list[Code]] = {}
    for code in route.all_refusals:
        by_status.setdefault(MEANINGS[code].status, []).append(code)
    return {str(status): _refusal(status, codes) for status, codes in sorted(by_status.items())}


def _refusal(status: int, codes: list[Code]) -> Document:
    headers = ["X-Request-ID"]
    if status == HTTPStatus.UNAUTHORIZED:
        headers.append("WWW-Authenticate")
    if status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}:
        headers.append("Retry-After")
    examples = {code.value: {"$ref": f"#/components/examples/{code.value}"} for code in codes}
    content = {CONTENT_TYPE: {"schema": {"$ref": _REF.format(name="Problem")}, "examples": examples}}
    return _response(", ".join(f"`{code}`" for code in codes), headers) | {"content": content}


def _example(code: Code) -> Any:
    field = "content" if code == Code.INVALID else None
    refusal = Refusal(code, MEANINGS[code].title, field=field)
    return msgspec.to_builtins(problem_of(refusal, request_id="0192f0c1a2b34d5e"))


def _response(description: str, headers: list[str]) -> Document:
    return {
        "description": description,
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in headers},
    }


def _header(kind: str, description: str) -> Document:
    return {"description": description, "schema": {"type": kind}}
