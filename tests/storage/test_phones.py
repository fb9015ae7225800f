"""Whose number one is, and who wants to hear nothing any more."""

from storage.accounts import Accounts
from storage.engine import Database
from storage.phones import Phones
from tests.storage.people import LATER, NOW, add_user

ANNS, OURS, OTHER = "+15005550001", "+15005550006", "wa:+150055500061234"


async def test_a_number_is_that_of_its_active_user(database: Database) -> None:
    phones, accounts = Phones(database), Accounts(database)
    ann = await add_user(database, "ann", phone_number=ANNS)
    found = await phones.owner(ANNS)
    assert found is not None
    assert (found.id, found.username) == (ann.id, "ann")
    assert await phones.number_of(ann.id) == ANNS
    assert await phones.owner(OURS) is None
    await add_user(database, "root", is_superuser=True)
    await accounts.disable(ann.id, LATER)
    assert await phones.owner(ANNS) is None
    assert await phones.number_of(ann.id) is None
    await accounts.enable(ann.id, LATER)
    await accounts.delete(ann.id, LATER)
    assert await phones.owner(ANNS) is None
    assert await phones.number_of(ann.id) is None


async def test_opting_out_is_for_one_of_our_numbers_and_can_be_taken_back(database: Database) -> None:
    phones = Phones(database)
    for _ in range(2):
        await phones.opt_out(ANNS, OURS, NOW)
    assert await phones.has_opted_out(ANNS, OURS)
    assert not await phones.has_opted_out(ANNS, OTHER)
    await phones.opt_out(ANNS, OTHER, NOW)
    assert await phones.opt_in(ANNS, OURS)
    assert not await phones.opt_in(ANNS, OURS)
    assert not await phones.has_opted_out(ANNS, OURS)
    assert await phones.has_opted_out(ANNS, OTHER)
