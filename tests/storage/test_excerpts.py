"""Excerpts show why a message was found, and never let its text be HTML."""

import re
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.excerpts import EXCERPT_CHARS, excerpt
from storage.search_terms import Term, Terms, parse_terms

FILLER = "lorem ipsum dolor " * 30


def shown(text: str, query: str) -> str:
    terms = parse_terms(query)
    assert terms is not None
    return excerpt(text, terms)


@pytest.mark.parametrize(
    ("text", "query", "expected"),
    [
        ("a fox runs", "fox", "a <mark>fox</mark> runs"),
        ("Fox, FOX; foxes", "fox", "<mark>Fox</mark>, <mark>FOX</mark>; foxes"),
        ("foxes", "fo*", "<mark>foxes</mark>"),
        ("New, York; new things", '"new york"', "<mark>New, York</mark>; new things"),
        ("schöner SCHONER", "schoner", "<mark>schöner</mark> <mark>SCHONER</mark>"),
        ("scho\u0308ner", "schöner", "<mark>schöner</mark>"),
        ("a b c", "a c -d", "<mark>a</mark> b <mark>c</mark>"),
        ("new york", 'new "new york"', "<mark>new york</mark>"),
        ("snake_case", "snake", "<mark>snake</mark>_case"),
        (
            "<b>x</b> & \"x\" 'y'",
            "x",
            "&lt;b&gt;<mark>x</mark>&lt;/b&gt; &amp; &quot;<mark>x</mark>&quot; &#x27;y&#x27;",
        ),
        ("<mark>x</mark>", "x", "&lt;mark&gt;<mark>x</mark>&lt;/mark&gt;"),
        ("<mark>", "mark", "&lt;<mark>mark</mark>&gt;"),
        ("nothing of it", "other", "nothing of it"),
        ("", "x", ""),
        ("今日は", "今*", "<mark>今日は</mark>"),
        ("ﬁ İx ẞ", "ẞ", "ﬁ İx <mark>ẞ</mark>"),
    ],
)
def test_matches_are_marked_and_all_else_is_escaped(text: str, query: str, expected: str) -> None:
    assert shown(text, query) == expected


def test_a_long_text_is_cut_around_the_first_match_between_words() -> None:
    found = shown(f"{FILLER} needle {FILLER} needle", "needle")
    assert found.startswith("…")
    assert found.endswith("…")
    assert found.count("<mark>needle</mark>") == 1
    words = set(re.sub(r"</?mark>|…", "", found).split())
    assert words == {"lorem", "ipsum", "dolor", "needle"}


def test_the_ends_of_a_text_are_shown_as_such() -> None:
    assert shown(f"needle {FILLER}", "needle").startswith("<mark>needle</mark> lorem")
    assert shown(f"{FILLER} needle", "needle").endswith("<mark>needle</mark>")
    assert shown(FILLER, "other").startswith("lorem")


def test_a_word_longer_than_an_excerpt_is_cut() -> None:
    text = "x" * 1000
    assert shown(text, "x*") == f"<mark>{'x' * EXCERPT_CHARS}</mark>…"
    assert shown(f"{text} y {text}", "y").count("<mark>y</mark>") == 1


words = st.text(alphabet="aäbB<>&\"'_-. \u0301é今", max_size=400)


@given(
    words, st.lists(st.text(alphabet="abä今", min_size=1, max_size=3), min_size=1, max_size=3), st.booleans()
)
def test_an_excerpt_is_a_part_of_the_text_with_nothing_but_marks_in_it(
    text: str, wanted: list[str], is_prefix: bool
) -> None:
    found = excerpt(text, Terms(tuple(Term((word,), is_prefix) for word in wanted)))
    bare = found.replace("<mark>", "").replace("</mark>", "")
    assert "<" not in bare
    assert found.count("<mark>") == found.count("</mark>")
    assert len(unescape(bare)) <= EXCERPT_CHARS + 2
