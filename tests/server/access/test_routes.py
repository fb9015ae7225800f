"""Every route is asked by everybody, and answers what its line says."""

import pytest

from server.rest.table import ROUTES
from tests.server.access.table import ANYONE, LET_IN, LINES, SIGNED, SUPERUSER, Line
from tests.server.access.world import KEPT_OUT, World, absent, answer_to
from tests.server.rest.client import Json

REFUSED = {403: "forbidden", 404: "not_found"}


def test_every_route_has_a_line_and_every_line_a_route() -> None:
    routes = {f"{route.method} {route.path}": route.access for route in ROUTES}
    assert {name for name, access in routes.items() if access == "anyone"} == ANYONE | SIGNED
    assert {name for name, access in routes.items() if access != "anyone"} == set(LINES)


def test_a_superusers_route_is_closed_to_all_others() -> None:
    for route in ROUTES:
        if route.access == "superuser":
            assert LINES[f"{route.method} {route.path}"].answers[:-1] == SUPERUSER[:-1]


@pytest.mark.parametrize("who", LET_IN)
async def test_whoever_is_let_in_gets_what_their_place_allows(world: World, who: str) -> None:
    answered = {}
    for name, line in LINES.items():
        status, told = await answer_to(world.people[who], name, line, await world.things())
        answered[name] = status
        assert status not in REFUSED or told["code"] == REFUSED[status]
        if status < 400 and not name.startswith("GET"):
            await world.spoil(who)
    assert answered == {name: line.answers[LET_IN.index(who)] for name, line in LINES.items()}


@pytest.mark.parametrize("who", LET_IN)
async def test_what_is_hidden_cannot_be_told_from_what_does_not_exist(world: World, who: str) -> None:
    hidden = {name: line for name, line in LINES.items() if line.answers[LET_IN.index(who)] == 404}
    things = await world.things()
    for name, line in hidden.items():
        answers = [await answer_to(world.people[who], name, line, each) for each in (things, absent(things))]
        assert without_id(*answers[0]) == without_id(*answers[1]), name
    assert hidden


def without_id(status: int, problem: Json) -> Json:
    return problem | {"request_id": ""}


@pytest.mark.parametrize("who", sorted(KEPT_OUT))
async def test_whoever_has_no_valid_session_is_kept_out_everywhere(world: World, who: str) -> None:
    caller, things = await world.kept_out(who), await world.things()
    answered = {}
    for name, line in LINES.items():
        status, told = await answer_to(caller, name, line, things)
        answered[name] = (status, told["code"])
    assert answered == dict.fromkeys(LINES, KEPT_OUT[who])


@pytest.mark.parametrize("who", ["nobody", "forger", "other", "disabled"])
async def test_what_anyone_may_call_nobody_is_kept_from(world: World, who: str) -> None:
    caller = world.people[who] if who in world.people else await world.kept_out(who)
    for name in sorted(ANYONE):
        status, told = await answer_to(caller, name, Line((0,) * 6, {}), {"name": "x", "secret": "x"})
        assert status == 200 or (status, told["code"]) == (422, "invalid"), name


@pytest.mark.parametrize("who", ["nobody", "other", "superuser"])
async def test_what_other_services_sign_nobody_else_may_call(world: World, who: str) -> None:
    caller = world.people[who] if who in world.people else await world.kept_out(who)
    for name in sorted(SIGNED):
        path = name.removeprefix("POST ")
        form = {"Content-Type": "application/x-www-form-urlencoded"} if "twilio" in path else {}
        headers = form or {"Content-Type": "application/json"}
        assert await caller.refused("POST", path, data=b"{}", headers=headers, expect=403) == ("forbidden",)
