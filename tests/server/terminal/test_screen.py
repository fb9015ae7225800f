"""The screen: plain lines for programs, an undisturbed prompt for people."""

import asyncio
import io
import sys
from types import SimpleNamespace

import pytest

from server.terminal.screen import Screen


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


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
    screen.take_back_typed_line()
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


def test_a_typed_line_gives_way_to_the_message() -> None:
    shown = Terminal()
    Screen(Terminal(), shown).take_back_typed_line()
    assert shown.getvalue() == "\x1b[1A\x1b[2K"
