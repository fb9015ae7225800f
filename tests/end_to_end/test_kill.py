"""The server is killed under load again and again: nothing acknowledged is lost, nothing is there twice."""

import io

from sqlalchemy import func, select

from loadtest.progress import ProgressLine
from loadtest.run import LoadOptions, run_load
from storage.engine import Database
from storage.tables import messages

ROUNDS = 3
USERS = 24


async def test_nothing_acknowledged_is_lost_or_doubled_when_the_server_is_killed(database_url: str) -> None:
    options = LoadOptions(
        scenario="chat",
        users=USERS,
        channels=4,
        database=database_url,
        rate=0.0,
        window=2,
        duration_s=3.0,
        warmup_s=0.2,
        drain_s=20.0,
        processes=2,
        kills=ROUNDS,
    )
    result = await run_load(options, ProgressLine(io.StringIO(), quiet=True))
    assert result.check.ok, result.check.examples
    assert result.reconnects >= USERS
    assert result.check.acknowledged > 100
    stored, sends = await stored_messages(database_url)
    assert stored == sends
    assert stored >= result.check.acknowledged


async def stored_messages(database_url: str) -> tuple[int, int]:
    """How many messages there are, and how many different sends they come from."""
    database = await Database.open(database_url)
    nonce = messages.c.nonce
    query = select(func.count(), func.count(nonce.distinct())).select_from(messages)
    counted = await database.read(lambda connection: connection.execute(query).one())
    await database.close()
    return counted[0], counted[1]
