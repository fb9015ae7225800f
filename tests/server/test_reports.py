"""The desk checks who acts by itself: agents come to it without a route in front."""

import pytest

from actors.channel_commands import Identity
from protocol.audit import Doer
from protocol.errors import Code, Refused
from protocol.ids import UserId
from protocol.resources import PublicProfile
from server.reports import ReportDesk
from tests.server.talking import Place


@pytest.fixture
def desk(home: Place) -> ReportDesk:
    return home.context.reports


async def somebody(home: Place, name: str, *, is_superuser: bool = False) -> Identity:
    user = (await home.nobody.newcomer(name)).user
    return Identity(PublicProfile(UserId(user["id"]), name), is_superuser=is_superuser)


async def test_somebody_who_is_no_superuser_has_only_their_own(home: Place, desk: ReportDesk) -> None:
    alice, bob = await somebody(home, "alice"), await somebody(home, "bob")
    report = await desk.file(alice, "title", "content")
    doer = Doer(bob.user_id)
    assert await desk.show(alice, report.id) == report
    assert await desk.list_own(bob) == []
    for asked, code in (
        (desk.show(bob, report.id), Code.NOT_FOUND),
        (desk.update(bob, report.id, title="x"), Code.NOT_FOUND),
        (desk.list_all(bob), Code.FORBIDDEN),
        (desk.comment(bob, doer, report.id, "x"), Code.FORBIDDEN),
        (desk.resolve(bob, doer, report.id), Code.FORBIDDEN),
    ):
        with pytest.raises(Refused) as refused:
            await asked
        assert refused.value.refusal.code == code


async def test_a_superuser_has_all(home: Place, desk: ReportDesk) -> None:
    alice, root = await somebody(home, "alice"), await somebody(home, "root", is_superuser=True)
    report = await desk.file(alice, "title", "content")
    assert await desk.list_all(root) == [report]
    assert (await desk.comment(root, Doer(root.user_id), report.id, "x")).comment == "x"
    assert (await desk.resolve(root, Doer(root.user_id), report.id)).resolved_by == root.user_id
