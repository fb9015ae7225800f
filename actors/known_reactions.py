"""The kinds of reactions that were looked up lately: nearly every reaction is one of a few."""

from actors.ports import Clock, ReactionKind

KEPT_S = 60.0
"""How long a kind is believed to be as it was: another process may have deleted it."""


class KnownReactions:
    """By code. Deleted kinds are not remembered: they can only be taken back."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kinds: dict[str, tuple[ReactionKind, float]] = {}

    def get(self, code: str) -> ReactionKind | None:
        kind, since_s = self._kinds.get(code, (None, 0.0))
        return kind if self._clock.monotonic() - since_s < KEPT_S else None

    def remember(self, kind: ReactionKind) -> None:
        if not kind.is_deleted:
            self._kinds[kind.code] = (kind, self._clock.monotonic())

    def forget(self, code: str) -> None:
        """It was deleted, or looks different now."""
        self._kinds.pop(code, None)
