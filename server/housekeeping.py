"""What is tidied up in the background, between other writes."""

import asyncio
import logging
from typing import Final

from protocol.errors import Unavailable
from storage.engine import Database
from storage.sweeping import sweep_deleted_channels

LOG: Final = logging.getLogger("server")
EVERY_S: Final = 60.0


async def keep_house(database: Database) -> None:
    """Tidy up until cancelled; a database that is away is tidied later."""
    while True:
        try:
            if swept := await sweep_deleted_channels(database):
                LOG.info("deleted channels are gone for good", extra={"channels": swept})
        except Unavailable as error:
            LOG.warning("nothing can be tidied up now: %s", error)
        await asyncio.sleep(EVERY_S)
