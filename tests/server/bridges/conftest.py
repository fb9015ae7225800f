"""A server with all bridges on."""

from collections.abc import AsyncIterator

import pytest

from server.settings import Settings
from tests.server.bridges.texting import Texting, texting


@pytest.fixture
async def sms(quick_settings: Settings) -> AsyncIterator[Texting]:
    async with texting(quick_settings) as sms:
        yield sms
