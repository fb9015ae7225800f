"""Commits per second by size of batch: `python -m tests.benchmarks.commits sqlite:////tmp/bench.db`.

The database is migrated first and keeps what is written. With `--busy` the event loop works all the time
beside the commits, as it does in a server under load.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime

import uvloop

from protocol.facts import MessagePosted, Part, Taken, Written
from protocol.ids import ChannelId, Seq, UserId
from storage import schema
from storage.accounts import Accounts, NewUser, TakenField
from storage.channels import Channels, NewChannel
from storage.engine import Database
from storage.messages import Messages

CHANNELS = 20
SIZES = (1, 10, 100, 400)
SECONDS = 2.0
TEXT = "x" * 200


def now() -> datetime:
    return datetime.now(UTC)


async def prepare(database: Database) -> tuple[UserId, dict[ChannelId, Seq]]:
    mark = time.time_ns()
    new = NewUser(username=f"bench-{mark}", email=f"bench-{mark}@example.org", hashed_password=None)
    user = await Accounts(database).create(new, now())
    assert not isinstance(user, TakenField)
    positions = {}
    for number in range(CHANNELS):
        made = await Channels(database, now).create(NewChannel(owner_id=user.id, name=f"{mark} {number}"))
        assert not isinstance(made, Taken)
        positions[made.id] = made.last_seq
    return user.id, positions


def batch(user_id: UserId, positions: dict[ChannelId, Seq], size: int) -> Iterator[Part]:
    """`size` posts, spread evenly over the channels."""
    rooms = list(positions)[: min(size, CHANNELS)]
    for number, room in enumerate(rooms):
        count = size // len(rooms) + (number < size % len(rooms))
        start, at = positions[room], now()
        facts = tuple(
            MessagePosted(
                at=at, seq=Seq(start + n), sender_id=user_id, content=TEXT, nonce=f"{room}-{start + n}"
            )
            for n in range(1, count + 1)
        )
        positions[room] = Seq(start + count)
        yield Part(room, start, positions[room], facts)


async def keep_busy() -> None:
    while True:
        until = time.perf_counter() + 0.0005
        while time.perf_counter() < until:
            pass
        await asyncio.sleep(0)


async def measure(messages: Messages, user_id: UserId, positions: dict[ChannelId, Seq], size: int) -> None:
    took = []
    began = time.perf_counter()
    cpu = time.process_time()
    while time.perf_counter() - began < SECONDS:
        parts = list(batch(user_id, positions, size))
        start = time.perf_counter()
        results = await messages.commit(parts)
        took.append(time.perf_counter() - start)
        assert all(isinstance(result, Written) for result in results)
    elapsed, cpu = time.perf_counter() - began, time.process_time() - cpu
    took.sort()
    print(
        f"{size:4} a commit: {size * len(took) / elapsed:8,.0f} messages/s, "
        f"p50 {took[len(took) // 2] * 1e3:6.2f} ms, p99 {took[int(len(took) * 0.99)] * 1e3:6.2f} ms, "
        f"processor {cpu / len(took) / size * 1e6:5.0f} us a message"
    )


async def run(url: str, *, busy: bool) -> None:
    sys.setswitchinterval(2e-4)
    await schema.upgrade(url)
    database = await Database.open(url)
    work = asyncio.create_task(keep_busy()) if busy else None
    user_id, positions = await prepare(database)
    for size in SIZES:
        await measure(Messages(database), user_id, positions, size)
    if work is not None:
        work.cancel()
        with suppress(asyncio.CancelledError):
            await work
    await database.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument(
        "--busy", action="store_true", help="work beside the commits, as a loaded server does"
    )
    options = parser.parse_args()
    uvloop.run(run(options.url, busy=options.busy))


if __name__ == "__main__":
    main()
