"""Who may call what: one line for each route. The suite fails when a route or a line lacks the other.

The callers are, in this order: `user`, whose session, direct message and conversation it is; `other`, who has
nothing to do with any of it; then a member, an admin and the owner of the private channel it is about; and a
superuser, who is in no channel. Those who are not let in at all need no line: `test_routes.py` knows them.
"""

from typing import Any, Final

from msgspec import Struct

from tests.server.pictures import png
from tests.server.rest.client import PASSWORD, Json

LET_IN: Final = ("user", "other", "member", "admin", "owner", "superuser")
Answers = tuple[int, int, int, int, int, int]

ALL: Final[Answers] = (200,) * 6
MADE: Final[Answers] = (201,) * 6
DONE: Final[Answers] = (204,) * 6
SUPERUSER: Final[Answers] = (403, 403, 403, 403, 403, 200)
INSIDE: Final[Answers] = (404, 404, 200, 200, 200, 404)
MINE: Final[Answers] = (200, 404, 404, 404, 404, 404)
BETWEEN_TWO: Final[Answers] = (200, 404, 404, 404, 200, 404)


class Line(Struct, frozen=True):
    """What each of LET_IN is answered, and what they send.

    A text in braces in `body` stands for that thing, as it does in a path. `fill` says what placeholders of
    the path stand for where that is not the thing of the same name. `form` is sent as multipart/form-data.
    """

    answers: Answers
    body: Json = None
    fill: dict[str, Any] = {}
    form: dict[str, str | bytes] | None = None
    query: str = ""


DIRECT: Final = {"message_id": "{direct_id}"}
SAID: Final = {"content": "x"}

ANYONE: Final = frozenset(
    {
        "GET /",
        "GET /health",
        "GET /ready",
        "GET /db-test",
        "GET /openapi.json",
        "GET /asyncapi.json",
        "GET /docs",
        "GET /metrics",
        "GET /reactions/images/{name}",
        "POST /auth/register",
        "POST /auth/login",
        "POST /auth/refresh",
        "POST /hooks/{secret}",
    }
)

SIGNED: Final = frozenset({"POST /twilio_webhook", "POST /twilio_status", "POST /telegram_webhook"})
"""For other services, which prove with each request that it is theirs."""

ACCOUNT: Final = {
    "POST /auth/logout": Line(DONE),
    "POST /auth/logout-all": Line(DONE),
    "GET /auth/me": Line(ALL),
    "PUT /auth/me": Line(ALL, {"bio": "x"}),
    "PUT /auth/me/password": Line(ALL, {"current_password": PASSWORD, "new_password": PASSWORD}),
    "PUT /auth/me/phone": Line(ALL, {"phone_number": None}),
    "GET /auth/sessions": Line(ALL),
    "DELETE /auth/sessions/{session_id}": Line((204, 404, 404, 404, 404, 404)),
    "POST /auth/sync": Line((403,) * 6, {}),
    "GET /auth/verify": Line(ALL),
    "POST /auth/me/telegram": Line((409,) * 6),
    "GET /users/me": Line(ALL),
    "GET /users/": Line(ALL),
    "GET /users/{user_id}": Line(ALL),
}
CHANNEL: Final = {
    "POST /channels/": Line(MADE, {"name": "{new_name}"}),
    "GET /channels/": Line(ALL),
    "GET /channels/me": Line(ALL),
    "GET /channels/{channel_id}": Line(INSIDE),
    "PUT /channels/{channel_id}": Line((404, 404, 403, 200, 200, 404), {"description": "x"}),
    "DELETE /channels/{channel_id}": Line((404, 404, 403, 403, 204, 204)),
    "PUT /channels/{channel_id}/privacy": Line((404, 404, 403, 403, 200, 404), {"is_private": False}),
    "GET /channels/{channel_id}/members": Line(INSIDE),
    "POST /channels/{channel_id}/join": Line(INSIDE),
    "POST /channels/join": Line(ALL, {"join_code": "{code}"}),
    "POST /channels/{channel_id}/leave": Line((404, 404, 204, 204, 409, 404)),
    "DELETE /channels/{channel_id}/members/{user_id}": Line((404, 404, 403, 204, 204, 404)),
    "GET /channels/{channel_id}/role": Line(INSIDE),
    "PUT /channels/{channel_id}/roles/{user_id}": Line((404, 404, 403, 403, 200, 404), {"role": "admin"}),
    "POST /channels/{channel_id}/invite": Line((404, 404, 403, 201, 201, 404), {}),
    "GET /channels/{channel_id}/invites": Line((404, 404, 403, 200, 200, 404)),
    "DELETE /channels/{channel_id}/invites/{code}": Line((404, 404, 403, 204, 204, 404)),
    "GET /channels/{channel_id}/messages": Line(INSIDE),
    "POST /channels/{channel_id}/messages": Line((404, 404, 201, 201, 201, 404), SAID),
    "PUT /channels/{channel_id}/messages/{message_id}": Line((404, 404, 403, 403, 200, 404), SAID),
    "DELETE /channels/{channel_id}/messages/{message_id}": Line((404, 404, 403, 204, 204, 404)),
    "GET /channels/{channel_id}/messages/{message_id}/replies": Line(INSIDE),
    "GET /channels/{channel_id}/messages/{message_id}/history": Line(INSIDE),
    "PUT /channels/{channel_id}/read": Line(INSIDE, {"seq": 1}),
    "GET /channels/{channel_id}/changes": Line(INSIDE),
    "GET /search": Line(ALL, query="?q=hello"),
}
# `user` has written to the channel's owner.
CONVERSATION: Final = {
    "GET /messages": Line(ALL),
    "GET /messages/sent": Line(ALL),
    "GET /messages/received": Line(ALL),
    "POST /messages": Line(MADE, {"recipient_id": "{user_id}", "content": "x"}),
    "GET /messages/unread/count": Line(ALL),
    "PUT /messages/read-all": Line(ALL),
    "GET /messages/{message_id}": Line(BETWEEN_TWO, fill=DIRECT),
    "PUT /messages/{message_id}": Line((200, 404, 404, 404, 403, 404), SAID, fill=DIRECT),
    "DELETE /messages/{message_id}": Line((204, 404, 404, 404, 403, 404), fill=DIRECT),
    "PUT /messages/{message_id}/read": Line((403, 404, 404, 404, 200, 404), fill=DIRECT),
    "GET /auth/conversations": Line(ALL),
    "GET /auth/conversations/{conversation_id}/messages": Line(BETWEEN_TWO),
    "POST /auth/conversations/{conversation_id}/messages": Line((201, 404, 404, 404, 201, 404), SAID),
    "PUT /auth/conversations/{conversation_id}/read": Line(BETWEEN_TWO),
}
MADE_BY_SUPERUSER: Final[Answers] = (403, 403, 403, 403, 403, 201)
DONE_BY_SUPERUSER: Final[Answers] = (403, 403, 403, 403, 403, 204)
NEW_ACCOUNT: Final = {"username": "new", "email": "new@example.org", "password": PASSWORD}
ADMINISTRATION: Final = {
    "GET /auth/users": Line(SUPERUSER),
    "POST /auth/users": Line(MADE_BY_SUPERUSER, NEW_ACCOUNT),
    "GET /auth/users/{user_id}": Line(SUPERUSER),
    "DELETE /auth/users/{user_id}": Line(DONE_BY_SUPERUSER),
    "PUT /auth/users/{user_id}/disable": Line(SUPERUSER),
    "PUT /auth/users/{user_id}/enable": Line(SUPERUSER),
    "PUT /auth/users/{user_id}/superuser": Line(SUPERUSER),
    "GET /auth/users/{user_id}/roles": Line(SUPERUSER),
    "PUT /auth/users/{user_id}/roles": Line(SUPERUSER, {"roles": []}),
    "GET /auth/roles": Line(SUPERUSER),
    "POST /auth/roles": Line(MADE_BY_SUPERUSER, {"name": "{new_name}"}),
    "DELETE /auth/roles/{role_id}": Line(DONE_BY_SUPERUSER),
    "GET /auth/audit": Line(SUPERUSER),
}
# It is `user` who reported.
REPORT: Final = {
    "POST /reports": Line(MADE, {"title": "x", "content": "x"}),
    "GET /reports": Line(ALL),
    "GET /reports/admin/all": Line(SUPERUSER),
    "GET /reports/{report_id}": Line((200, 404, 404, 404, 404, 200)),
    "PUT /reports/{report_id}": Line((200, 404, 404, 404, 404, 403), {"title": "x"}),
    "POST /reports/{report_id}/comment": Line(SUPERUSER, {"comment": "x"}),
    "PUT /reports/{report_id}/resolve": Line(SUPERUSER),
}
HEART: Final = {"code": "heart"}
REACTION: Final = {
    "GET /reactions": Line(ALL),
    "POST /reactions": Line(MADE, form={"code": "{new_code}", "image": png()}),
    "DELETE /reactions/{reaction_id}": Line(DONE_BY_SUPERUSER),
    "PUT /channels/{channel_id}/messages/{message_id}/reactions/{code}": Line(INSIDE, fill=HEART),
    "DELETE /channels/{channel_id}/messages/{message_id}/reactions/{code}": Line(
        (404, 404, 204, 204, 204, 404), fill=HEART
    ),
}
# The owner has sent it to the channel.
FILE: Final = {
    "POST /files": Line(MADE, form={"file": b"x"}),
    "GET /files/{file_id}": Line(INSIDE),
}
AGENT: Final = {
    "GET /agents": Line(ALL),
    "PUT /channels/{channel_id}/agents/{name}": Line(
        (404, 404, 403, 200, 200, 404), fill={"name": "assistant"}
    ),
}
OF_ADMINS: Final[Answers] = (404, 404, 403, 200, 200, 404)
WEBHOOK: Final = {
    "GET /channels/{channel_id}/webhooks": Line(OF_ADMINS),
    "POST /channels/{channel_id}/webhooks": Line((404, 404, 403, 201, 201, 404), {}),
    "POST /channels/{channel_id}/webhooks/{webhook_id}/replay": Line(OF_ADMINS, query="?after=0"),
    "DELETE /channels/{channel_id}/webhooks/{webhook_id}": Line((404, 404, 403, 204, 204, 404)),
}
LINES: Final[dict[str, Line]] = (
    ACCOUNT | CHANNEL | CONVERSATION | ADMINISTRATION | REPORT | REACTION | FILE | AGENT | WEBHOOK
)
