"""Every command is given by everybody, and answered as its line says."""

from typing import get_args

import pytest

from protocol.commands import AnyCommand
from tests.server.access.commands import DIRECT, HERE, ORDERS, Order
from tests.server.access.table import LET_IN
from tests.server.access.world import KEPT_OUT, Things, World, absent, filled
from tests.server.rest.client import Json
from tests.server.talking import Place, Talk, upgrade_request

READING = frozenset({"hello", "typing", "history", "sync", "presence", "auth", "ping"})
CLOSED = {401: 4401, 403: 4403}
# Whoever is deleted need not come back with other credentials.
CUT_OFF = {"revoked": 4401, "disabled": 4403, "deleted": 4403}


def command_of(order: Order, things: Things) -> Json:
    return {"type": order.type} | filled(order.fields, things)


def in_short(answer: Json) -> str:
    told: str = answer["code"] if answer["type"] == "error" else answer["type"]
    return told


async def answer_to(talk: Talk, command: Json, listener: Talk | None = None) -> str:
    """What answers the command. Nothing answers `typing`: it is heard by the listener."""
    if command["type"] != "typing" or listener is None:
        return in_short(await talk.ask(command))
    talk.say(command)
    return in_short(await listener.hear("typing"))


async def listener_to(home: Place, world: World, who: str, order: Order) -> Talk | None:
    """Somebody who is in all channels that there are: the owner, or for the owner those whom they talk to."""
    if order.answers[LET_IN.index(who)] != "typing":
        return None
    others = {HERE["channel_id"]: "member", DIRECT["channel_id"]: "user"}
    return await home.live(world.people["owner" if who != "owner" else others[order.fields["channel_id"]]])


def test_every_command_has_a_line_and_every_line_a_command() -> None:
    tags = {kind.__struct_config__.tag for kind in get_args(AnyCommand)}
    assert {order.type for order in ORDERS} == tags


@pytest.mark.parametrize("who", LET_IN)
async def test_whoever_is_let_in_gets_what_their_place_allows(home: Place, world: World, who: str) -> None:
    talk = await home.live(world.people[who])
    token = {"token": world.people[who].token}
    answered = []
    for order in ORDERS:
        command = command_of(order, await world.things() | token)
        answer = await answer_to(talk, command, await listener_to(home, world, who, order))
        answered.append((order.type, answer))
        if answer == "ack" and order.type not in READING:
            await world.spoil(who)
    assert answered == [(order.type, order.answers[LET_IN.index(who)]) for order in ORDERS]


@pytest.mark.parametrize("who", LET_IN)
async def test_what_is_hidden_cannot_be_told_from_what_does_not_exist(
    home: Place, world: World, who: str
) -> None:
    talk, things = await home.live(world.people[who]), await world.things()
    hidden = [order for order in ORDERS if order.answers[LET_IN.index(who)] == "not_found"]
    for order in hidden:
        answers = [await talk.ask(command_of(order, each)) for each in (things, absent(things))]
        assert answers[0] == answers[1], order
    assert hidden


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: order.type)
async def test_without_a_greeting_nothing_is_done(home: Place, world: World, order: Order) -> None:
    talk = await home.upgraded()
    talk.say(command_of(order, await world.things() | {"token": "nonsense"}))
    assert await talk.ended() == 4401
    assert [(event["type"], event["code"]) for event in talk.events] == [("error", "unauthenticated")]


@pytest.mark.parametrize("who", sorted(KEPT_OUT))
async def test_whoever_has_no_valid_session_is_greeted_by_a_refusal(
    home: Place, world: World, who: str
) -> None:
    caller = await world.kept_out(who)
    status, code = KEPT_OUT[who]
    token = caller.token or ""
    assert await home.refused(upgrade_request(token)) == (status, code)
    talk = await home.upgraded()
    talk.say({"type": "hello", "token": token}, {"type": "ping"})
    assert await talk.ended() == CLOSED[status]
    assert [(event["type"], event["code"]) for event in talk.events] == [("error", code)]


@pytest.mark.parametrize("who", CUT_OFF)
async def test_a_live_socket_ends_with_its_session(home: Place, world: World, who: str) -> None:
    await world.things()
    talk, owner = await home.live(world.people["member"]), world.people["owner"]
    await world.kept_out(who)
    await owner.post(f"/channels/{(await world.things())['channel_id']}/messages", {"content": "secret"})
    assert await talk.ended() == CUT_OFF[who]
    assert "secret" not in str(talk.events)
