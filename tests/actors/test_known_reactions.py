"""Kinds of reactions are remembered for a while, unless something happens to them."""

from actors.known_reactions import KEPT_S, KnownReactions
from tests.actors.scene import StillClock
from tests.simulation.memory_rows import ReactionRow

KIND = ReactionRow(1, "+1")


def test_a_kind_is_remembered_for_a_while() -> None:
    clock = StillClock()
    known = KnownReactions(clock)
    assert known.get("+1") is None
    known.remember(KIND)
    clock.passed_s = KEPT_S - 1
    assert known.get("+1") == KIND
    clock.passed_s = KEPT_S
    assert known.get("+1") is None


def test_what_changes_is_forgotten() -> None:
    known = KnownReactions(StillClock())
    known.remember(KIND)
    known.forget("+1")
    known.forget("+1")
    assert known.get("+1") is None


def test_a_deleted_kind_is_not_remembered() -> None:
    known = KnownReactions(StillClock())
    known.remember(ReactionRow(1, "+1", is_deleted=True))
    assert known.get("+1") is None
