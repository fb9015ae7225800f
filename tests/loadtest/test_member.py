"""A member: what it answers to what it is told, and what it finds wrong."""

from typing import Any

import msgspec
import pytest

from loadtest.member import RETRY_AFTER_TICKS, Crowd, Member
from loadtest.plan import User
from protocol.codec import JSON
from protocol.commands import Hello, Send
from protocol.frames import CLOSE, PING, PONG, TEXT, FrameParser, close_payload, server_frame

RUN = "abcd1234"


def event(kind: str, **fields: Any) -> bytes:
    return server_frame(TEXT, msgspec.json.encode({"type": kind, **fields}))


def ready(last_seq: int = 0, channel_id: int = 1) -> bytes:
    return event("ready", epoch="e1", channels=[{"id": channel_id, "last_seq": last_seq}])


def message(seq: int, nonce: str, message_id: int = 0) -> bytes:
    row = {"id": message_id or 100 + seq, "seq": seq, "nonce": nonce}
    return event("new_message", channel_id=1, seq=seq, message=row)


def ack(seq: int, nonce: str, **fields: Any) -> bytes:
    return event("ack", reply_to=nonce, channel_id=1, seq=seq, message_id=100 + seq, **fields)


def commands(data: bytes) -> list[Any]:
    parser = FrameParser(65536, masked=True)
    return [
        JSON.decode(payload) if opcode == TEXT else (opcode, payload) for opcode, payload in parser.feed(data)
    ]


class Scene:
    """Some members of one channel, all of them ready."""

    def __init__(self, members: int = 1, window: int = 0) -> None:
        self.crowd = Crowd(RUN, "hello", window)
        self.crowd.sending = True
        self.members = [Member(User(index, f"t{index}", (1,)), self.crowd) for index in range(members)]
        for member in self.members:
            assert member.receive(ready(), 0) == b""

    @property
    def wrong(self) -> dict[str, int]:
        return dict(self.crowd.tally.findings.counts)


def test_a_message_is_sent_acknowledged_and_delivered_with_its_latencies() -> None:
    scene = Scene(members=2)
    sender, other = scene.members
    (send,) = commands(sender.send(intended=1000))
    assert send == Send(id=send.nonce, channel_id=1, content="hello", nonce=send.nonce)
    sender.receive(ack(1, send.nonce) + message(1, send.nonce), 1300)
    other.receive(message(1, send.nonce), 1500)
    tally = scene.crowd.tally
    assert (tally.totals.sent, tally.totals.acknowledged, tally.totals.delivered) == (1, 1, 2)
    assert tally.ack_latency.counts() == {300: 1}
    assert sum(tally.delivery_latency.counts().values()) == 2
    assert tally.delivery_latency.percentiles(50) == [300]
    assert (sender.pending, sender.target, other.cursors) == ({}, 1, {1: 1})
    assert scene.wrong == {}


def test_acks_among_the_events_do_not_disturb_them() -> None:
    scene = Scene(members=2)
    first, second = scene.members
    nonces = [commands(member.send(5))[0].nonce for member in (first, second, first)]
    events = [message(seq, nonce) for seq, nonce in enumerate(nonces, start=1)]
    first.receive(b"".join([ack(1, nonces[0]), *events, ack(3, nonces[2])]), 9)
    second.receive(b"".join([events[0], ack(2, nonces[1]), *events[1:]]), 9)
    assert scene.crowd.tally.totals.delivered == 6
    assert scene.crowd.tally.totals.acknowledged == 3
    assert scene.wrong == {}


@pytest.mark.parametrize("size", [1, 7, 50, 200])
def test_bytes_may_come_in_any_pieces(size: int) -> None:
    scene = Scene(members=3)
    nonces = [commands(scene.members[0].send(1))[0].nonce for _ in range(9)]
    data = b"".join(ack(seq, nonce) + message(seq, nonce) for seq, nonce in enumerate(nonces, start=1))
    others = b"".join(message(seq, nonce) for seq, nonce in enumerate(nonces, start=1))
    for at in range(0, len(data), size):
        scene.members[0].receive(data[at : at + size], 2)
    for member in scene.members[1:]:
        for at in range(0, len(others), size):
            member.receive(others[at : at + size], 3)
    assert [member.cursors[1] for member in scene.members] == [9, 9, 9]
    assert scene.crowd.tally.totals.delivered == 27
    assert scene.wrong == {}


def test_an_ack_makes_room_for_the_next_send() -> None:
    scene = Scene(window=1)
    (member,) = scene.members
    (send,) = commands(member.send(0))
    (following,) = commands(member.receive(ack(1, send.nonce), 50))
    assert isinstance(following, Send)
    assert member.pending == {following.nonce: 50}
    scene.crowd.sending = False
    assert member.receive(ack(2, following.nonce), 60) == b""


def test_a_lost_connection_resumes_and_sends_what_is_not_acknowledged_again() -> None:
    scene = Scene()
    (member,) = scene.members
    first, second = (commands(member.send(tick))[0] for tick in (10, 20))
    member.receive(ack(1, first.nonce) + message(1, first.nonce), 30)
    member.connected()
    assert member.header_token is None
    assert member.send(25) == b""
    (hello,) = commands(member.first_bytes())
    assert hello == Hello(token="t0", resume=hello.resume, epoch="e1")
    assert [(cursor.channel_id, cursor.seq) for cursor in hello.resume] == [(1, 1)]
    again = commands(member.receive(ready(last_seq=2), 40))
    assert [send.nonce for send in again] == list(member.pending)
    assert again[0] == second
    rows = [{"id": 102, "seq": 2, "nonce": second.nonce}]
    page = {"from": 1, "to": 2, "messages": rows, "members": [], "channel": None, "more": False}
    member.receive(event("sync", channel_id=1, **page), 50)
    member.receive(ack(2, second.nonce, duplicate=True), 60)
    assert member.cursors == {1: 2}
    tally = scene.crowd.tally
    assert (tally.resent, tally.repeated_acks, tally.totals.delivered) == (2, 1, 2)
    assert scene.wrong == {}


def test_the_first_connection_shows_its_token_in_the_request() -> None:
    member = Member(User(0, "secret", (1,)), Crowd(RUN, "x", 0))
    assert (member.header_token, member.first_bytes()) == ("secret", b"")


def test_a_fresh_ready_of_the_same_connection_repeats_nothing() -> None:
    scene = Scene()
    (member,) = scene.members
    member.send(1)
    assert member.receive(event("lagging") + ready(last_seq=5), 2) == b""
    assert member.cursors == {1: 0}


def test_a_send_refused_for_now_is_repeated_with_the_same_nonce() -> None:
    scene = Scene()
    (member,) = scene.members
    (send,) = commands(member.send(0))
    refusal = {"code": "overloaded", "message": "later", "retryable": True}
    member.receive(event("error", reply_to=send.nonce, **refusal), 100)
    member.receive(event("error", reply_to=send.nonce, retry_after_ms=3000, **refusal), 100)
    retries = scene.crowd.retries
    assert retries.pop_due(100 + RETRY_AFTER_TICKS - 1) == []
    assert retries.pop_due(100 + 2 * RETRY_AFTER_TICKS) == [(member, send.nonce)]
    assert commands(member.send_again(send.nonce)) == [send]
    assert scene.crowd.tally.retried == {"overloaded": 2}
    member.receive(ack(1, send.nonce), 200)
    assert member.send_again(send.nonce) == b""
    member.receive(ack(1, send.nonce, duplicate=True), 210)
    assert scene.wrong == {}


def test_a_second_ack_must_say_what_the_first_said() -> None:
    scene = Scene()
    (member,) = scene.members
    (send,) = commands(member.send(0))
    member.receive(ack(1, send.nonce) + message(1, send.nonce), 1)
    other = {"reply_to": send.nonce, "channel_id": 1, "seq": 1, "message_id": 999, "duplicate": True}
    member.receive(event("ack", **other), 2)
    assert scene.wrong == {"order": 1}


def test_a_refusal_for_now_of_something_else_is_counted_only() -> None:
    scene = Scene()
    scene.members[0].receive(event("error", code="unavailable", message="later", retryable=True), 1)
    assert scene.crowd.tally.retried == {"unavailable": 1}
    assert scene.wrong == {}


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        (ack(1, "unknown"), "stray"),
        (event("error", code="malformed", message="what?", retryable=False), "refused"),
        (event("reset", channel_id=1), "reset"),
        (event("session_ended", reason="revoked"), "session"),
        (message(2, "x"), "gap"),
        (event("new_message", channel_id=1, seq=1), "protocol"),
        (event("new_message", channel_id=8, seq=1, message={"id": 1, "seq": 1}), "stray"),
        (event("sync", channel_id=1, **{"from": 4, "to": 5}, messages=[], members=[]), "gap"),
        (event("sync", channel_id=8, **{"from": 0, "to": 5}, messages=[], members=[]), "gap"),
        (ready(channel_id=5), "stray"),
        (server_frame(TEXT, b"{"), "protocol"),
        (b"\xff\xff", "protocol"),
    ],
)
def test_what_a_server_must_not_say_is_found(told: bytes, kind: str) -> None:
    scene = Scene()
    scene.members[0].receive(told, 1)
    assert scene.wrong == {kind: 1}


def test_a_send_refused_for_good_is_found_and_not_repeated() -> None:
    scene = Scene()
    (member,) = scene.members
    (send,) = commands(member.send(0))
    member.receive(event("error", reply_to=send.nonce, code="forbidden", message="no", retryable=False), 1)
    assert scene.wrong == {"refused": 1}
    assert member.pending == {}


def test_other_changes_take_positions_too() -> None:
    scene = Scene(members=2)
    for member in scene.members:
        member.receive(event("member_joined", channel_id=1, seq=1, user={}, role="member"), 1)
        member.receive(message(2, "of somebody else"), 1)
    assert [member.cursors[1] for member in scene.members] == [2, 2]
    assert scene.crowd.tally.totals.delivered == 0
    assert scene.wrong == {}


def test_what_it_does_not_know_it_ignores() -> None:
    scene = Scene()
    scene.members[0].receive(event("presence", user_id=3, status="away") + event("novelty", text=7), 1)
    assert scene.wrong == {}


def test_pings_are_answered_and_closing_is_noted() -> None:
    scene = Scene()
    (member,) = scene.members
    assert commands(member.receive(server_frame(PING, b"beat"), 1)) == [(PONG, b"beat")]
    member.receive(event("going_away", retry_after_ms=700) + server_frame(CLOSE, close_payload(1012)), 1)
    assert (member.close_code, member.retry_after_ms) == (1012, 700)
