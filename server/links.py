"""What to do next with what was made: OpenAPI links from each creation to the routes that take its ids."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from protocol.resources import Message
from server.routing import PLACEHOLDER, Route

Document = dict[str, Any]


def link_routes(document: Document, routes: Sequence[Route]) -> None:
    """Add the links to the document's operations."""
    for maker in routes:
        if links := dict(_links(maker, routes)):
            operation = document["paths"][maker.path][maker.method.lower()]
            operation["responses"][str(maker.status)]["links"] = links


def _links(maker: Route, routes: Iterable[Route]) -> Iterable[tuple[str, Document]]:
    ids = _ids_of(maker.shape.answer) if maker.method == "POST" else {}
    known = set(PLACEHOLDER.findall(maker.path))
    for route in routes:
        names = [name for name in PLACEHOLDER.findall(route.path) if name in ids]
        if not known.issuperset(names):
            parameters = {name: f"$response.body#/{ids[name]}" for name in names}
            yield route.name, {"operationId": route.name, "parameters": parameters}


def _ids_of(kind: Any) -> Mapping[str, str]:
    """By placeholder, which field of an answer it stands for."""
    if "id" not in getattr(kind, "__struct_fields__", ()):
        return {}
    own = {f"{kind.__name__.lower()}_id": "id"}
    # The first message to somebody makes the conversation too.
    return own | ({name: name for name in ("channel_id", "conversation_id")} if kind is Message else {})
