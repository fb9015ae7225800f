"""Typed routes: what a request is decoded into, who may call, what is answered and what may be refused.

A handler is an async function. Its parameters say what it takes: `call`, then the path's placeholders,
`query` and `body`; its return type says what it answers, and its docstring what it does. A body with a field
of type `Upload` comes as multipart/form-data, a `Form` as application/x-www-form-urlencoded, any other as
JSON; a `FileAnswer` is a file.
Next on a message's path: `dispatch.py` runs a route.
"""

import inspect
import re
from collections.abc import Awaitable, Callable
from types import NoneType
from typing import Any, Final, Literal, get_args, get_type_hints

from msgspec import Struct, defstruct

from protocol.errors import Code
from server.forms import FORM_TYPE, is_form
from server.uploads import upload_fields

Access = Literal["anyone", "auth0", "user", "superuser"]
Handler = Callable[..., Awaitable[Any]]
Method = Literal["GET", "POST", "PUT", "DELETE"]

PLACEHOLDER: Final = re.compile(r"\{(\w+)\}")
BODY_REFUSALS: Final = (Code.MALFORMED, Code.UNSUPPORTED, Code.TOO_LARGE)
ACCESS_REFUSALS: Final[dict[Access, tuple[Code, ...]]] = {
    "anyone": (),
    "user": (Code.UNAUTHENTICATED, Code.TOKEN_EXPIRED, Code.TOKEN_REVOKED, Code.ACCOUNT_DISABLED),
    "auth0": (
        Code.UNAUTHENTICATED,
        Code.TOKEN_EXPIRED,
        Code.TOKEN_REVOKED,
        Code.ACCOUNT_DISABLED,
        Code.FORBIDDEN,
    ),
    "superuser": (
        Code.UNAUTHENTICATED,
        Code.TOKEN_EXPIRED,
        Code.TOKEN_REVOKED,
        Code.ACCOUNT_DISABLED,
        Code.FORBIDDEN,
    ),
}


# What is no HTTP is malformed before any route is looked for.
ALWAYS: Final = (Code.MALFORMED, Code.UNAVAILABLE, Code.DRAINING, Code.INTERNAL)


class Shape(Struct, frozen=True, kw_only=True):
    """The types of a handler: structs of the path's placeholders, the query and the body, and the answer."""

    path: Any = None
    query: Any = None
    body: Any = None
    body_optional: bool = False
    answer: Any = None


class Route(Struct, frozen=True, kw_only=True):
    """One method of one path. `also` are other statuses of success; `spends_budget` counts as a command.

    With `pays_first` it is spent before the body is read; else the command itself spends it.
    `guard` gets the call before its body is read, and raises Refused for whom it does not let in.
    A file of the body may have `file_max_bytes`; None: as many as the settings say.
    `example` is of an answer that no struct describes.
    """

    method: Method
    path: str
    handler: Handler
    shape: Shape
    tag: str
    access: Access = "user"
    status: int = 200
    also: tuple[int, ...] = ()
    refuses: tuple[Code, ...] = ()
    media_type: str = "application/json"
    example: Any = None
    spends_budget: bool = False
    pays_first: bool = False
    guard: Callable[[Any], None] | None = None
    file_max_bytes: int | None = None

    @property
    def name(self) -> str:
        return self.handler.__name__

    @property
    def description(self) -> str:
        return inspect.getdoc(self.handler) or ""

    @property
    def takes_nonce(self) -> bool:
        """Whether repeating the request with the same nonce answers what the first one made."""
        return "nonce" in getattr(self.shape.body, "__struct_fields__", ())

    @property
    def takes_files(self) -> bool:
        """Whether the body is multipart/form-data."""
        return bool(upload_fields(self.shape.body))

    @property
    def body_type(self) -> str:
        """The media type of the body."""
        if self.takes_files:
            return "multipart/form-data"
        return FORM_TYPE if is_form(self.shape.body) else "application/json"

    @property
    def all_refusals(self) -> tuple[Code, ...]:
        """What it declares, and what follows from its access and its parameters."""
        shape = self.shape
        codes = [*ACCESS_REFUSALS[self.access], *self.refuses]
        if shape.body is not None:
            codes.extend(BODY_REFUSALS)
        if (shape.path, shape.query, shape.body) != (None, None, None):
            codes.append(Code.INVALID)
        if self.spends_budget:
            codes.append(Code.RATE_LIMITED)
        return tuple(dict.fromkeys([*codes, *ALWAYS]))


class Routes:
    """The routes of one part of the API, gathered by decorators."""

    def __init__(self, tag: str) -> None:
        self.tag = tag
        self.routes: list[Route] = []

    def get(self, path: str, **options: Any) -> Callable[[Handler], Handler]:
        return self._add("GET", path, options)

    def post(self, path: str, **options: Any) -> Callable[[Handler], Handler]:
        return self._add("POST", path, options)

    def put(self, path: str, **options: Any) -> Callable[[Handler], Handler]:
        return self._add("PUT", path, options)

    def delete(self, path: str, **options: Any) -> Callable[[Handler], Handler]:
        return self._add("DELETE", path, {"status": 204} | options)

    def _add(self, method: Method, path: str, options: dict[str, Any]) -> Callable[[Handler], Handler]:
        def add(handler: Handler) -> Handler:
            shape = shape_of(handler, path)
            self.routes.append(
                Route(method=method, path=path, handler=handler, shape=shape, tag=self.tag, **options)
            )
            return handler

        return add


def shape_of(handler: Handler, path: str) -> Shape:
    """What the handler's signature says. TypeError when it does not fit the path."""
    hints = get_type_hints(handler, include_extras=True)
    answer = hints.pop("return")
    hints.pop("call")
    query = hints.pop("query", None)
    body, body_optional = _without_none(hints.pop("body", None))
    if set(hints) != set(PLACEHOLDER.findall(path)):
        raise TypeError(f"{handler.__name__} takes {sorted(hints)}, but its path is {path}")
    return Shape(
        path=defstruct(f"{handler.__name__}_path", list(hints.items()), frozen=True) if hints else None,
        query=query,
        body=body,
        body_optional=body_optional,
        answer=None if answer is NoneType else answer,
    )


def _without_none(body: Any) -> tuple[Any, bool]:
    """A body of type `X | None` may be left out."""
    kinds = get_args(body)
    if NoneType not in kinds:
        return body, False
    return next(kind for kind in kinds if kind is not NoneType), True
