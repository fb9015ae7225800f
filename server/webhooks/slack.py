"""Messages as programs post them to Slack, as text of ours.

Of what Slack shows, what is text is kept: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
"""

import re
from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from protocol.commands import CONTENT_MAX_CHARS

CUT_OFF: Final = "…"
_LINK: Final = re.compile(r"<([a-z][a-z0-9+.-]*:[^|>\s]+)(?:\|([^>]*))?>", re.IGNORECASE)
_COMMAND: Final = re.compile(r"<!(here|channel|everyone)(?:\|[^>]*)?>")


class SlackText(Struct, frozen=True):
    """A text object of a block."""

    text: str = ""


class SlackBlock(Struct, frozen=True):
    """A block, as far as it is text."""

    text: SlackText | None = None
    fields: tuple[SlackText, ...] = ()


class SlackAttachment(Struct, frozen=True):
    """An attachment, as far as it is text. `fallback` is what is shown where nothing else can be."""

    pretext: str | None = None
    title: str | None = None
    title_link: str | None = None
    text: str | None = None
    fallback: str | None = None


class SlackMessage(Struct, frozen=True):
    """What Slack takes and Parley shows nothing of, such as icons, is let through."""

    text: str | None = None
    attachments: tuple[SlackAttachment, ...] | None = None
    blocks: tuple[SlackBlock, ...] | None = None


def content_of(message: SlackMessage) -> str:
    """Its text, cut where a message must end; empty when there is none.

    As in Slack, `text` stands for the blocks where both are given.
    """
    parts = [message.text or "\n".join(_block_texts(message.blocks or ()))]
    parts += ["\n".join(_attachment_texts(each)) for each in message.attachments or ()]
    content = plain("\n".join(part for part in parts if part.strip())).strip()
    return content if len(content) <= CONTENT_MAX_CHARS else content[: CONTENT_MAX_CHARS - 1] + CUT_OFF


def plain(text: str) -> str:
    """Slack's mark-up for links and its three escapes, as they are read. `@here` and the like name nobody."""
    text = _COMMAND.sub(r"@\1", _LINK.sub(_link, text))
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _link(match: re.Match[str]) -> str:
    url, label = match[1].removeprefix("mailto:"), match[2]
    return url if not label or label == url else f"{label} ({url})"


def _block_texts(blocks: Iterable[SlackBlock]) -> Iterable[str]:
    for block in blocks:
        yield from (each.text for each in (block.text, *block.fields) if each is not None)


def _attachment_texts(attachment: SlackAttachment) -> list[str]:
    title = attachment.title or ""
    if title and attachment.title_link:
        title = f"{title} ({attachment.title_link})"
    shown = [text for text in (attachment.pretext, title, attachment.text) if text]
    return shown or [attachment.fallback or ""]
