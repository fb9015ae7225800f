"""The screen: plain lines for programs, an undisturbed prompt for people."""

import asyncio
import io
import os
import pty
import re
import signal
import subprocess
import sys
import termios
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.terminal.screen import Screen, ScreenGone

SOURCE = Path(__file__).parents[3]
TALKING = """
import asyncio, signal, sys
from server.terminal.screen import Screen, ScreenGone

async def main():
    screen = Screen(sys.stdin, sys.stdout)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, screen.show, "bob: hi")
    asking = loop.create_task(screen.next_line())
    loop.add_signal_handler(signal.SIGUSR2, asking.cancel)
    try:
        screen.show(f"alice: {await asking}")
    finally:
        screen.close()

asyncio.run(main())
"""


class Terminal(io.StringIO):
    """A terminal that keeps what is shown on it."""

    def __init__(self) -> None:
        super().__init__()
        self._ends = pty.openpty()

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._ends[1]

    def unplug(self) -> None:
        for end in self._ends:
            os.close(end)


@pytest.fixture
def shown() -> Iterator[Terminal]:
    terminal = Terminal()
    yield terminal
    terminal.unplug()


class Person:
    """Somebody at a terminal where a screen asks for one line."""

    def __init__(self) -> None:
        self.terminal, self.near = pty.openpty()
        self.modes = termios.tcgetattr(self.near)
        environment = {**os.environ, "PYTHONPATH": str(SOURCE), "TERM": "vt100"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", TALKING],
            stdin=self.near,
            stdout=self.near,
            stderr=subprocess.DEVNULL,
            env=environment,
        )

    def types(self, keys: bytes) -> None:
        os.write(self.terminal, keys)

    def sees(self, shown: bytes) -> None:
        seen = b""
        while shown not in seen:
            seen += os.read(self.terminal, 1000)

    def leaves(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.terminal)
        os.close(self.near)


@pytest.fixture
def person() -> Iterator[Person]:
    person = Person()
    yield person
    person.leaves()


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


async def typed(screen: Screen, count: int = 3) -> list[str | None]:
    async with asyncio.timeout(5):
        return [await screen.next_line() for _ in range(count)]


async def test_lines_of_a_program_come_in_order_and_end() -> None:
    screen = Screen(io.StringIO("one\ntwo\n"), io.StringIO())
    assert await typed(screen) == ["one\n", "two\n", None]


async def test_bytes_that_are_no_text_do_not_end_what_a_program_says() -> None:
    typed_bytes = io.TextIOWrapper(io.BytesIO(b"caf\xe9\nnext\n"), encoding="utf-8")
    assert await typed(Screen(typed_bytes, io.StringIO())) == ["caf\ufffd\n", "next\n", None]


async def test_lines_of_people_come_in_order_and_end(
    monkeypatch: pytest.MonkeyPatch, shown: Terminal
) -> None:
    answer(monkeypatch, shown, "one", "two")
    assert await typed(Screen(shown, shown)) == ["one", "two", None]


def test_a_program_gets_lines_and_nothing_else() -> None:
    shown = io.StringIO()
    screen = Screen(io.StringIO(), shown)
    screen.take_back_typed_line("hello")
    screen.show("hello")
    screen.close()
    assert shown.getvalue() == "hello\n"


def test_what_is_being_typed_stays_below_what_is_shown_and_can_be_edited(person: Person) -> None:
    person.sees(b"> ")
    person.types(b"half a li")
    person.sees(b"half a li")
    person.process.send_signal(signal.SIGUSR1)
    person.sees(b"bob: hi\r\n> half a li")
    person.types(b"nX\x7fe\n")
    person.sees(b"alice: half a line\r\n")


def test_the_terminal_is_left_as_it_was_found(person: Person) -> None:
    person.sees(b"> ")
    person.types(b"half a li")
    person.sees(b"half a li")
    assert termios.tcgetattr(person.near) != person.modes
    person.process.send_signal(signal.SIGUSR2)
    person.process.wait(timeout=20)
    assert termios.tcgetattr(person.near) == person.modes


async def test_without_a_line_editor_the_prompt_is_empty(
    monkeypatch: pytest.MonkeyPatch, shown: Terminal
) -> None:
    monkeypatch.setitem(sys.modules, "readline", None)
    screen = Screen(shown, shown)

    def ask(prompt: str) -> str:
        screen.show("hello")
        return "one"

    monkeypatch.setattr("builtins.input", ask)
    await typed(screen, 1)
    assert shown.getvalue().endswith("hello\n> ")


async def test_there_is_no_prompt_while_nobody_is_asked(
    monkeypatch: pytest.MonkeyPatch, shown: Terminal
) -> None:
    answer(monkeypatch, shown, "one", "two")
    screen = Screen(shown, shown)
    screen.show("-- connected")
    await typed(screen)
    assert on_screen(shown) == ["-- connected", "> one", "> two", "> "]


async def test_a_typed_line_gives_way_to_the_message(
    monkeypatch: pytest.MonkeyPatch, shown: Terminal
) -> None:
    answer(monkeypatch, shown, "one", "two")
    screen = Screen(shown, shown)
    await typed(screen, 2)
    screen.take_back_typed_line("two")
    screen.show("alice: two")
    assert on_screen(shown) == ["> one", "alice: two", ""]


async def test_what_was_shown_since_a_line_was_typed_is_not_taken_back(
    monkeypatch: pytest.MonkeyPatch, shown: Terminal
) -> None:
    answer(monkeypatch, shown, "psst")
    screen = Screen(shown, shown)
    await typed(screen, 1)
    screen.show("-- you talk to @bob")
    screen.take_back_typed_line("psst")
    assert on_screen(shown) == ["> psst", "-- you talk to @bob", ""]


async def test_closing_in_the_middle_of_a_line_ends_it(
    monkeypatch: pytest.MonkeyPatch, shown: Terminal
) -> None:
    screen = Screen(shown, shown)
    as_found = termios.tcgetattr(shown)

    def leave(prompt: str) -> str:
        shown.write(prompt)
        tty.setraw(shown)
        screen.close()
        raise EOFError

    monkeypatch.setattr("builtins.input", leave)
    assert await typed(screen, 1) == [None]
    assert shown.getvalue() == "> \n"
    assert termios.tcgetattr(shown) == as_found


def test_a_reader_that_is_gone_is_told_apart_from_a_lost_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.StringIO()
    monkeypatch.setattr(shown, "flush", gone)
    with pytest.raises(ScreenGone):
        Screen(io.StringIO(), shown).show("hello")


def gone() -> None:
    raise BrokenPipeError
