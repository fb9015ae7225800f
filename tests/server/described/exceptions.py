"""Where the contract departs from what a check of schemathesis assumes: one reviewed list.

An exception forgives one refusal of one operation, named by the field that the refusal names. Everything else
that schemathesis finds is a fault of the server's or of its description.
"""

from typing import Final

from msgspec import Struct

from server.rest.table import ROUTES
from server.routing import Route


class Exemption(Struct, frozen=True):
    """The refusal of a request that fits the schema. `field` is the one that the problem names."""

    operation: str
    field: str
    reason: str


def _takes_cursor(route: Route) -> bool:
    return "cursor" in getattr(route.shape.query, "__struct_fields__", ())


def _exempt(field: str, reason: str, *operations: str) -> tuple[Exemption, ...]:
    return tuple(Exemption(operation, field, reason) for operation in operations)


PASSWORD: Final = "8 to 72 bytes, not a common one, and not the user's name: a schema counts characters only"
PARENT: Final = "a reply is to a message of the same channel"
POSITION: Final = "a `seq` means something in one channel only"
SENDING: Final = (
    "POST /channels/{channel_id}/messages",
    "POST /messages",
    "POST /auth/conversations/{conversation_id}/messages",
)

EXEMPTIONS: Final = (
    *_exempt(
        "cursor",
        "a cursor is what this list itself gave out; no other text stands for a place in it",
        *(f"{route.method} {route.path}" for route in ROUTES if _takes_cursor(route)),
    ),
    *_exempt("password", PASSWORD, "POST /auth/register", "POST /auth/users"),
    *_exempt("new_password", PASSWORD, "PUT /auth/me/password"),
    *_exempt(
        "phone_number",
        "E.164 knows which numbers a country can have",
        "POST /auth/register",
        "POST /auth/users",
        "PUT /auth/me/phone",
    ),
    *_exempt("roles", "a user can have only roles that there are", "PUT /auth/users/{user_id}/roles"),
    *_exempt("parent_id", PARENT, *SENDING),
    *_exempt("attachments", "a file is sent by whoever uploaded it, and once", *SENDING),
    *_exempt("image", "what an image is, its bytes say", "POST /reactions"),
    *_exempt("url", "what a URL leads to, a schema cannot say", "POST /channels/{channel_id}/webhooks"),
    *_exempt("text", "a post of Slack's has text somewhere in it", "POST /hooks/{secret}"),
    *_exempt("q", "something to look for has a letter or a digit of some script", "GET /search"),
    *_exempt("before", POSITION, "GET /search"),
    *_exempt("after", POSITION, "GET /search"),
    *_exempt("recipient_id", "nobody writes to themselves", "POST /messages"),
    *_exempt(
        "role",
        "an owner hands over by making somebody else the owner, not by stepping down",
        "PUT /channels/{channel_id}/roles/{user_id}",
    ),
)

LEAVING: Final = "POST /channels/{channel_id}/leave"
"""Whoever is alone in a channel closes it by leaving: it is gone, and nobody has sent DELETE."""


def is_exempt(operation: str, fields: list[str]) -> bool:
    """Whether a refusal that names these fields is forgiven."""
    forgiven = {each.field for each in EXEMPTIONS if each.operation == operation}
    return bool(fields) and set(fields) <= forgiven
