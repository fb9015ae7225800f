"""Who a text speaks to: `@username` of those who are in the channel. Pure.

Called by `channel_state.py` and `message_state.py` for texts with an `@` in them.
"""

import re
from collections.abc import Mapping
from itertools import islice
from typing import Final

from protocol.ids import UserId

AT_NAMES_MAX: Final = 100
"""How many `@name` of one message are looked at."""
NAME_MAX_CHARS: Final = 100

# An `@` behind a letter or digit is in the middle of an e-mail address; one in a URL is part of that.
_AT_NAME: Final = re.compile(r"https?://\S+|(?<![^\W_])@([A-Za-z0-9._-]+)")
_PUNCTUATION: Final = "._-"


def find_mentions(text: str, names: Mapping[str, UserId]) -> tuple[UserId, ...]:
    """The users that `text` names, each once, in the order of their first mention.

    `names` are the members by their user names in lower case. Names may end in punctuation: of `@bob.` the
    longest name that somebody bears is meant, `bob.` before `bob`.
    """
    found = {
        user_id: None
        for match in islice(_AT_NAME.finditer(text), AT_NAMES_MAX)
        if match[1] is not None and (user_id := _bearer(match[1].lower(), names)) is not None
    }
    return tuple(found)


def _bearer(written: str, names: Mapping[str, UserId]) -> UserId | None:
    shortest = len(written.rstrip(_PUNCTUATION))
    for end in range(min(len(written), NAME_MAX_CHARS), max(shortest, 1) - 1, -1):
        if (user_id := names.get(written[:end])) is not None:
            return user_id
    return None


def with_name(names: dict[str, UserId], username: str, user_id: UserId) -> dict[str, UserId]:
    """`names` with what this user is called now, in place of what they were called."""
    return {**without_name(names, user_id), username.lower(): user_id}


def without_name(names: dict[str, UserId], user_id: UserId) -> dict[str, UserId]:
    return {name: bearer_id for name, bearer_id in names.items() if bearer_id != user_id}
