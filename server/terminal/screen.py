"""The terminal: typed lines come in by a thread, shown lines go out without disturbing what is typed."""

import asyncio
import contextlib
import sys
import threading
from typing import Final, TextIO

PROMPT: Final = "> "
_CLEAR_LINE: Final = "\r\x1b[K"
_CLEAR_LINE_ABOVE: Final = "\x1b[1A\x1b[2K"


class ScreenGone(Exception):
    """Nobody reads what is shown any more. No OSError, which would be taken for the connection's."""


class Screen:
    """On a terminal it keeps a prompt below what is shown; elsewhere it reads and writes plain lines."""

    def __init__(self, typed: TextIO, shown: TextIO) -> None:
        self._typed = typed
        self._shown = shown
        self._line_above: str | None = None
        self.is_live = typed.isatty() and shown.isatty()

    def show(self, line: str) -> None:
        """Raises ScreenGone."""
        self._line_above = None
        self._write(f"{_CLEAR_LINE}{line}\n{PROMPT}{_line_so_far()}" if self.is_live else f"{line}\n")

    def take_back_typed_line(self, line: str) -> None:
        """What was typed comes back as a message once it is stored.

        It stays when it is not what stands above the prompt: something was shown or typed since.
        """
        if self.is_live and self._line_above == line:
            self._line_above = None
            self._write(f"{_CLEAR_LINE}{_CLEAR_LINE_ABOVE}{PROMPT}{_line_so_far()}")

    def _write(self, text: str) -> None:
        try:
            self._shown.write(text)
            self._shown.flush()
        except BrokenPipeError:
            raise ScreenGone from None

    def lines(self) -> "asyncio.Queue[str | None]":
        """What is typed from now on, line by line; None at its end."""
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[str | None] = asyncio.Queue()

        def read() -> None:
            line: str | None = ""
            while line is not None:
                line = self._read()
                # The loop may have ended while somebody thought about what to type.
                with contextlib.suppress(RuntimeError):
                    loop.call_soon_threadsafe(queue.put_nowait, line)

        threading.Thread(target=read, name="typed lines", daemon=True).start()
        return queue

    def _read(self) -> str | None:
        if not self.is_live:
            return self._typed.readline() or None
        try:
            # `show` has put a prompt there, to which this one would be added.
            self._write(_CLEAR_LINE)
            self._line_above = input(PROMPT)
        except (EOFError, ScreenGone):
            return None
        return self._line_above


def _line_so_far() -> str:
    readline = sys.modules.get("readline")
    return "" if readline is None else str(readline.get_line_buffer())
