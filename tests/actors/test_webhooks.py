"""A channel makes one job for each webhook and batch, and none where nobody is to be told."""

import pytest

from actors.channel_commands import CloseChannel, EditMessage, KnowWebhooks, MoveMarker, PostMessage
from actors.channel_state import ChannelState, apply, decide_post
from actors.permissions import ARCHIVED, NOT_FOUND
from actors.pipeline import Pipeline
from actors.webhooks import decide_webhooks
from protocol.facts import AnyFact, JobQueued, MemberJoined, MessagePosted, WebhooksKnown
from protocol.ids import Seq
from protocol.webhooks import WebhookId, WebhookJob
from tests.actors.making import ANN, CHANNEL, CID, NOW, Asker, by, message, state

ONE, TWO = WebhookId(1), WebhookId(2)
POST = PostMessage(content="hi", nonce=None)


def known(before: ChannelState, *webhooks: WebhookId) -> ChannelState:
    return apply(before, WebhooksKnown(at=NOW, outgoing=webhooks))


def facts_of(pipeline: Pipeline) -> tuple[AnyFact, ...]:
    batch = pipeline.close_batch()
    assert batch is not None
    return batch.part.facts


def test_a_batch_makes_one_job_for_each_webhook() -> None:
    pipeline = Pipeline(known(state(), ONE, TWO))
    for _ in range(3):
        assert pipeline.decide(Asker().ask(POST), NOW) is None
    jobs = [fact for fact in facts_of(pipeline) if isinstance(fact, JobQueued)]
    assert [(job.key, job.lane, job.payload) for job in jobs] == [
        (f"webhook:1:{CHANNEL}:4", "webhook:1", WebhookJob(ONE, CHANNEL)),
        (f"webhook:2:{CHANNEL}:4", "webhook:2", WebhookJob(TWO, CHANNEL)),
    ]
    assert {job.kind for job in jobs} == {"webhook"}


def test_a_change_of_a_message_is_news() -> None:
    pipeline = Pipeline(known(state(last_seq=2), ONE))
    pipeline.decide(Asker().ask(EditMessage(message_id=message().id, content="new")), NOW, message())
    assert [fact.key for fact in facts_of(pipeline) if isinstance(fact, JobQueued)] == [
        f"webhook:1:{CHANNEL}:3"
    ]


def test_what_is_about_no_message_is_no_news() -> None:
    pipeline = Pipeline(known(state(), ONE))
    pipeline.decide(Asker().ask(MoveMarker(seq=Seq(1))), NOW)
    assert not any(isinstance(fact, JobQueued) for fact in facts_of(pipeline))


def test_a_channel_without_webhooks_makes_no_jobs_and_has_nobody_outside() -> None:
    before = known(known(state(), ONE))
    assert before.outside is None
    pipeline = Pipeline(before)
    pipeline.decide(Asker().ask(POST), NOW)
    assert [type(fact) for fact in facts_of(pipeline)] == [MessagePosted]


def test_webhooks_stay_when_members_change() -> None:
    joined = MemberJoined(at=NOW, seq=Seq(2), user=CID, role="member")
    after = apply(known(state(), ONE), joined)
    assert after.outside is not None
    assert after.outside.webhooks == (ONE,)


def test_a_direct_channel_has_none() -> None:
    assert decide_webhooks(state(kind="direct"), by(ANN), KnowWebhooks(outgoing=(ONE,)), NOW) is NOT_FOUND


def test_a_channel_hears_of_its_webhooks_by_a_command() -> None:
    pipeline = Pipeline(state())
    pipeline.decide(Asker().ask(KnowWebhooks(outgoing=(ONE,))), NOW)
    assert facts_of(pipeline) == (WebhooksKnown(at=NOW, outgoing=(ONE,)),)
    pipeline.decide(Asker().ask(CloseChannel()), NOW)
    assert pipeline.decided.is_closed


@pytest.mark.parametrize(("is_archived", "expected"), [(False, list), (True, type(ARCHIVED))])
def test_who_posts_by_a_webhook_need_not_be_a_member(is_archived: bool, expected: type) -> None:
    command = PostMessage(content="hi", nonce=None, via="webhook")
    decision = decide_post(state(is_archived=is_archived), by(CID), command, NOW)
    assert isinstance(decision, expected)
