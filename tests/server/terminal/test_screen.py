"""The screen: plain lines for programs, an undisturbed prompt for people."""

import asyncio
import io
import re
import sys
from types import SimpleNamespace

import pytest

from server.terminal.screen import Screen


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def answer(monkeypatch: pytest.MonkeyPatch, shown: Terminal, *lines: str) -> None:
    """Somebody types these lines, which the terminal echoes, and ends the input."""
    answers = iter(lines)

    def ask(prompt: str) -> str:
        shown.write(prompt)
        for line in answers:
            shown.write(f"{line}\n")
            return line
        raise EOFError

    monkeypatch.setattr("builtins.input", ask)


def on_screen(shown: Terminal) -> list[str]:
    """What a terminal makes of it."""
    rows = [""]
    for part in re.findall(r"\x1b\[\d*[A-Z]|\r|\n|[^\x1b\r\n]+", shown.getvalue()):
        match part:
            case "\n":
                rows.append("")
            case "\x1b[1A":
                assert rows.pop() == ""
            case "\x1b[K" | "\x1b[2K":
                rows[-1] = ""
            case "\r":
                pass
            case text:
                rows[-1] += text
    return rows


async def typed(screen: Screen) -> list[str | None]:
    lines = screen.lines()
    async with asyncio.timeout(5):
        return [await lines.get() for _ in range(3)]


async def test_lines_of_a_program_come_in_order_and_end() -> None:
    screen = Screen(io.StringIO("one\ntwo\n"), io.StringIO())
    assert await typed(screen) == ["one\n", "two\n", None]


async def test_lines_of_people_come_in_order_and_end(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter(["one", "two"])

    def ask(prompt: str) -> str:
        assert prompt == "> "
        for answer in answers:
            return answer
        raise EOFError

    monkeypatch.setattr("builtins.input", ask)
    assert await typed(Screen(Terminal(), Terminal())) == ["one", "two", None]


def test_a_program_gets_lines_and_nothing_else() -> None:
    shown = io.StringIO()
    screen = Screen(io.StringIO(), shown)
    screen.take_back_typed_line("hello")
    screen.show("hello")
    assert shown.getvalue() == "hello\n"


def test_what_is_being_typed_stays_below_what_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "readline", SimpleNamespace(get_line_buffer=lambda: "half a li"))
    shown = Terminal()
    Screen(Terminal(), shown).show("hello")
    assert shown.getvalue() == "\r\x1b[Khello\n> half a li"


def test_without_a_line_editor_the_prompt_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "readline", raising=False)
    shown = Terminal()
    Screen(Terminal(), shown).show("hello")
    assert shown.getvalue().endswith("\n> ")


async def test_a_prompt_takes_the_place_of_the_one_that_was_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = Terminal()
    answer(monkeypatch, shown, "one", "two")
    screen = Screen(Terminal(), shown)
    screen.show("-- connected")
    await typed(screen)
    assert on_screen(shown) == ["-- connected", "> one", "> two", "> "]


async def test_a_typed_line_gives_way_to_the_message(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = Terminal()
    answer(monkeypatch, shown, "one", "two")
    screen = Screen(Terminal(), shown)
    await typed(screen)
    screen.take_back_typed_line("two")
    screen.show("alice: two")
    assert on_screen(shown) == ["> one", "alice: two", "> "]


async def test_what_was_shown_since_a_line_was_typed_is_not_taken_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown = Terminal()
    answer(monkeypatch, shown, "/dm bob", "psst")
    screen = Screen(Terminal(), shown)
    await typed(screen)
    screen.take_back_typed_line("/dm bob")
    screen.show("-- you talk to @bob")
    screen.take_back_typed_line("psst")
    assert on_screen(shown) == ["> /dm bob", "> psst", "-- you talk to @bob", "> "]
