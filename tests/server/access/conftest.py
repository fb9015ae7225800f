"""A world on a server of its own."""

import pytest

from tests.server.access.world import World
from tests.server.talking import Place


@pytest.fixture
async def world(home: Place) -> World:
    world = World(home.nobody, home.context)
    await world.populate()
    return world
