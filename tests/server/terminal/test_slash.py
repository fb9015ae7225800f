"""Typed lines: messages, commands, and what is neither."""

import pytest

from server.terminal.slash import HELP, Order, Say, Unknown, read_line


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("hello there\n", Say("hello there")),
        ("  \n", None),
        ("//etc is a folder", Say("/etc is a folder")),
        ("/quit", Order("quit", "")),
        ("/WHO all of you", Order("who", "")),
        ("/join  general ", Order("join", "general")),
        ("/dm bob", Order("dm", "bob")),
        ("/edit better words", Order("edit", "better words")),
        ("/history", Order("history", "")),
        ("/history 50", Order("history", "50")),
    ],
)
def test_lines_are_understood(line: str, meant: object) -> None:
    assert read_line(line) == meant


@pytest.mark.parametrize("line", ["/dance", "/join", "/edit   ", "/"])
def test_what_is_not_understood_is_told(line: str) -> None:
    meant = read_line(line)
    assert isinstance(meant, Unknown)
    assert "/help" in meant.words


def test_help_names_every_command() -> None:
    for name in ("channels", "join", "dm", "leave", "who", "history", "edit", "delete", "help", "quit"):
        assert f"/{name}" in HELP
