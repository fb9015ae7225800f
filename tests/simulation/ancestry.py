"""Which fact every fact was decided behind: whatever is committed must follow on just that one.

The fence compares positions. It could not tell two histories of the same length apart, so a part of an owner
that has been overtaken might still fit; here the histories themselves are compared.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from actors import pipeline
from actors.channel_state import ChannelState
from protocol.facts import AnyFact, Numbered


class Ancestry:
    """Watches facts being decided. Objects are kept, so that their ids stay theirs."""

    def __init__(self) -> None:
        self._states: dict[int, tuple[ChannelState, Numbered | None]] = {}
        self._facts: dict[int, tuple[AnyFact, Numbered | None]] = {}

    def before(self, fact: Numbered) -> Numbered | None:
        """The numbered fact that this was decided behind; None when its owner had only just loaded."""
        return self._facts[id(fact)][1]

    @contextmanager
    def watched(self) -> Iterator[None]:
        module: Any = pipeline
        apply = module.apply

        def note(state: ChannelState, fact: AnyFact) -> ChannelState:
            earlier = self._states.get(id(state), (None, None))[1]
            after: ChannelState = apply(state, fact)
            self._facts[id(fact)] = (fact, earlier)
            self._states[id(after)] = (after, fact if isinstance(fact, Numbered) else earlier)
            return after

        module.apply = note
        try:
            yield
        finally:
            module.apply = apply
