"""Long texts in parts, for transports that limit them: pure."""

from collections.abc import Iterator


def split(text: str, max_chars: int) -> list[str]:
    """The text in parts, in order; together they are the text. None of them is blank.

    Characters are counted as UTF-16 does, as transports do: most emoji are two. Cut after a line or a word
    where there is one in the second half of a part.
    """
    return [part for part in _cut(text, max_chars) if part.strip()] or [text]


def _cut(text: str, max_chars: int) -> Iterator[str]:
    while text:
        room = _fitting(text, max_chars)
        end = room if room == len(text) else _after_word(text, room)
        yield text[:end]
        text = text[end:]


def _fitting(text: str, max_chars: int) -> int:
    """How many of its characters fit."""
    if len(text.encode("utf-16-le")) // 2 <= max_chars:
        return len(text)
    used = 0
    for index, char in enumerate(text):
        used += 1 + (ord(char) > 0xFFFF)
        if used > max_chars:
            return index
    return len(text)


def _after_word(text: str, room: int) -> int:
    for mark in ("\n", " "):
        end = text.rfind(mark, room // 2, room) + 1
        if end:
            return end
    return room
