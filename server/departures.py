"""Takes deleted users out of their channels, each through the channel's actor, and takes up what was left.

Next on its way: `actors/withdrawal.py` decides how somebody leaves.
"""

import asyncio
import logging
from typing import Final

from actors.channel_commands import Identity, Withdraw
from actors.chat import Chat
from protocol.errors import Code, Refused
from protocol.ids import ChannelId, UserId
from protocol.resources import PublicProfile
from storage.departures import Departure, Departures

LOG: Final = logging.getLogger("server")
AT_ONCE: Final = 50
TRIES: Final = 3
"""How often it is tried with a channel whose heir changes meanwhile."""


async def see_off(chat: Chat, departures: Departures, user: PublicProfile) -> int:
    """Let a deleted user leave every channel; how many they have left.

    A channel that refuses is left for the next time. Raises Unavailable.
    """
    count = 0
    for _ in range(TRIES):
        asked, left = await _try_all(chat, departures, user)
        count += left
        if asked == left:
            break
    return count


async def see_off_all(chat: Chat, departures: Departures) -> int:
    """The same for every deleted user who still is somewhere. Raises Unavailable."""
    count, after = 0, UserId(0)
    while page := await departures.departing(after=after, limit=AT_ONCE):
        for user in page:
            count += await see_off(chat, departures, user)
        after = page[-1].id
    return count


async def _try_all(chat: Chat, departures: Departures, user: PublicProfile) -> tuple[int, int]:
    """How many channels there were to leave, and how many of them the user has left."""
    asked, left, after = 0, 0, ChannelId(0)
    while page := await departures.of(user.id, after=after, limit=AT_ONCE):
        results = await asyncio.gather(*(_leave(chat, user, departure) for departure in page))
        asked, left, after = asked + len(page), left + sum(results), page[-1].channel_id
    return asked, left


async def _leave(chat: Chat, user: PublicProfile, departure: Departure) -> bool:
    try:
        await chat.ask(Identity(user), departure.channel_id, Withdraw(heir=departure.heir))
    except Refused as refused:
        if refused.refusal.code != Code.CONFLICT:
            LOG.warning("a deleted user is still in a channel: %s", refused.refusal.message)
        return False
    return True
