"""What is tidied up in the background, between other writes."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

from msgspec import Struct

from protocol.errors import Unavailable
from server.context import Context
from server.departures import see_off_all
from server.upload_sweeping import forget_unsent_files, sweep_blobs
from storage.outbox_review import sweep_outbox
from storage.session_sweeping import sweep_sessions
from storage.sweeping import sweep_deleted_channels

LOG: Final = logging.getLogger("server")
SOON_S: Final = 60.0
RARELY_S: Final = 3600.0
KEPT_AFTER_END: Final = timedelta(days=30)


class Chore(Struct, frozen=True):
    """Something to tidy up: at the start, and then every so often. `run` answers how many it tidied."""

    what_is_done: str
    every_s: float
    run: Callable[[], Awaitable[int]]


def chores(context: Context) -> tuple[Chore, ...]:
    """All there is to tidy up."""
    database = context.database
    return (
        Chore("deleted channels are gone for good", SOON_S, lambda: sweep_deleted_channels(database)),
        Chore(
            "deleted users have left their channels",
            SOON_S,
            lambda: see_off_all(context.chat, context.departures),
        ),
        Chore(
            "sessions and tokens that ended long ago are gone",
            RARELY_S,
            lambda: sweep_sessions(database, context.clock.now() - KEPT_AFTER_END),
        ),
        Chore("files that were never sent are forgotten", SOON_S, lambda: forget_unsent_files(context)),
        Chore("contents that no file has are gone", RARELY_S, lambda: sweep_blobs(context)),
        Chore(
            "what was done outside long ago is forgotten",
            RARELY_S,
            lambda: sweep_outbox(database, context.clock.now()),
        ),
    )


async def keep_house(chore: Chore) -> None:
    """Do it again and again until cancelled; when it fails, it is tried the next time."""
    while True:
        try:
            if count := await chore.run():
                LOG.info(chore.what_is_done, extra={"count": count})
        except Unavailable as error:
            LOG.warning("nothing can be tidied up now: %s", error)
        except Exception:
            # Nobody asked, so nobody else would hear of it.
            LOG.exception("not so: %s", chore.what_is_done)
        await asyncio.sleep(chore.every_s)
