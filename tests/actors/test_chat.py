"""The door to the actors for everything that is not a socket, and their orderly end."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from actors.channel_commands import CreateInvite, LookAt
from actors.chat import Chat
from protocol.errors import Code, Refused
from protocol.events import ReportUpdate
from protocol.ids import ChannelId, UserId
from protocol.resources import PublicProfile, Report, Role
from tests.actors.scene import scene
from tests.actors.trouble import Trouble, begin, outcome, post, two
from tests.simulation.seeds import changed


async def test_an_ask_has_a_deadline() -> None:
    trouble = Trouble()
    async with scene(trouble) as on:
        ann, _, channel_id = await two(on)
        committed = trouble.hold("commit")
        with changed(chat__ASK_DEADLINE_S=0.01):
            assert await outcome(on, ann, channel_id, post("text", "n")) == Code.UNAVAILABLE
        committed.set()
        await on.settle()
        assert (await outcome(on, ann, channel_id, post("text", "n"))).duplicate


async def test_a_direct_channel_is_made_once_and_with_somebody_else() -> None:
    async with scene() as on:
        ann, bob, _ = await two(on)
        by_ann, by_bob = (await on.attach(ann)).by, (await on.attach(bob)).by
        made = [await on.chat.direct(by_ann, bob.id), await on.chat.direct(by_bob, ann.id)]
        assert made[0] == made[1]


@pytest.mark.parametrize(("peer", "code"), [(1, Code.INVALID), (404, Code.NOT_FOUND)])
async def test_nobody_has_a_direct_channel_with_nobody(peer: int, code: Code) -> None:
    async with scene() as on:
        listener = await on.attach(on.user("ann"))
        with pytest.raises(Refused) as refused:
            await on.chat.direct(listener.by, UserId(peer))
        assert refused.value.refusal.code is code


async def test_an_invite_lets_in() -> None:
    async with scene() as on:
        ann, _, channel_id = await two(on)
        cid = await on.attach(on.user("cid"))
        await on.ask(ann, channel_id, CreateInvite(join_code="c", expires_at=None, max_uses=None))
        joined = await on.chat.join_by_code(cid.by, "c")
        assert (joined.channel_id, joined.role) == (channel_id, "member")
        with pytest.raises(Refused) as refused:
            await on.chat.join_by_code(cid.by, "none")
        assert refused.value.refusal.code is Code.NOT_FOUND


async def test_looking_at_a_channel_says_who_one_is_there() -> None:
    async with scene() as on:
        ann, bob, channel_id = await two(on)
        cid = on.user("cid")
        private = on.store.add_channel(ann.id, "two", join_code="c")
        seen = await on.ask(ann, private, LookAt(needs="owner"))
        assert (seen.role, seen.join_code, len(seen.invites)) == ("owner", "c", 1)
        assert (await on.ask(bob, channel_id, LookAt())).invites == ()
        assert (await on.ask(cid, channel_id, LookAt(needs=None))).role is None
        refused: list[tuple[PublicProfile, ChannelId, Role | None, Code]] = [
            (cid, channel_id, "member", Code.FORBIDDEN),
            (bob, channel_id, "admin", Code.FORBIDDEN),
            (cid, private, None, Code.NOT_FOUND),
        ]
        for person, where, needs, code in refused:
            assert await outcome(on, person, where, LookAt(needs=needs)) == code


async def test_a_changed_report_is_told_to_its_reporters_sockets_only() -> None:
    async with scene() as on:
        ann, bob, _ = await two(on)
        reporting = [await on.attach(ann, 1), await on.attach(ann, 2)]
        other = await on.attach(bob)
        report = Report(
            id=1,
            reporter_id=ann.id,
            title="title",
            content="content",
            status="open",
            comment=None,
            resolved_at=None,
            resolved_by=None,
            created_at=on.clock.now(),
            updated_at=on.clock.now(),
        )
        on.chat.report_changed(report)
        await on.settle()
        told = [listener.only(ReportUpdate) for listener in (*reporting, other)]
        assert told == [[ReportUpdate(report=report)], [ReportUpdate(report=report)], []]


async def test_stopping_finishes_what_was_accepted_and_refuses_the_rest() -> None:
    trouble = Trouble()
    async with scene(trouble) as on:
        ann, _, channel_id = await two(on)
        committed = trouble.hold("commit")
        accepted = await begin(on, ann, channel_id, post())
        stopping = asyncio.ensure_future(on.chat.stop())
        await on.settle()
        assert await outcome(on, ann, channel_id, post()) == Code.DRAINING
        committed.set()
        await stopping
        assert (await accepted[0]).seq == 2
        await on.chat.finish()


async def test_stopping_does_not_wait_for_ever() -> None:
    trouble = Trouble()
    async with scene(trouble) as on:
        ann, _, channel_id = await two(on)
        trouble.hold("commit")
        asked = await begin(on, ann, channel_id, post())
        with changed(chat__FINISH_WITHIN_S=0.01):
            await on.chat.stop()
        assert await asked[0] == Code.DRAINING


async def test_work_that_is_due_regularly_goes_on_after_a_failure(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    rounds: list[int] = []
    third = asyncio.Event()

    def work() -> None:
        rounds.append(1)
        if len(rounds) == 1:
            raise ValueError("a bug")
        if len(rounds) == 3:
            third.set()

    async with scene() as on:
        every: Callable[..., Any] = Chat._every
        task = asyncio.ensure_future(every(on.chat, 0.0, work))
        await third.wait()
        task.cancel()
    assert "it is tried again" in caplog.text
