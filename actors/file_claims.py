"""Which posts that are decided again may have the files that they name: a file goes with one message."""

from collections.abc import Collection

from actors.channel_commands import Ask, PostMessage
from actors.pipeline import nonce_key


class FileClaims:
    """`spent` files have gone with other messages, or are gone. The others go to whoever comes first."""

    def __init__(self, spent: Collection[int] = ()) -> None:
        self._spent = frozenset(spent)
        self._claimed: dict[int, object] = {}

    def allow(self, ask: Ask) -> bool:
        """Whether the files of this post are there for it, from now on for it alone and its repeats."""
        if not isinstance(ask.command, PostMessage):
            return True
        claimant = nonce_key(ask) or id(ask)
        ids = [file.id for file in ask.command.attachments]
        if any(file_id in self._spent or self._claimed.get(file_id, claimant) != claimant for file_id in ids):
            return False
        self._claimed |= dict.fromkeys(ids, claimant)
        return True
