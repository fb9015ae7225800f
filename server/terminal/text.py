"""Lines for people. What others have written is shown as text only: it cannot steer the terminal."""

import unicodedata
from collections.abc import Mapping
from typing import Final

from protocol.ids import UserId
from protocol.message_text import text_of
from protocol.resources import Message
from server.terminal.news import Changed, Forgotten, Gone, Joined, Left, News, Older, Posted, SendRefused
from server.terminal.view import ChannelView

# Controls and surrogates, and what changes the direction of text.
_UNWANTED: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
# Joins the parts of one emoji.
_ALLOWED: Final = frozenset({"\u200d"})


def plain(text: str) -> str:
    """One line without anything that a terminal would act on."""
    spaced = text.replace("\r\n", " ⏎ ").replace("\n", " ⏎ ").replace("\t", " ")
    return "".join(
        character
        for character in spaced
        if character in _ALLOWED or unicodedata.category(character) not in _UNWANTED
    )


def channel_name(channel: ChannelView, names: Mapping[UserId, str], me: UserId | None) -> str:
    """`#name`, or `@name` of the other one in a direct channel."""
    if channel.kind == "channel":
        return f"#{plain(channel.name or str(channel.id))}"
    others = channel.pair() - {me}
    return f"@{user_name(min(others), names)}" if others else f"@{channel.id}"


def user_name(user_id: UserId, names: Mapping[UserId, str]) -> str:
    return plain(names.get(user_id, f"user {user_id}"))


def message_line(message: Message, where: str, names: Mapping[UserId, str]) -> str:
    at = message.created_at.astimezone().strftime("%H:%M")
    if message.content is None:
        content = "(deleted)"
    else:
        content = plain(text_of(message)) + (" (edited)" if message.edited_at else "")
    return f"{at} {where} {user_name(message.sender_id, names)}: {content}"


def lines_of(news: News, names: Mapping[UserId, str], me: UserId | None) -> list[str]:
    """What to print for it; nothing for what is not for the eye."""
    match news:
        case Posted(channel, message) | Changed(channel, message):
            return [message_line(message, channel_name(channel, names, me), names)]
        case Older(channel, messages):
            where = channel_name(channel, names, me)
            return [message_line(message, where, names) for message in messages]
        case Joined(channel, user_id):
            return [f"-- {user_name(user_id, names)} joined {channel_name(channel, names, me)}"]
        case Left(channel, user_id):
            return [f"-- {user_name(user_id, names)} left {channel_name(channel, names, me)}"]
        case Gone(channel, reason):
            return [f"-- you are no longer in {channel_name(channel, names, me)} ({reason})"]
        case Forgotten(channel):
            return [f"-- the server starts {channel_name(channel, names, me)} from the beginning"]
        case SendRefused(None, code, words, _, field) | SendRefused(_, code, words, None, field):
            return [f"-- refused ({code}): {plain(f'{field}: {words}' if field else words)}"]
    return []
