"""What people say of a report: the same limits for the routes and for agents that file one."""

from typing import Annotated

from msgspec import Meta

from protocol.commands import CONTENT_MAX_CHARS, MAX_INT

ReportTitle = Annotated[str, Meta(min_length=1, max_length=255, examples=["The search finds nothing"])]
ReportText = Annotated[str, Meta(min_length=1, max_length=CONTENT_MAX_CHARS)]
ReportId = Annotated[int, Meta(ge=1, le=MAX_INT)]
