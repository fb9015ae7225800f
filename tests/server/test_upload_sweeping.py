"""Uploads that nobody needs go, in their time; those that somebody needs stay."""

import os
from pathlib import Path

import aiohttp
import pytest

from server.blobs import FRESH_S
from server.housekeeping import chores
from server.upload_sweeping import UNSENT_KEPT, forget_unsent_files, sweep_blobs
from tests.server.pictures import png
from tests.server.rest.client import Api
from tests.server.talking import Place
from tests.server.uploading import download, upload


@pytest.fixture
async def alice(home: Place) -> Api:
    return await home.nobody.newcomer("alice")


def contents(home: Place) -> set[bytes]:
    return {path.read_bytes() for path in files(home)}


def files(home: Place) -> list[Path]:
    return [each for each in (home.context.settings.data_folder / "files").rglob("*") if each.is_file()]


async def tidy(home: Place) -> tuple[int, int]:
    """After a day: how many files were forgotten, and how many contents went."""
    home.clock.moved_s += UNSENT_KEPT.total_seconds() + 1
    for path in files(home):
        long_ago = path.stat().st_mtime - FRESH_S - 1
        os.utime(path, (long_ago, long_ago))
    return await forget_unsent_files(home.context), await sweep_blobs(home.context)


async def send(alice: Api, *named: int) -> str:
    bob = await Api(alice.session).newcomer()
    body = {"recipient_id": bob.id, "content": "x", "attachments": [*named]}
    return f"/messages/{(await alice.post('/messages', body))['id']}"


async def test_an_unsent_file_goes_after_a_day_and_a_sent_one_stays(home: Place, alice: Api) -> None:
    sent, _ = await upload(alice, b"sent"), await upload(alice, b"unsent")
    await send(alice, sent["id"])
    assert await forget_unsent_files(home.context) == 0
    assert await sweep_blobs(home.context) == 0
    assert await tidy(home) == (1, 1)
    assert contents(home) == {b"sent"}


async def test_contents_stay_until_the_last_file_of_them_goes(home: Place, alice: Api) -> None:
    sent, _ = await upload(alice, b"same"), await upload(alice, b"same")
    message = await send(alice, sent["id"])
    assert await tidy(home) == (1, 0)
    owner = await home.nobody.log_in("alice")
    assert (await download(owner, sent)).body == b"same"
    await owner.delete(message)
    assert await tidy(home) == (1, 1)
    assert contents(home) == set()


async def test_a_reactions_picture_stays_until_the_reaction_is_deleted(home: Place, alice: Api) -> None:
    form = aiohttp.FormData()
    form.add_field("code", "party")
    form.add_field("image", png(), filename="a.png")
    made = await alice.post("/reactions", data=form)
    await upload(alice, png())
    assert await tidy(home) == (1, 0)
    now = home.context.clock.now()
    await home.context.accounts.set_superuser(alice.user["id"], now, is_superuser=True)
    await (await home.nobody.log_in("alice")).delete(f"/reactions/{made['id']}")
    assert await tidy(home) == (0, 1)


async def test_it_is_among_the_chores(home: Place) -> None:
    told = {chore.what_is_done for chore in chores(home.context)}
    assert {"files that were never sent are forgotten", "contents that no file has are gone"} <= told
