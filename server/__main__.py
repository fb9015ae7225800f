"""The command line `parley`: finds the command, and turns what went wrong into one line and an exit code.

A command's module is imported only when it is asked for, so that help comes at once and the server holds
nothing that it does not need.
"""

import argparse
import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Final

from server.commands.failure import FAILED, INTERRUPTED, Failure

COMMANDS: Final = {
    "serve": "run the server",
    "migrate": "bring the database's schema up to date",
    "user": "make, list, disable and enable users, and set passwords",
    "outbox": "list what is to be done outside, and try again what failed",
    "check": "say what works, what does not, and the mend",
    "chat": "chat in this terminal",
    "load": "load a server and check that it loses nothing",
    "openapi": "print the description of the REST API",
    "asyncapi": "print the description of the WebSocket protocol",
}

EPILOG: Final = """\
examples:
  parley serve --port 8000
  parley user create alice --email alice@example.org --password-stdin < password.txt
  parley chat --register --channel general
  parley check

Settings are read from the environment and from .env in the current folder.
exit code: 0 when it is done, 1 when it failed, 2 for wrong usage or a bad setting, 130 when interrupted."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns its exit code; raises SystemExit for help and wrong usage only."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    parsed = make_parser(given).parse_args(given)
    try:
        code: int = parsed.run(parsed)
        sys.stdout.flush()
    except Failure as failure:
        return _say(f"parley {parsed.command}: {failure}", failure.exit_code)
    except (KeyboardInterrupt, EOFError):  # at a prompt, the end of the input is one too
        return _say(f"parley {parsed.command}: interrupted", INTERRUPTED)
    except BrokenPipeError:
        # Whoever read our output has had enough: Python must not complain of it once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as error:
        return _say_bug(parsed.command, error)
    return code


def make_parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """A parser that knows all commands by name, and in full the one that these arguments ask for."""
    parser = argparse.ArgumentParser(
        prog="parley",
        description="Parley, a self-hosted chat server: what is acknowledged is never lost.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="store_const", const=True, help="say which Parley this is")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required="--version" not in arguments)
    wanted = next((argument for argument in arguments if not argument.startswith("-")), None)
    for name, words in COMMANDS.items():
        command = commands.add_parser(name, help=words, description=f"{words[0].upper()}{words[1:]}.")
        if name == wanted:
            module = importlib.import_module(f"server.commands.{name}")
            module.configure(command)
            command.set_defaults(run=module.run)
    if wanted is None:
        parser.set_defaults(run=_print_version)
    return parser


def _print_version(_: argparse.Namespace) -> int:
    module = importlib.import_module("server.version")
    print(f"parley {module.version()}")
    return 0


def _say(line: str, exit_code: int) -> int:
    print(line, file=sys.stderr)
    return exit_code


def _say_bug(command: str, error: Exception) -> int:
    if os.environ.get("LOG_LEVEL", "").lower() == "debug":
        traceback.print_exception(error)
    words = " ".join(str(error).split())[:200]
    return _say(
        f"parley {command}: internal error, {type(error).__name__}: {words} (LOG_LEVEL=debug tells more)",
        FAILED,
    )


if __name__ == "__main__":
    sys.exit(main())
