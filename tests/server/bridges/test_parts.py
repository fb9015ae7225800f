"""Long texts in parts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.bridges.parts import split


@given(st.text(alphabet=st.sampled_from("ab \n😀"), min_size=1, max_size=60), st.integers(2, 20))
def test_the_parts_are_the_text_and_each_fits(text: str, max_chars: int) -> None:
    parts = split(text, max_chars)
    if text.strip():
        assert all(part.strip() for part in parts)
        assert "".join("".join(parts).split()) == "".join(text.split())
        assert all(len(part.encode("utf-16-le")) // 2 <= max_chars for part in parts)


@pytest.mark.parametrize("length", [1, 1600, 1601, 3200, 4000])
def test_a_text_without_words_is_cut_where_it_must(length: int) -> None:
    text = "x" * length
    parts = split(text, 1600)
    assert "".join(parts) == text
    assert len(parts) == -(-length // 1600)


def test_it_is_cut_after_a_line_or_else_a_word_if_there_is_one_late_enough() -> None:
    assert split("one two\nthree four", 14) == ["one two\n", "three four"]
    assert split("one two three four", 14) == ["one two three ", "four"]
    assert split("a bcdefghijklmnop", 10) == ["a bcdefghi", "jklmnop"]


def test_an_emoji_counts_as_two() -> None:
    assert split("😀" * 5, 4) == ["😀😀", "😀😀", "😀"]
    assert split("😀" * 5, 5) == ["😀😀", "😀😀", "😀"]
