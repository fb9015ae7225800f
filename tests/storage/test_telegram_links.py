"""Codes link a chat to a user: once, for a while."""

from storage.accounts import Accounts
from storage.engine import Database
from storage.telegram_links import TelegramLinks
from tests.storage.people import EXPIRY, LATER, NOW, add_user


async def test_a_code_links_its_sender_once(database: Database) -> None:
    links = TelegramLinks(database)
    ann = await add_user(database, "ann")
    await links.offer(ann.id, "code", EXPIRY, NOW)
    assert await links.owner(2**40) is None
    assert await links.chat_of(ann.id) is None
    linked = await links.link(2**40, "code", LATER)
    assert linked is not None
    assert linked.id == ann.id
    assert await links.chat_of(ann.id) == 2**40
    assert await links.owner(2**40) == linked
    assert await links.link(8, "code", LATER) is None


async def test_only_the_newest_code_works_and_only_in_time(database: Database) -> None:
    links = TelegramLinks(database)
    ann = await add_user(database, "ann")
    await links.offer(ann.id, "first", EXPIRY, NOW)
    await links.offer(ann.id, "second", LATER, NOW)
    assert await links.link(7, "first", NOW) is None
    assert await links.link(7, "second", LATER) is None
    assert await links.link(7, "", NOW) is None
    assert await links.link(7, "second", NOW) is not None


async def test_a_chat_has_one_user_and_a_user_one_chat(database: Database) -> None:
    links = TelegramLinks(database)
    ann, bob = await add_user(database, "ann"), await add_user(database, "bob")
    await links.offer(ann.id, "anns", EXPIRY, NOW)
    await links.link(7, "anns", NOW)
    await links.offer(bob.id, "bobs", EXPIRY, NOW)
    assert await links.chat_of(ann.id) == 7
    await links.link(7, "bobs", NOW)
    assert (await links.chat_of(ann.id), await links.chat_of(bob.id)) == (None, 7)
    await links.offer(bob.id, "again", EXPIRY, NOW)
    await links.link(8, "again", NOW)
    assert (await links.owner(7), await links.chat_of(bob.id)) == (None, 8)


async def test_who_is_disabled_is_nobody(database: Database) -> None:
    links = TelegramLinks(database)
    ann = await add_user(database, "ann")
    await links.offer(ann.id, "anns", EXPIRY, NOW)
    await links.link(7, "anns", NOW)
    await links.offer(ann.id, "more", EXPIRY, NOW)
    await Accounts(database).disable(ann.id, LATER)
    assert (await links.owner(7), await links.chat_of(ann.id)) == (None, None)
    assert await links.link(8, "more", NOW) is None
