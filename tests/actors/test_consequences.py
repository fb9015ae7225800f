"""What a message causes outside: for whom, once, and nothing where nobody is outside."""

import pytest
from msgspec import structs

from actors.channel_commands import PostMessage
from actors.channel_state import ChannelState, apply, decide_post
from actors.consequences import Outside, outside_of
from protocol.errors import Refusal
from protocol.facts import AnyFact, ChannelClosed, JobQueued, MemberJoined, MemberLeft, MessagePosted
from protocol.ids import Seq, UserId
from protocol.jobs import AgentJob, Bridge, BridgeJob, JobKind
from protocol.resources import ChannelKind, PublicProfile, Role, Via
from tests.actors.making import ANN, BOB, CHANNEL, CID, DOT, LATER, NOW, by, state


def with_rows(before: ChannelState, *bots: PublicProfile, **bridges: Bridge) -> ChannelState:
    """The channel with these members being agents, and these having written by a bridge last."""
    bot_ids = {bot.id for bot in bots}
    members = {
        row.user_id: structs.replace(row, is_bot=row.user_id in bot_ids, bridge=bridges.get(row.username))
        for row in before.members.values()
    }
    return structs.replace(before, members=members, outside=outside_of(members.values()))


def room(*bots: PublicProfile) -> ChannelState:
    roles: dict[UserId, Role] = {ANN.id: "owner", BOB.id: "member", CID.id: "member", DOT.id: "member"}
    return with_rows(state(roles=roles), *bots)


def direct(*bots: PublicProfile, **bridges: Bridge) -> ChannelState:
    """Ann's and Bob's."""
    return with_rows(state(kind="direct"), *bots, **bridges)


def decided(
    before: ChannelState, content: str = "hi", who: PublicProfile = ANN, via: Via = "web"
) -> list[AnyFact]:
    decision = decide_post(before, by(who), PostMessage(content=content, nonce=None, via=via), NOW)
    assert not isinstance(decision, Refusal)
    return decision


def jobs(
    before: ChannelState, content: str = "hi", who: PublicProfile = ANN, via: Via = "web"
) -> list[JobQueued]:
    posted, *caused = decided(before, content, who, via)
    assert isinstance(posted, MessagePosted)
    found = [fact for fact in caused if isinstance(fact, JobQueued)]
    assert found == caused
    return found


def after(before: ChannelState, *facts: AnyFact) -> ChannelState:
    for fact in facts:
        before = apply(before, fact)
    return before


# Agents.


def test_a_mention_of_an_agent_is_a_job_for_it() -> None:
    assert jobs(room(BOB), "@bob, what is this?") == [
        JobQueued(
            at=NOW,
            kind="agent",
            key="agent:2:7:2",
            lane="agent:2:7",
            payload=AgentJob(BOB.id, CHANNEL, Seq(2)),
        )
    ]


def test_each_agent_that_is_mentioned_gets_one_job_in_the_order_of_mentioning() -> None:
    caused = jobs(room(BOB, CID), "@cid @bob @cid @dot")
    assert [job.payload for job in caused] == [
        AgentJob(CID.id, CHANNEL, Seq(2)),
        AgentJob(BOB.id, CHANNEL, Seq(2)),
    ]


@pytest.mark.parametrize("content", ["hi", "bob", "@cid", "bob@example.org"])
def test_who_mentions_no_agent_causes_nothing(content: str) -> None:
    assert jobs(room(BOB), content) == []


def test_whatever_is_said_to_an_agent_alone_is_a_job_for_it() -> None:
    (job,) = jobs(direct(BOB))
    assert job.payload == AgentJob(BOB.id, CHANNEL, Seq(2))


def test_mentioning_the_agent_that_one_speaks_with_is_one_job() -> None:
    assert len(jobs(direct(BOB), "@bob @ann")) == 1


@pytest.mark.parametrize("who", [BOB, CID], ids=["itself", "another agent"])
def test_agents_answer_neither_each_other_nor_themselves(who: PublicProfile) -> None:
    assert jobs(room(BOB, CID), "@bob @cid", who, "agent") == []
    assert jobs(room(BOB, CID), "@bob @cid", who) == []


def test_an_agent_that_writes_to_a_person_or_to_an_agent_causes_no_answer() -> None:
    assert jobs(direct(BOB), who=BOB, via="agent") == []
    assert jobs(direct(ANN, BOB), who=BOB, via="agent") == []


def test_what_comes_by_a_webhook_speaks_to_no_agent() -> None:
    assert jobs(room(BOB), "@bob", via="webhook") == []


def test_agents_are_those_who_are_in_the_channel_now() -> None:
    bot = structs.replace(DOT, is_bot=True)
    without = state()
    assert without.outside is None
    joined = after(without, MemberJoined(at=LATER, seq=Seq(2), user=bot, role="member"))
    assert joined.outside == Outside(frozenset({DOT.id}), {})
    assert len(jobs(joined, "@dot")) == 1
    left = after(joined, MemberLeft(at=LATER, seq=Seq(3), user=bot, joined_at=LATER))
    assert left.outside is None
    assert jobs(left, "@dot") == []
    assert after(joined, ChannelClosed(at=LATER, seq=Seq(3))).outside is None


# Bridges.


@pytest.mark.parametrize(
    ("bridge", "kind"), [("twilio", "sms"), ("whatsapp", "sms"), ("telegram", "telegram")]
)
def test_who_wrote_from_elsewhere_last_is_answered_there(bridge: Bridge, kind: JobKind) -> None:
    assert jobs(direct(bob=bridge)) == [
        JobQueued(
            at=NOW,
            kind=kind,
            key=f"{kind}:2:7:2",
            lane=f"{kind}:2",
            payload=BridgeJob(BOB.id, bridge, CHANNEL, Seq(2)),
        )
    ]


def test_what_somebody_writes_from_elsewhere_does_not_go_back_there() -> None:
    assert jobs(direct(bob="twilio"), who=BOB, via="twilio") == []


def test_an_agent_is_asked_and_answers_by_text_message() -> None:
    before = direct(BOB)
    said = decided(before, via="twilio")
    assert [fact.kind for fact in said if isinstance(fact, JobQueued)] == ["agent"]
    (answer,) = jobs(after(before, *said), who=BOB, via="agent")
    assert answer.payload == BridgeJob(ANN.id, "twilio", CHANNEL, Seq(3))


def test_two_who_are_both_elsewhere_each_hear_the_other_there() -> None:
    before = direct(ann="telegram", bob="twilio")
    assert [job.kind for job in jobs(before, via="telegram")] == ["sms"]
    assert [job.kind for job in jobs(before, who=BOB, via="twilio")] == ["telegram"]


def test_where_somebody_is_follows_from_their_own_last_message() -> None:
    here = direct()
    assert here.outside is None
    elsewhere = after(here, *decided(here, who=BOB, via="whatsapp"))
    assert elsewhere.members[BOB.id].bridge == "whatsapp"
    (job,) = answered = jobs(elsewhere)
    assert job.payload == BridgeJob(BOB.id, "whatsapp", CHANNEL, Seq(3))
    still = after(elsewhere, *decided(elsewhere), *answered)
    assert still.members[BOB.id].bridge == "whatsapp"
    moved = after(still, *decided(still, who=BOB, via="telegram"))
    assert [found.kind for found in jobs(moved)] == ["telegram"]
    back = after(moved, *decided(moved, who=BOB))
    assert back.outside is None
    assert jobs(back) == []


def test_in_a_channel_of_many_nobody_is_answered_elsewhere() -> None:
    before = room()
    said = after(before, *decided(before, who=BOB, via="twilio"))
    assert said.outside is None
    with_agent = room(CID)
    told = after(with_agent, *decided(with_agent, who=BOB, via="twilio"))
    assert told.members is with_agent.members


# What costs nothing, and what a job changes.


@pytest.mark.parametrize("kind", ["channel", "direct"])
def test_where_nobody_is_outside_a_message_is_one_fact(kind: ChannelKind) -> None:
    before = state(kind=kind)
    assert len(decided(before, "@bob")) == 1
    assert apply(before, decided(before)[0]).members is before.members


def test_a_job_changes_nothing_in_the_channel() -> None:
    before = room(BOB)
    posted, job = decided(before, "@bob")
    once = apply(before, posted)
    assert apply(once, job) == once
