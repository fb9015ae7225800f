"""The journal's way to storage, timed, counted and logged.

`messages.log` gets a line for each part of a commit that failed, and at DEBUG one for each change: never its
text. What goes well is told by `message_log.py` in sums.
"""

import logging
from collections.abc import Awaitable, Coroutine, Sequence
from typing import Any, Final

from actors.ports import Clock, Commits
from protocol.facts import Failed, MessagePosted, Part, PartResult, Written
from server.measures import Measures

SHOWN: Final = ("seq", "sender_id", "user_id", "message_id", "via")
"""What a line says of a change: who, where and how, never what."""
LOG: Final = logging.getLogger("messages_logger")


class MeasuredCommits:
    """A store that is watched."""

    def __init__(self, store: Commits, measures: Measures, clock: Clock) -> None:
        self._store = store
        self._measures = measures
        self._clock = clock

    def commit(self, parts: Sequence[Part]) -> Coroutine[Any, Any, list[PartResult]]:
        """As `Commits.commit`."""
        return self._watch(parts, self._store.commit(parts), self._clock.monotonic())

    async def _watch(
        self, parts: Sequence[Part], writing: Awaitable[list[PartResult]], began_s: float
    ) -> list[PartResult]:
        try:
            results = await writing
        except Exception:
            self._measures.committed["lost"] += sum(len(part.facts) for part in parts)
            raise
        self._note(parts, results, self._clock.monotonic() - began_s)
        self._measures.committed_at_s = self._clock.monotonic()
        return results

    def _note(self, parts: Sequence[Part], results: Sequence[PartResult], took_s: float) -> None:
        """Once for each commit and part, never for each change unless each is to be logged."""
        measures, facts = self._measures, 0
        for part, result in zip(parts, results, strict=False):
            facts += len(part.facts)
            if isinstance(result, Written):
                measures.committed["written"] += len(part.facts)
                measures.messages += len(result.message_ids)
            else:
                measures.committed[type(result).__name__.lower()] += len(part.facts)
                if isinstance(result, Failed):
                    extra = {"channel_id": part.channel_id, "changes": len(part.facts)}
                    LOG.warning("changes were not written", extra=extra)
        measures.commit_s.observe(took_s)
        measures.commit_facts.observe(facts)
        if LOG.isEnabledFor(logging.DEBUG):
            log_changes(parts, results)


def log_changes(parts: Sequence[Part], results: Sequence[PartResult]) -> None:
    """One line for each change that was written."""
    for part, result in zip(parts, results, strict=False):
        if not isinstance(result, Written):
            continue
        ids = iter(result.message_ids)
        for fact in part.facts:
            extra = {name: getattr(fact, name) for name in SHOWN if hasattr(fact, name)}
            if isinstance(fact, MessagePosted):
                extra["message_id"] = next(ids)
            LOG.debug("%s", type(fact).__name__, extra=extra | {"channel_id": part.channel_id})
