"""Everybody that the access tables name, and the things that their lines are about."""

import itertools
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

import aiohttp

from protocol.ids import SessionId, UserId
from server.context import Context
from server.secret_key import load_secret_key
from server.tokens import AccessTokens
from tests.server.access.table import LET_IN, Line
from tests.server.pictures import png
from tests.server.rest.client import Api, Json, is_described

ABSENT: Final = 2**40
KEPT_OUT: Final = {
    "nobody": (401, "unauthenticated"),
    "forger": (401, "unauthenticated"),
    "expired": (401, "token_expired"),
    "revoked": (401, "token_revoked"),
    "disabled": (403, "account_disabled"),
    "deleted": (401, "token_revoked"),
}
"""Who is not let in at all, and what they are told."""

Things = dict[str, Any]
_numbers = itertools.count(1)


class World:
    """A private channel with its people, and a conversation of its owner with `user`."""

    def __init__(self, nobody: Api, context: Context) -> None:
        self.nobody = nobody
        self.context = context
        self.people: dict[str, Api] = {}
        self._things: Things = {}

    async def populate(self) -> None:
        for name in LET_IN:
            self.people[name] = await self.nobody.newcomer(name)
        root = UserId(self.people["superuser"].id)
        await self.context.accounts.set_superuser(root, self.context.clock.now(), is_superuser=True)

    async def moved_to(self, nobody: Api, context: Context) -> "World":
        """The same people and things on a server that has been started again."""
        world = World(nobody, context)
        world.people = {name: await nobody.log_in(name) for name in self.people}
        world._things = await self.things()
        return world

    async def things(self) -> Things:
        """What the braces of a line stand for."""
        if not self._things:
            self._things = await self._make_things()
        return self._things

    async def spoil(self, who: str) -> None:
        """Something has changed: the next line gets new things, and its caller a new session."""
        self._things = {}
        self.people[who] = await self.nobody.log_in(who)

    async def _make_things(self) -> Things:
        user, owner = self.people["user"], self.people["owner"]
        target = await self.nobody.newcomer()
        number = next(_numbers)
        channel = await owner.post("/channels/", {"name": f"channel {number}", "is_private": True})
        where = f"/channels/{channel['id']}"
        for member in (self.people["admin"], self.people["member"], target):
            await member.post("/channels/join", {"join_code": channel["join_code"]}, expect=200)
        await owner.put(f"{where}/roles/{self.people['admin'].id}", {"role": "admin"})
        file = await owner.post("/files", data=form_of({"file": b"x"}, {}))
        said = await owner.post(f"{where}/messages", {"content": "hello", "attachments": [file["id"]]})
        emoji: dict[str, str | bytes] = {"code": f"emoji_{number}", "image": png()}
        reaction = await user.post("/reactions", data=form_of(emoji, {}))
        role = await self.people["superuser"].post("/auth/roles", {"name": f"role {number}"})
        report = await user.post("/reports", {"title": "report", "content": "hello"})
        direct = await user.post("/messages", {"recipient_id": owner.id, "content": "hello"})
        # Nothing is deleted here, so that nothing goes out.
        outgoing = {"url": "https://hooks.example.org", "events": ["message.deleted"]}
        webhook = await owner.post(f"{where}/webhooks", outgoing)
        return {
            "webhook_id": webhook["id"],
            "channel_id": channel["id"],
            "code": channel["join_code"],
            "message_id": said["id"],
            "direct_channel_id": direct["channel_id"],
            "direct_id": direct["id"],
            "conversation_id": direct["conversation_id"],
            "user_id": target.id,
            "role_id": role["id"],
            "file_id": file["id"],
            "reaction_id": reaction["id"],
            "new_code": f"new_{number}",
            "report_id": report["id"],
            "session_id": await self._other_session("user"),
            "new_name": f"new {number}",
        }

    async def _other_session(self, name: str) -> int:
        other = await self.nobody.log_in(name)
        sessions = (await other.get("/auth/sessions?limit=1"))["items"]
        number: int = sessions[0]["id"]
        return number

    async def kept_out(self, who: str) -> Api:
        """Somebody who is not let in. Whoever once was is a member of the channel."""
        await self.things()
        member, superuser = self.people["member"], self.people["superuser"]
        match who:
            case "nobody":
                return self.nobody
            case "forger":
                return Api(member.session, f"{member.token}x", member.user)
            case "expired":
                return Api(member.session, await self._expired_token(member), member.user)
            case "revoked":
                await member.post("/auth/logout", expect=204)
            case "disabled":
                await superuser.put(f"/auth/users/{member.id}/disable")
            case "deleted":
                await superuser.delete(f"/auth/users/{member.id}")
        return member

    async def _expired_token(self, person: Api) -> str:
        """The token of a live session, as it was issued two days ago."""
        session_id = SessionId((await person.get("/auth/sessions?limit=1"))["items"][0]["id"])
        tokens = AccessTokens(load_secret_key(self.context.settings), timedelta(minutes=30))
        return tokens.issue(UserId(person.id), session_id, self.context.clock.now() - timedelta(days=2))


def absent(things: Things) -> Things:
    """The same things, but none of them exists. People are no secret: everybody may list them."""
    gone = {name: ABSENT if isinstance(value, int) else "absent" for name, value in things.items()}
    return gone | {"user_id": things["user_id"]}


async def answer_to(caller: Api, name: str, line: Line, things: Things) -> tuple[int, Json]:
    """The status and the body. A refusal is checked to be one that the route declares."""
    method, _, path = name.partition(" ")
    url = filled(path, things | {key: filled(value, things) for key, value in line.fill.items()}) + line.query
    headers = {} if caller.token is None else {"Authorization": f"Bearer {caller.token}"}
    sent: dict[str, Any] = {"json": filled(line.body, things)}
    if line.form is not None:
        sent = {"data": form_of(line.form, things)}
    async with caller.session.request(method, url, headers=headers, allow_redirects=False, **sent) as answer:
        told = await answer.json(content_type=None) if answer.status >= 400 else await answer.read()
        assert is_described(method, url, answer.status, told), (name, answer.status, told)
        return answer.status, told


def filled(value: Any, things: Things) -> Any:
    """A path, or a body, with the things in place of their names. A text that is one name becomes it."""
    match value:
        case dict():
            return {key: filled(each, things) for key, each in value.items()}
        case list():
            return [filled(each, things) for each in value]
        case str() if (name := re.fullmatch(r"\{(\w+)\}", value)) is not None:
            return things[name[1]]
        case str():
            return re.sub(r"\{(\w+)\}", lambda name: str(things[name[1]]), value)
        case _:
            return value


def form_of(fields: Mapping[str, str | bytes], things: Things) -> aiohttp.FormData:
    form = aiohttp.FormData()
    for name, value in fields.items():
        if isinstance(value, bytes):
            form.add_field(name, value, filename="file", content_type="application/octet-stream")
        else:
            form.add_field(name, filled(value, things))
    return form
