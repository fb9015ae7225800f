"""Who may call what: one line for each route, checked against the route table so that none escapes."""

from typing import Any, Final

import pytest
from sqlalchemy import Connection, Update, update

from protocol.ids import UserId
from server.rest.table import ROUTES
from storage.tables import users
from tests.server.rest.client import PASSWORD, Api, Json, Running

# What stranger, member, admin, owner and superuser are answered; a superuser is no member of the channel.
# Nobody, ended, disabled and deleted callers are answered 401, 401, 403 and 401 wherever a user is needed.
Expected = tuple[int, int, int, int, int]
ALL: Final = (200, 200, 200, 200, 200)
MADE: Final = (201, 201, 201, 201, 201)
DONE: Final = (204, 204, 204, 204, 204)
INSIDE: Final = (404, 200, 200, 200, 404)

ANYONE: Final = frozenset(
    {
        "GET /",
        "GET /health",
        "GET /ready",
        "GET /db-test",
        "GET /openapi.json",
        "GET /asyncapi.json",
        "GET /docs",
        "POST /auth/register",
        "POST /auth/login",
        "POST /auth/refresh",
    }
)

# The channel is private; its owner has said something there, and has written to the stranger.
USERS: Final[dict[str, tuple[Expected, Json]]] = {
    "POST /auth/logout": (DONE, None),
    "POST /auth/logout-all": (DONE, None),
    "GET /auth/me": (ALL, None),
    "PUT /auth/me": (ALL, {"bio": "x"}),
    "PUT /auth/me/password": (ALL, {"current_password": PASSWORD, "new_password": PASSWORD}),
    "GET /auth/sessions": (ALL, None),
    "DELETE /auth/sessions/{session_id}": ((404, 404, 404, 204, 404), None),
    "GET /users/me": (ALL, None),
    "GET /users/": (ALL, None),
    "GET /users/{user_id}": (ALL, None),
    "POST /channels/": (MADE, {"name": "mine"}),
    "GET /channels/": (ALL, None),
    "GET /channels/me": (ALL, None),
    "GET /channels/{channel_id}": (INSIDE, None),
    "PUT /channels/{channel_id}": ((404, 403, 200, 200, 404), {"description": "x"}),
    "DELETE /channels/{channel_id}": ((404, 403, 403, 204, 204), None),
    "PUT /channels/{channel_id}/privacy": ((404, 403, 403, 200, 404), {"is_private": False}),
    "GET /channels/{channel_id}/members": (INSIDE, None),
    "POST /channels/{channel_id}/join": ((404, 200, 200, 200, 404), None),
    "POST /channels/join": (ALL, {"join_code": "{code}"}),
    "POST /channels/{channel_id}/leave": ((404, 204, 204, 409, 404), None),
    "DELETE /channels/{channel_id}/members/{user_id}": ((404, 403, 204, 204, 404), None),
    "GET /channels/{channel_id}/role": (INSIDE, None),
    "PUT /channels/{channel_id}/roles/{user_id}": ((404, 403, 403, 200, 404), {"role": "admin"}),
    "POST /channels/{channel_id}/invite": ((404, 403, 201, 201, 404), {}),
    "GET /channels/{channel_id}/invites": ((404, 403, 200, 200, 404), None),
    "DELETE /channels/{channel_id}/invites/{code}": ((404, 403, 204, 204, 404), None),
    "GET /channels/{channel_id}/messages": (INSIDE, None),
    "POST /channels/{channel_id}/messages": ((404, 201, 201, 201, 404), {"content": "x"}),
    "PUT /channels/{channel_id}/messages/{message_id}": ((404, 403, 403, 200, 404), {"content": "x"}),
    "DELETE /channels/{channel_id}/messages/{message_id}": ((404, 403, 204, 204, 404), None),
    "GET /channels/{channel_id}/messages/{message_id}/replies": (INSIDE, None),
    "GET /channels/{channel_id}/messages/{message_id}/history": (INSIDE, None),
    "PUT /channels/{channel_id}/read": (INSIDE, {"seq": 1}),
    "GET /channels/{channel_id}/changes": (INSIDE, None),
    "GET /messages": (ALL, None),
    "GET /messages/sent": (ALL, None),
    "GET /messages/received": (ALL, None),
    "POST /messages": (MADE, {"recipient_id": "{user_id}", "content": "x"}),
    "GET /messages/unread/count": (ALL, None),
    "PUT /messages/read-all": (ALL, None),
    "GET /messages/{message_id}": ((200, 404, 404, 200, 404), None),
    "PUT /messages/{message_id}": ((403, 404, 404, 200, 404), {"content": "x"}),
    "DELETE /messages/{message_id}": ((403, 404, 404, 204, 404), None),
    "PUT /messages/{message_id}/read": ((200, 404, 404, 403, 404), None),
    "GET /auth/conversations": (ALL, None),
    "GET /auth/conversations/{conversation_id}/messages": ((200, 404, 404, 200, 404), None),
    "POST /auth/conversations/{conversation_id}/messages": ((201, 404, 404, 201, 404), {"content": "x"}),
    "PUT /auth/conversations/{conversation_id}/read": ((200, 404, 404, 200, 404), None),
}
LET_IN: Final = ("stranger", "member", "admin", "owner", "superuser")
KEPT_OUT: Final = {
    "nobody": (401, "unauthenticated"),
    "ended": (401, "token_revoked"),
    "disabled": (403, "account_disabled"),
    "deleted": (401, "token_revoked"),
}


PEOPLE: Final = ("owner", "admin", "member", "target", "stranger", "superuser")


class World:
    """A private channel with its people, and a conversation of its owner with a stranger."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self.people: dict[str, Api] = {}

    async def populate(self) -> None:
        for name in PEOPLE:
            self.people[name] = await self.running.nobody.newcomer(name)
        now = self.running.context.clock.now()
        root = UserId(self.people["superuser"].id)
        await self.running.context.accounts.set_superuser(root, now, is_superuser=True)

    async def placeholders(self, name: str) -> dict[str, Any]:
        """What the braces of a route stand for: everything is made anew, so that no route spoils the next."""
        owner, stranger = self.people["owner"], self.people["stranger"]
        channel = await owner.post("/channels/", {"name": name, "is_private": True})
        where = f"/channels/{channel['id']}"
        for member in ("admin", "member", "target"):
            await self.people[member].post("/channels/join", {"join_code": channel["join_code"]}, expect=200)
        await owner.put(f"{where}/roles/{self.people['admin'].id}", {"role": "admin"})
        said = await owner.post(f"{where}/messages", {"content": "hello"})
        direct = await owner.post("/messages", {"recipient_id": stranger.id, "content": "hello"})
        return {
            "channel_id": channel["id"],
            "code": channel["join_code"],
            "message_id": direct["id"] if " /messages" in name else said["id"],
            "conversation_id": direct["conversation_id"],
            "user_id": self.people["target"].id,
            "session_id": await self.session_of_owner(),
        }

    async def session_of_owner(self) -> int:
        other = await self.running.nobody.log_in("owner")
        sessions = (await other.get("/auth/sessions?limit=1"))["items"]
        number: int = sessions[0]["id"]
        return number


@pytest.fixture
async def world(sqlite_running: Running) -> World:
    world = World(sqlite_running)
    await world.populate()
    return world


async def answer_to(
    caller: Api, name: str, body: Json, placeholders: dict[str, Any]
) -> tuple[int, str | None]:
    """The status, and the code of a refusal."""
    method, _, path = name.partition(" ")
    headers = {} if caller.token is None else {"Authorization": f"Bearer {caller.token}"}
    filled = _filled(body, placeholders)
    url = path.format_map(placeholders)
    async with caller.session.request(
        method, url, json=filled, headers=headers, allow_redirects=False
    ) as answer:
        refused = answer.status >= 400
        return answer.status, (await answer.json(content_type=None))["code"] if refused else None


def _filled(body: Json, placeholders: dict[str, Any]) -> Json:
    if not isinstance(body, dict):
        return body
    given = {f"{{{name}}}": value for name, value in placeholders.items()}
    return {
        name: given.get(value, value) if isinstance(value, str) else value for name, value in body.items()
    }


def test_every_route_has_a_line_and_every_line_a_route() -> None:
    routes = {f"{route.method} {route.path}": route.access for route in ROUTES}
    assert {name for name, access in routes.items() if access == "anyone"} == ANYONE
    assert {name for name, access in routes.items() if access == "user"} == set(USERS)
    assert {name for name, access in routes.items() if access == "superuser"} == set()


@pytest.mark.parametrize("who", LET_IN)
async def test_whoever_is_let_in_gets_what_their_place_allows(world: World, who: str) -> None:
    expected = {name: answers[LET_IN.index(who)] for name, (answers, _) in USERS.items()}
    answered = {}
    for name, (_, body) in USERS.items():
        # Some routes end the caller's sessions, so that the next one needs another.
        caller = world.people[who] = await world.running.nobody.log_in(who)
        placeholders = await world.placeholders(name)
        answered[name] = (await answer_to(caller, name, body, placeholders))[0]
    assert answered == expected


@pytest.mark.parametrize("who", sorted(KEPT_OUT))
async def test_whoever_has_no_valid_session_is_kept_out_everywhere(world: World, who: str) -> None:
    placeholders = await world.placeholders("GET /")
    caller = await kept_out(world, who)
    answered = {name: await answer_to(caller, name, body, placeholders) for name, (_, body) in USERS.items()}
    assert answered == dict.fromkeys(USERS, KEPT_OUT[who])


async def kept_out(world: World, who: str) -> Api:
    """A member who no longer is what their token says."""
    context, member = world.running.context, world.people["member"]
    now = context.clock.now()
    match who:
        case "nobody":
            return world.running.nobody
        case "ended":
            await member.post("/auth/logout", expect=204)
        case "disabled":
            await context.accounts.disable(UserId(member.id), now)
        case "deleted":
            deleted = update(users).where(users.c.id == member.id).values(deleted_at=now)
            await context.database.write(lambda connection: _execute(connection, deleted))
    return member


def _execute(connection: Connection, statement: Update) -> None:
    connection.execute(statement)


@pytest.mark.parametrize("who", ["nobody", "member", "disabled"])
async def test_what_anyone_may_call_nobody_is_kept_from(world: World, who: str) -> None:
    caller = world.people["member"] if who == "member" else await kept_out(world, who)
    for name in sorted(ANYONE):
        status, code = await answer_to(caller, name, {}, {})
        assert (status, code) in {(200, None), (422, "invalid")}, name
