"""What people look for, as terms: words, "phrases", -excluded ones and beginnings*. Pure.

A term holds letters and digits only, whatever was typed, so that nothing in it means anything to a database.
"""

import re
import unicodedata
from typing import Final

from msgspec import Struct

WORD: Final = re.compile(r"[^\W_]+")
_TERM: Final = re.compile(r'(?P<not>-?)(?:"(?P<phrase>[^"]*)(?:"(?P<any>\*?)|$)|(?P<plain>[^\s"]+))')


class Term(Struct, frozen=True):
    """Words that stand next to each other; with `is_prefix` the last one is the beginning of a word."""

    words: tuple[str, ...]
    is_prefix: bool = False


class Terms(Struct, frozen=True):
    """All of `wanted`, of which there is at least one, and none of `unwanted`."""

    wanted: tuple[Term, ...]
    unwanted: tuple[Term, ...] = ()


def parse_terms(query: str) -> Terms | None:
    """The terms of what somebody typed; None when it names nothing to look for.

    A word with punctuation in it, such as `e-mail`, is a phrase. The end closes an open quotation.
    """
    wanted: list[Term] = []
    unwanted: list[Term] = []
    for match in _TERM.finditer(unicodedata.normalize("NFC", query)):
        if term := _term(match):
            (unwanted if match["not"] else wanted).append(term)
    return Terms(tuple(dict.fromkeys(wanted)), tuple(dict.fromkeys(unwanted))) if wanted else None


def _term(match: re.Match[str]) -> Term | None:
    typed = match["phrase"] if match["plain"] is None else match["plain"]
    is_prefix = bool(match["any"]) if match["plain"] is None else typed.endswith("*")
    words = tuple(WORD.findall(typed))
    return Term(words, is_prefix) if words else None
