"""The audit log: everything in it can be found by who, what and to whom."""

from typing import Any

import pytest

from protocol.audit import AuditRecord, Doer
from protocol.facts import Audited
from protocol.ids import UserId
from storage.audit import AuditFilter, AuditLog
from storage.engine import Database
from tests.storage.people import LATER, NOW, Chat, add_user


@pytest.fixture
def log(database: Database) -> AuditLog:
    return AuditLog(database)


@pytest.fixture
async def ann(database: Database, log: AuditLog) -> UserId:
    """Has done three things; somebody at the command line did a fourth."""
    ann = (await add_user(database, "Ann")).id
    by = Doer(ann, "192.0.2.1")
    await log.record(by.did("user.disabled", "user", 7), NOW)
    await log.record(by.did("user.enabled", "user", 7, {"why": "asked"}), LATER)
    await log.record(by.did("channel.closed", "channel", 7), LATER)
    await log.record(Doer().did("user.disabled", "user", 8), LATER)
    return ann


async def found(log: AuditLog, **wanted: Any) -> list[tuple[str, str | None]]:
    entries = await log.list_entries(AuditFilter(**wanted))
    return [(entry.action, entry.target_id) for entry in entries]


async def test_an_entry_says_who_did_what_to_whom_when_and_from_where(log: AuditLog, ann: UserId) -> None:
    last, _, enabled, _ = await log.list_entries(AuditFilter())
    assert (enabled.actor_id, enabled.actor, enabled.action) == (ann, "Ann", "user.enabled")
    assert (enabled.target_type, enabled.target_id, enabled.ip_address) == ("user", "7", "192.0.2.1")
    assert (enabled.detail, enabled.created_at) == ({"why": "asked"}, LATER)
    assert (last.actor_id, last.actor, last.ip_address, last.detail) == (None, None, None, {})


async def test_entries_are_found_by_actor_action_and_target(log: AuditLog, ann: UserId) -> None:
    disabled, enabled, closed, other = (
        ("user.disabled", "7"),
        ("user.enabled", "7"),
        ("channel.closed", "7"),
        ("user.disabled", "8"),
    )
    assert await found(log) == [other, closed, enabled, disabled]
    assert await found(log, actor_id=ann) == [closed, enabled, disabled]
    assert await found(log, actor="ANN") == [closed, enabled, disabled]
    assert await found(log, actor="bob") == []
    assert await found(log, action="user.disabled") == [other, disabled]
    assert await found(log, target_type="user") == [other, enabled, disabled]
    assert await found(log, target_id="7") == [closed, enabled, disabled]
    assert await found(log, target_type="user", target_id="7", action="user.enabled") == [enabled]


async def test_entries_come_in_pages(log: AuditLog, ann: UserId) -> None:
    entries = await log.list_entries(AuditFilter())
    assert await log.list_entries(AuditFilter(), before=entries[1].id, limit=1) == [entries[2]]
    assert await log.list_entries(AuditFilter(), skip=3) == [entries[3]]


async def test_an_act_in_a_channel_is_recorded_by_its_commit(database: Database, log: AuditLog) -> None:
    chat = await Chat.of(database, "ann", "bob")
    channel_id = await chat.channel("one")
    record = AuditRecord(actor_id=chat.ids[0], action="message.deleted", target_type="message", target_id=5)
    said = chat.post(channel_id, "hello")
    await chat.write(channel_id, said, Audited(at=LATER, record=record))
    (entry,) = await log.list_entries(AuditFilter())
    assert (entry.actor, entry.action, entry.target_id) == ("ann", "message.deleted", "5")
    assert entry.created_at == LATER


async def test_a_commit_that_fails_records_nothing(database: Database, log: AuditLog) -> None:
    chat = await Chat.of(database, "ann", "bob")
    channel_id = await chat.channel("one")
    await chat.say(channel_id, "first", nonce="n")
    record = AuditRecord(actor_id=chat.ids[0], action="message.deleted", target_type="message", target_id=5)
    repeat = chat.post(channel_id, "again", nonce="n")
    await chat.commit(chat.part(channel_id, repeat, Audited(at=LATER, record=record)))
    assert await found(log) == []
