"""The terminal: typed lines come in by a thread, shown lines go out without disturbing what is typed."""

import asyncio
import contextlib
import importlib
import io
import termios
import threading
from types import ModuleType
from typing import Final, TextIO

PROMPT: Final = "> "
_CLEAR_LINE: Final = "\r\x1b[K"
_CLEAR_LINE_ABOVE: Final = "\x1b[1A\x1b[2K"


class ScreenGone(Exception):
    """Nobody reads what is shown any more. No OSError, which would be taken for the connection's."""


class Screen:
    """On a terminal it keeps a prompt below what is shown; elsewhere it reads and writes plain lines.

    It is made before anything is read.
    """

    def __init__(self, typed: TextIO, shown: TextIO) -> None:
        for stream in (typed, shown):
            if isinstance(stream, io.TextIOWrapper):
                # Programs send bytes in any encoding: one that is wrong is no reason to send nothing.
                stream.reconfigure(errors="replace")
        self._typed = typed
        self._shown = shown
        self._line_above: str | None = None
        self._is_asking = False
        self.is_live = typed.isatty() and shown.isatty()
        self._editor = _line_editor() if self.is_live else None
        self._modes = termios.tcgetattr(typed) if self.is_live else None

    def show(self, line: str) -> None:
        """Raises ScreenGone."""
        self._line_above = None
        self._write(f"{_CLEAR_LINE}{line}\n{self._prompt()}" if self.is_live else f"{line}\n")

    def take_back_typed_line(self, line: str) -> None:
        """What was typed comes back as a message once it is stored.

        It stays when it is not what stands above: something was shown or typed since.
        """
        if self.is_live and self._line_above == line:
            self._line_above = None
            self._write(f"{_CLEAR_LINE}{_CLEAR_LINE_ABOVE}{self._prompt()}")

    async def next_line(self) -> str | None:
        """What is typed next, None at its end. Nobody is asked before, so nothing is read ahead."""
        loop = asyncio.get_running_loop()
        typed: asyncio.Future[str | None] = loop.create_future()

        def take(line: str | None) -> None:
            if not typed.done():
                typed.set_result(line)

        def read() -> None:
            line = self._read()
            # The loop may have ended while somebody thought about what to type.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(take, line)

        threading.Thread(target=read, name="typed line", daemon=True).start()
        return await typed

    def close(self) -> None:
        """Leave the terminal as it was found, also in the middle of a line."""
        if self._modes is None:
            return
        with contextlib.suppress(termios.error, ScreenGone):
            termios.tcsetattr(self._typed, termios.TCSADRAIN, self._modes)
            if self._is_asking:
                self._write("\n")

    def _write(self, text: str) -> None:
        try:
            self._shown.write(text)
            self._shown.flush()
        except BrokenPipeError:
            raise ScreenGone from None

    def _read(self) -> str | None:
        if not self.is_live:
            return self._typed.readline() or None
        self._is_asking = True
        try:
            self._line_above = input(PROMPT)
        except EOFError:
            return None
        finally:
            self._is_asking = False
        return self._line_above

    def _prompt(self) -> str:
        """What stands below, while somebody is asked: the prompt and the line so far."""
        if not self._is_asking:
            return ""
        return PROMPT + ("" if self._editor is None else str(self._editor.get_line_buffer()))


def _line_editor() -> ModuleType | None:
    """`input` edits lines by it once it is imported, which touches the terminal: only where there is one."""
    try:
        editor = importlib.import_module("readline")
    except ImportError:
        return None
    # A paste of many lines would be one line, which a terminal shows as many.
    editor.parse_and_bind("set enable-bracketed-paste off")
    return editor
