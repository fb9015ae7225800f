"""The part of a message that shows why it was found, as HTML. Pure."""

import re
import unicodedata
from html import escape
from typing import Final

from storage.search_terms import Term, Terms

EXCERPT_CHARS: Final = 200
"""How much of the text an excerpt shows, without the marks."""
LEAD_CHARS: Final = 60
"""How much of that comes before the first match."""
_NOT_A_LETTER: Final = r"[\W_]"
_LETTER: Final = r"[^\W_]"


class _Folding(dict[int, str]):
    """Each character without case and accents, as one character: positions in the text stay as they are."""

    def __missing__(self, code: int) -> str:
        base = unicodedata.normalize("NFKD", chr(code).lower())
        folded = "".join(char for char in base if not unicodedata.combining(char))
        self[code] = folded if len(folded) == 1 else chr(code)
        return self[code]


_FOLDING: Final = _Folding()


def excerpt(text: str, terms: Terms) -> str:
    """Some of `text` around the first match, escaped, with all matches in `<mark>`.

    It begins or ends with an ellipsis where something is left out.
    """
    text = unicodedata.normalize("NFC", text)
    spans = [match.span() for match in _pattern(terms).finditer(_folded(text))]
    start, end = _window(text, spans[0][0] if spans else 0)
    return ("…" if start else "") + _marked(text, start, end, spans) + ("…" if end < len(text) else "")


def _folded(text: str) -> str:
    return text.translate(_FOLDING)


def _pattern(terms: Terms) -> re.Pattern[str]:
    # The longest first: of two that begin alike the first one that fits is taken.
    wanted = sorted(terms.wanted, key=lambda term: len("".join(term.words)), reverse=True)
    either = "|".join(_term_pattern(term) for term in wanted)
    return re.compile(f"(?<!{_LETTER})(?:{either})(?!{_LETTER})")


def _term_pattern(term: Term) -> str:
    words = f"{_NOT_A_LETTER}+".join(re.escape(_folded(word)) for word in term.words)
    return words + f"{_LETTER}*" if term.is_prefix else words


def _window(text: str, first: int) -> tuple[int, int]:
    """What to show: from the beginning of a word to the end of one, if there is any near."""
    if len(text) <= EXCERPT_CHARS:
        return 0, len(text)
    start = max(0, min(first - LEAD_CHARS, len(text) - EXCERPT_CHARS))
    if start:
        start = text.find(" ", start, first) + 1 or start
    end = min(len(text), start + EXCERPT_CHARS)
    if end < len(text):
        space = text.rfind(" ", start + EXCERPT_CHARS // 2, end)
        end = space if space > first else end
    return start, end


def _marked(text: str, start: int, end: int, spans: list[tuple[int, int]]) -> str:
    parts, at = [], start
    for first, last in spans:
        low, high = max(first, start), min(last, end)
        if low < high:
            parts += [escape(text[at:low]), "<mark>", escape(text[low:high]), "</mark>"]
            at = high
    return "".join([*parts, escape(text[at:end])])
