"""How a command fails: one line for people, and an exit code for scripts."""

from typing import Final

FAILED: Final = 1
USAGE: Final = 2
INTERRUPTED: Final = 130


class Failure(Exception):
    """Its text is the line, without the command's name."""

    def __init__(self, words: str, exit_code: int = FAILED) -> None:
        super().__init__(words)
        self.exit_code = exit_code
