"""A server that may tell receivers on this machine, and such a receiver."""

from collections.abc import AsyncIterator

import pytest

from server.settings import Settings
from tests.server.talking import Place, place
from tests.server.webhooks.telling import Story
from tests.stand_ins.receiver import Receiver, receiver


@pytest.fixture
async def told() -> AsyncIterator[Receiver]:
    async with receiver() as stand_in:
        yield stand_in


@pytest.fixture
async def open_home(quick_settings: Settings) -> AsyncIterator[Place]:
    async with place(quick_settings, webhook_private_addresses=True) as home:
        yield home


@pytest.fixture
async def story(open_home: Place, told: Receiver) -> Story:
    """Ann's channel with a webhook to the receiver."""
    return await Story.begin(open_home, told)
