"""The users that agents speak as."""

from protocol.audit import COMMAND_LINE
from storage.accounts import Accounts
from storage.bots import Bots
from storage.engine import Database
from tests.storage.people import LATER, NOW, add_user


async def test_a_bot_is_made_once(database: Database) -> None:
    bots = Bots(database)
    made = await bots.ensure("helper", "Helps.", NOW)
    assert made is not None
    assert (made.username, made.bio, made.is_bot) == ("helper", "Helps.", True)
    assert await bots.ensure("Helper", "Helps.", LATER) == made


async def test_what_it_is_for_is_kept_up_to_date(database: Database) -> None:
    bots = Bots(database)
    made, changed = await bots.ensure("helper", "Helps.", NOW), await bots.ensure("helper", "Talks.", LATER)
    assert made is not None
    assert changed is not None
    assert (changed.id, changed.bio) == (made.id, "Talks.")


async def test_a_person_keeps_the_name(database: Database) -> None:
    await add_user(database, "Helper")
    assert await Bots(database).ensure("helper", "Helps.", NOW) is None


async def test_a_bot_that_was_disabled_or_renamed_stays_so(database: Database) -> None:
    bots, accounts = Bots(database), Accounts(database)
    made = await bots.ensure("helper", "Helps.", NOW)
    assert made is not None
    await accounts.disable(made.id, NOW)
    await accounts.update(made.id, NOW, username="servant")
    await add_user(database, "helper")
    again = await bots.ensure("helper", "Helps.", LATER)
    user = await accounts.find(made.id)
    assert again is not None
    assert user is not None
    assert (again.id, again.username, user.is_active) == (made.id, "servant", False)


async def test_one_that_was_deleted_is_made_anew(database: Database) -> None:
    bots = Bots(database)
    made = await bots.ensure("helper", "Helps.", NOW)
    assert made is not None
    await Accounts(database).delete(made.id, NOW, COMMAND_LINE)
    again = await bots.ensure("helper", "Helps.", LATER)
    assert again is not None
    assert again.id != made.id
