"""What somebody typed: a message, or a command that begins with a slash."""

from typing import Final

from msgspec import Struct

HELP: Final = """\
/channels           your channels, and others to join
/join NAME          go to a channel: joins it, or makes it
/dm NAME            talk to one person
/leave              leave this channel
/who                who is here
/history [N]        the last N messages here (20)
/edit TEXT          replace your last message here
/delete             take it back
/help, /quit
Anything else is sent; a line that begins with two slashes is sent with one."""


class Say(Struct, frozen=True):
    content: str


class Order(Struct, frozen=True):
    """A command and the rest of its line."""

    name: str
    rest: str


class Unknown(Struct, frozen=True):
    """What is wrong with the line, for whoever typed it."""

    words: str


_TAKES_REST: Final = {"join": True, "dm": True, "edit": True, "history": None}
_TAKES_NOTHING: Final = frozenset({"channels", "leave", "who", "delete", "help", "quit"})


def read_line(line: str) -> Say | Order | Unknown | None:
    """None for an empty line."""
    text = line.strip()
    if not text:
        return None
    if text.startswith("//"):
        return Say(text[1:])
    if not text.startswith("/"):
        return Say(text)
    name, _, rest = text[1:].partition(" ")
    name, rest = name.lower(), rest.strip()
    if name in _TAKES_NOTHING:
        return Order(name, "")
    if name not in _TAKES_REST:
        return Unknown(f"there is no command /{name}: /help lists them")
    if _TAKES_REST[name] and not rest:
        return Unknown(f"/{name} needs something behind it: /help says what")
    return Order(name, rest)
