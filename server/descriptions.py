"""The descriptions of the REST API and of the socket: made at their first use, kept as bytes."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import msgspec

from server import asyncapi
from server.docs_page import docs_page
from server.links import link_routes
from server.openapi import Document, describe
from server.plain_text import refuse_nul_in_requests
from server.routing import Route
from server.version import version


class Descriptions:
    """One set of routes, for programs and for people, with examples by type."""

    def __init__(self, routes: Sequence[Route], examples: Mapping[Any, Any], public_url: str = "") -> None:
        self._routes = routes
        self._examples = examples
        self._server_url = public_url or "/"

    @cached_property
    def document(self) -> Document:
        document = describe(self._routes, self._examples, version=version(), server_url=self._server_url)
        link_routes(document, self._routes)
        refuse_nul_in_requests(document)
        return document

    @cached_property
    def openapi(self) -> msgspec.Raw:
        return msgspec.Raw(msgspec.json.encode(self.document))

    @cached_property
    def asyncapi(self) -> msgspec.Raw:
        return msgspec.Raw(msgspec.json.encode(asyncapi.describe(version=version())))

    @cached_property
    def page(self) -> str:
        return docs_page(msgspec.json.decode(self.openapi))
