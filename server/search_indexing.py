"""Has the search index follow what is said: behind the commits, and a little at a time."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final

from actors.ports import Clock
from protocol.errors import Unavailable
from storage.search_index import FIRST, SearchIndex, pages

LOG: Final = logging.getLogger("server")
LOOK_EVERY_S: Final = 0.5
PAGE_CHANGES: Final = 24
"""How much one transaction indexes: it keeps SQLite's one writer for about a millisecond."""
IDLE_REST_RATIO: Final = 3.0
BUSY_REST_RATIO: Final = 19.0
"""How many times as long as it worked the indexer rests: less while nobody waits for a commit."""
AFTER_BUG_S: Final = 60.0


async def keep_index(index: SearchIndex, clock: Clock, is_busy: Callable[[], bool]) -> None:
    """Follow until cancelled; while the database is away the index waits for it."""

    def rest_ratio() -> float:
        return BUSY_REST_RATIO if is_busy() else IDLE_REST_RATIO

    while True:
        pause_s = LOOK_EVERY_S
        try:
            await catch_up(index, clock, rest_ratio)
        except Unavailable as error:
            LOG.warning("what is said cannot be indexed now: %s", error)
        except Exception:
            LOG.exception("what was said is not indexed")
            pause_s = AFTER_BUG_S
        await asyncio.sleep(pause_s)


def without_rest() -> float:
    return 0.0


async def catch_up(index: SearchIndex, clock: Clock, rest_ratio: Callable[[], float] = without_rest) -> None:
    """Index everything that has been said by now, unless another process is at it."""
    after = FIRST
    while ranges := await index.behind(after=after):
        for page in pages(ranges, PAGE_CHANGES):
            began_s = time.perf_counter()
            if not await index.follow(page, clock.now()):
                return
            await asyncio.sleep((time.perf_counter() - began_s) * rest_ratio())
        after = ranges[-1].channel_id
