"""Has the search index follow what is said: behind the commits, and a little at a time."""

import asyncio
import logging
import time
from typing import Final

from actors.ports import Clock
from protocol.errors import Unavailable
from storage.search_index import FIRST, SearchIndex, pages

LOG: Final = logging.getLogger("server")
LOOK_EVERY_S: Final = 0.5
PAGE_CHANGES: Final = 64
"""How much one transaction indexes: it keeps SQLite's one writer for about two milliseconds."""
REST_RATIO: Final = 9.0
"""How many times as long as it worked the indexer rests: it takes a tenth of the writer's time at most."""
AFTER_BUG_S: Final = 60.0


async def keep_index(index: SearchIndex, clock: Clock) -> None:
    """Follow until cancelled; while the database is away the index waits for it."""
    while True:
        pause_s = LOOK_EVERY_S
        try:
            await catch_up(index, clock)
        except Unavailable as error:
            LOG.warning("what is said cannot be indexed now: %s", error)
        except Exception:
            LOG.exception("what was said is not indexed")
            pause_s = AFTER_BUG_S
        await asyncio.sleep(pause_s)


async def catch_up(index: SearchIndex, clock: Clock, *, rest_ratio: float = REST_RATIO) -> None:
    """Index everything that has been said by now, unless another process is at it."""
    after = FIRST
    while ranges := await index.behind(after=after):
        for page in pages(ranges, PAGE_CHANGES):
            began_s = time.perf_counter()
            if not await index.follow(page, clock.now()):
                return
            await asyncio.sleep((time.perf_counter() - began_s) * rest_ratio)
        after = ranges[-1].channel_id
