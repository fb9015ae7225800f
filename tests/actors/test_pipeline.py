"""Between deciding and the commit."""

from typing import Any

import pytest

from actors.channel_commands import ChannelCommand, EditMessage, JoinChannel, LeaveChannel, MoveMarker
from actors.pipeline import Batch, Pipeline, nonce_key
from protocol.errors import Code, Refusal
from protocol.facts import ChannelClosed
from protocol.ids import MessageId, Seq
from tests.actors.making import ANN, BOB, CID, NOW, Asker, message, state


@pytest.fixture
def pipeline() -> Pipeline:
    return Pipeline(state())


def decide(pipeline: Pipeline, ask: Any, **about: Any) -> Refusal | None:
    return pipeline.decide(ask, NOW, **about)


def closed(pipeline: Pipeline) -> Batch:
    batch = pipeline.close_batch()
    assert batch is not None
    return batch


def test_a_turn_becomes_one_part_on_the_state_before_it(pipeline: Pipeline) -> None:
    asker = Asker()
    for nonce in ("a", "b"):
        assert decide(pipeline, asker.post(nonce=nonce)) is None
    batch = closed(pipeline)
    assert (batch.part.expected, batch.part.last_seq, len(batch.part.facts)) == (1, 3, 2)
    assert (pipeline.committed.last_seq, pipeline.decided.last_seq, pipeline.depth) == (1, 3, 2)
    assert pipeline.close_batch() is None


def test_deciding_goes_on_while_a_commit_is_under_way(pipeline: Pipeline) -> None:
    decide(pipeline, Asker().post())
    first = closed(pipeline)
    decide(pipeline, Asker().post())
    second = closed(pipeline)
    assert second.part.expected == first.part.last_seq
    assert pipeline.is_next(first)
    assert not pipeline.is_next(second)
    pipeline.commit(first)
    assert pipeline.is_next(second)
    assert pipeline.committed is first.after


def test_an_edit_rests_on_the_draft_until_it_is_committed(pipeline: Pipeline) -> None:
    ask = Asker().ask(EditMessage(message_id=MessageId(1), content="new"))
    decide(pipeline, ask, message=message())
    assert pipeline.drafts[MessageId(1)].content == "new"
    first = closed(pipeline)
    again = Asker().ask(EditMessage(message_id=MessageId(1), content="newer"))
    decide(pipeline, again, message=pipeline.drafts[MessageId(1)])
    second = closed(pipeline)
    pipeline.commit(first)
    assert pipeline.drafts[MessageId(1)].content == "newer"
    pipeline.commit(second)
    assert pipeline.drafts == {}


def test_a_refusal_on_committed_ground_is_given_at_once(pipeline: Pipeline) -> None:
    refusal = decide(pipeline, Asker(CID).post())
    assert refusal is not None
    assert refusal.code is Code.FORBIDDEN
    assert pipeline.is_empty


def test_a_refusal_that_rests_on_what_is_not_on_disk_waits_for_it(pipeline: Pipeline) -> None:
    decide(pipeline, Asker(BOB).ask(LeaveChannel()))
    assert decide(pipeline, Asker(BOB).post()) is None
    batch = closed(pipeline)
    assert decide(pipeline, Asker(BOB).post()) is None
    assert pipeline.close_batch() is None
    pipeline.commit(batch)
    answers = [decided.refusal and decided.refusal.code for decided in pipeline.unanswered()]
    assert answers == [None, Code.FORBIDDEN, Code.FORBIDDEN]
    assert pipeline.depth == 0


def test_what_changes_nothing_waits_for_what_it_was_decided_behind(pipeline: Pipeline) -> None:
    again = Asker(BOB).ask(JoinChannel())
    decide(pipeline, again)
    assert pipeline.close_batch() is None
    assert pipeline.nothing_in_flight
    pipeline.settle_open()
    assert [decided.ask for decided in pipeline.unanswered()] == [again]
    decide(pipeline, Asker().post())
    batch = closed(pipeline)
    decide(pipeline, again)
    assert pipeline.close_batch() is None
    assert batch.decided[-1].ask is again


def test_a_marker_is_written_without_taking_a_number(pipeline: Pipeline) -> None:
    decide(pipeline, Asker().ask(MoveMarker(seq=Seq(1))))
    batch = closed(pipeline)
    assert (batch.part.expected, batch.part.last_seq) == (1, 1)


def test_the_same_post_again_joins_the_one_on_its_way(pipeline: Pipeline) -> None:
    first, again, other = Asker().post(nonce="n"), Asker().post(nonce="n"), Asker(BOB).post(nonce="n")
    key, others = nonce_key(first), nonce_key(other)
    assert key is not None
    assert others is not None
    assert not pipeline.join_repeat(again, key)
    decide(pipeline, first)
    assert pipeline.join_repeat(again, key)
    assert not pipeline.join_repeat(other, others)
    assert pipeline.depth == 2
    assert pipeline.arrived(key) == [again]
    assert (pipeline.arrived(key), pipeline.depth) == ([], 1)


def test_rewinding_gives_back_everybody_in_order_on_a_new_line(pipeline: Pipeline) -> None:
    asker = Asker()
    asks = [asker.post(nonce=nonce) for nonce in "abcd"]
    line = pipeline.line
    decide(pipeline, asks[0])
    pipeline.commit(closed(pipeline))
    decide(pipeline, asks[1])
    closed(pipeline)
    decide(pipeline, asks[2])
    key = nonce_key(asks[2])
    assert key is not None
    pipeline.join_repeat(asks[3], key)
    assert pipeline.rewind() == asks
    assert pipeline.is_empty
    assert (pipeline.depth, pipeline.drafts, pipeline.decided) == (0, {}, pipeline.committed)
    assert pipeline.line is not line
    assert pipeline.arrived(key) == []


def test_who_is_being_answered_when_a_turn_fails_is_not_forgotten(pipeline: Pipeline) -> None:
    asks = [Asker().post(nonce=nonce) for nonce in "ab"]
    for ask in asks:
        decide(pipeline, ask)
    pipeline.commit(closed(pipeline))
    assert next(pipeline.unanswered()).ask is asks[0]
    assert pipeline.rewind() == asks


def test_a_closed_channel_decides_nothing(pipeline: Pipeline) -> None:
    owner = Pipeline(state(roles={ANN.id: "owner"}))
    decide(owner, Asker().ask(LeaveChannel()))
    batch = closed(owner)
    assert isinstance(batch.part.facts[-1], ChannelClosed)
    commands: list[ChannelCommand] = [JoinChannel(), LeaveChannel()]
    for command in commands:
        assert decide(owner, Asker().ask(command)) is None
    owner.close_batch()
    owner.commit(batch)
    codes = [decided.refusal and decided.refusal.code for decided in owner.unanswered()]
    assert codes == [None, Code.NOT_FOUND, Code.NOT_FOUND]


def test_only_posts_with_a_nonce_have_a_key() -> None:
    assert nonce_key(Asker().post(nonce="n")) == (ANN.id, "n")
    assert nonce_key(Asker().post()) is None
    assert nonce_key(Asker().ask(LeaveChannel())) is None
