"""Reports: filing, reading, answering and resolving them, and who hears of it."""

import logging

import pytest

from tests.server.rest.client import Api, Json, Running
from tests.server.talking import Place

NEW = {"title": "Spam", "content": "In #general"}


@pytest.fixture
async def report(alice: Api) -> Json:
    return await alice.post("/reports", NEW)


def ids(page: Json) -> list[int]:
    return [each["id"] for each in page["items"]]


async def test_a_report_is_open_and_its_reporters(alice: Api, report: Json) -> None:
    assert report == {
        "id": report["id"],
        "reporter_id": alice.id,
        **NEW,
        "status": "open",
        "comment": None,
        "resolved_at": None,
        "resolved_by": None,
        "created_at": report["created_at"],
        "updated_at": report["created_at"],
    }
    assert await alice.get(f"/reports/{report['id']}") == report
    assert (await alice.get("/reports"))["items"] == [report]


@pytest.mark.parametrize(
    ("field", "body"),
    [
        ("title", {"content": "x"}),
        ("content", {"title": "x"}),
        ("title", {"title": "", "content": "x"}),
        ("title", {"title": "x" * 256, "content": "x"}),
        ("title", {"title": "a\0", "content": "x"}),
        ("content", {"title": "x", "content": "x" * 16_001}),
        ("content", {"title": "x", "content": None}),
        ("status", NEW | {"status": "resolved"}),
        ("reporter_id", NEW | {"reporter_id": 1}),
        ("comment", NEW | {"comment": "x"}),
    ],
)
async def test_what_does_not_fit_is_refused_by_field(sqlite_alice: Api, field: str, body: Json) -> None:
    assert await sqlite_alice.refused("POST", "/reports", body) == ("invalid", field)


async def test_others_do_not_see_it_and_superusers_do(
    alice: Api, bob: Api, superuser: Api, report: Json
) -> None:
    where = f"/reports/{report['id']}"
    await bob.refused("GET", where, expect=404)
    await bob.refused("PUT", where, {"title": "x"}, expect=404)
    assert ids(await bob.get("/reports")) == []
    assert await superuser.get(where) == report
    assert await superuser.refused("PUT", where, {"title": "x"}, expect=403) == ("forbidden",)
    assert ids(await superuser.get("/reports")) == []
    await alice.refused("GET", "/reports/9999", expect=404)


async def test_its_reporter_changes_it_while_it_is_open(alice: Api, superuser: Api, report: Json) -> None:
    where = f"/reports/{report['id']}"
    changed = await alice.put(where, {"title": "Worse spam"})
    assert (changed["title"], changed["content"]) == ("Worse spam", NEW["content"])
    assert await alice.put(where, {}) == changed
    for status in ("in_progress", "resolved"):
        await superuser.post(f"{where}/comment", {"comment": "x", "status": status}, expect=200)
        assert await alice.refused("PUT", where, {"content": "x"}, expect=409) == ("conflict",)
    await superuser.post(f"{where}/comment", {"comment": "x", "status": "open"}, expect=200)
    assert (await alice.put(where, {"content": "y"}))["content"] == "y"


async def test_superusers_comment_and_take_up(alice: Api, superuser: Api, report: Json) -> None:
    where = f"/reports/{report['id']}"
    commented = await superuser.post(f"{where}/comment", {"comment": "Looking"}, expect=200)
    assert (commented["comment"], commented["status"]) == ("Looking", "open")
    body = {"comment": "On it", "status": "in_progress"}
    taken_up = await superuser.post(f"{where}/comment", body, expect=200)
    assert (taken_up["comment"], taken_up["status"]) == ("On it", "in_progress")
    assert await alice.get(where) == taken_up


async def test_superusers_resolve_and_open_again(alice: Api, superuser: Api, report: Json) -> None:
    where = f"/reports/{report['id']}"
    await superuser.post(f"{where}/comment", {"comment": "Looking"}, expect=200)
    resolved = await superuser.put(f"{where}/resolve")
    assert (resolved["status"], resolved["resolved_by"]) == ("resolved", superuser.id)
    assert (resolved["comment"], resolved["resolved_at"]) == ("Looking", resolved["updated_at"])
    again = await superuser.put(f"{where}/resolve", {"comment": "Gone"})
    assert again["comment"] == "Gone"
    body = {"comment": "Back", "status": "open"}
    opened = await superuser.post(f"{where}/comment", body, expect=200)
    assert (opened["status"], opened["resolved_by"], opened["resolved_at"]) == ("open", None, None)
    body = {"comment": "Gone", "status": "resolved"}
    closed = await superuser.post(f"{where}/comment", body, expect=200)
    assert (closed["resolved_by"], closed["resolved_at"]) == (superuser.id, closed["updated_at"])


async def test_what_is_not_there_is_not_found_and_what_does_not_fit_refused(superuser: Api) -> None:
    await superuser.refused("POST", "/reports/9999/comment", {"comment": "x"}, expect=404)
    await superuser.refused("PUT", "/reports/9999/resolve", expect=404)
    assert await superuser.refused("POST", "/reports/1/comment", {}) == ("invalid", "comment")
    body = {"comment": "x", "status": "closed"}
    assert await superuser.refused("POST", "/reports/1/comment", body) == ("invalid", "status")


async def test_lists_are_narrowed_and_paged_newest_first(alice: Api, bob: Api, superuser: Api) -> None:
    mine = [(await alice.post("/reports", NEW))["id"] for _ in range(5)]
    theirs = (await bob.post("/reports", NEW))["id"]
    await superuser.put(f"/reports/{mine[1]}/resolve")
    first = await alice.get("/reports?limit=2")
    second = await alice.get(f"/reports?limit=2&cursor={first['next']}&skip=1")
    assert ids(first) + ids(second) == [mine[4], mine[3], mine[1], mine[0]]
    assert second["next"] is None
    assert ids(await alice.get("/reports?status=resolved")) == [mine[1]]
    assert await alice.refused("GET", "/reports?status=closed") == ("invalid", "status")
    everybodys = "/reports/admin/all"
    assert ids(await superuser.get(everybodys)) == [theirs, *reversed(mine)]
    assert ids(await superuser.get(f"{everybodys}?reporter_id={bob.id}")) == [theirs]
    assert ids(await superuser.get(f"{everybodys}?status=resolved&reporter_id={bob.id}")) == []
    page = await superuser.get(f"{everybodys}?limit=1&status=resolved")
    assert (ids(page), page["next"]) == ([mine[1]], None)
    assert await alice.refused("GET", everybodys, expect=403) == ("forbidden",)


async def test_what_superusers_do_is_in_the_audit_log(superuser: Api, report: Json) -> None:
    where = f"/reports/{report['id']}"
    await superuser.post(f"{where}/comment", {"comment": "secret", "status": "in_progress"}, expect=200)
    await superuser.put(f"{where}/resolve")
    entries = [
        each for each in (await superuser.get("/auth/audit"))["items"] if each["target_type"] == "report"
    ]
    told = [(each["action"], each["target_id"], each["actor_id"], each["detail"]) for each in entries]
    assert told == [
        ("report.resolved", str(report["id"]), superuser.id, {}),
        ("report.commented", str(report["id"]), superuser.id, {"status": "in_progress"}),
    ]


async def test_its_reporters_sockets_hear_of_every_change(home: Place) -> None:
    alice, root = [await home.nobody.newcomer(name) for name in ("alice", "root")]
    await home.context.accounts.set_superuser(root.user["id"], home.context.clock.now(), is_superuser=True)
    phone, desk, others = await home.live(alice), await home.live(alice), await home.live(root)
    report = await alice.post("/reports", NEW)
    where = f"/reports/{report['id']}"
    told = [report, await alice.put(where, {"title": "x"})]
    told.append(await root.post(f"{where}/comment", {"comment": "x"}, expect=200))
    told.append(await root.put(f"{where}/resolve"))
    for talk in (phone, desk):
        assert [(await talk.hear("report_update"))["report"] for _ in told] == told
    await others.ask({"type": "ping"})
    assert "report_update" not in {event["type"] for event in others.events}


async def test_each_change_is_a_line_in_the_log_without_what_was_written(
    sqlite_running: Running, sqlite_alice: Api, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "reports"):
        report = await sqlite_alice.post("/reports", NEW)
        await sqlite_alice.put(f"/reports/{report['id']}", {"title": "Secret"})
    lines = [record for record in caplog.records if record.name == "reports"]
    assert [line.getMessage() for line in lines] == ["filed", "changed"]
    assert [vars(line)["report_id"] for line in lines] == [report["id"]] * 2
    assert [vars(line)["user_id"] for line in lines] == [sqlite_alice.id] * 2
    for line in lines:
        assert not {"Spam", "Secret", "In #general"} & set(map(str, vars(line).values()))
