"""`messages.log` without a line for each message: what the last seconds brought, in one line of sums."""

import asyncio
import logging
from typing import Final

from server.measures import Measures

LOG: Final = logging.getLogger("messages_logger")
EVERY_S: Final = 10.0


class MessageLog:
    """Compares the numbers with what they were at the last line; silent while nothing is written."""

    def __init__(self, measures: Measures) -> None:
        self._measures = measures
        self._told = (0, 0, 0)

    async def run(self) -> None:
        """Until cancelled; what was written since the last line is told then."""
        try:
            while True:
                await asyncio.sleep(EVERY_S)
                self.tell()
        finally:
            self.tell()

    def tell(self) -> None:
        """Log what is new, if anything is."""
        measures = self._measures
        now = (measures.messages, measures.committed["written"], measures.commit_s.count)
        messages, changes, commits = (new - old for new, old in zip(now, self._told, strict=True))
        self._told = now
        if commits:
            extra = {"messages": messages, "changes": changes, "commits": commits}
            LOG.info("written", extra=extra)
