"""`parley chat`: a terminal client."""

import argparse
import asyncio
import os
import sys
from getpass import getpass
from pathlib import Path
from typing import Final

import aiohttp
import msgspec

from server.commands.failure import USAGE, Failure
from server.terminal.api import Api, ApiRefused, Unreachable
from server.terminal.chat import Chat
from server.terminal.connection import Ended
from server.terminal.screen import Screen, ScreenGone
from server.terminal.slash import HELP

CONNECT_WITHIN_S: Final = 15.0
SETTLE_WITHIN_S: Final = 15.0


class Account(msgspec.Struct, frozen=True):
    """Who talks. `new_at` is the e-mail address of an account that is to be made first."""

    name: str
    password: str
    new_at: str | None


EPILOG: Final = f"""\
in the chat:
{HELP}

examples:
  parley chat --register --user alice --email alice@example.org --channel general
  parley chat --url https://chat.example.org --user alice
  echo "the build is green" | PARLEY_PASSWORD=... parley chat --user bot --channel builds

The password is asked for, unless it is in PARLEY_PASSWORD or --password-file. Without a terminal, lines of
standard input are sent, and the client leaves when they end and all of them are acknowledged. It reconnects
and resumes by itself: nothing is lost or sent twice when the server is restarted.

exit code: 0 when everything typed was done, 1 when something was refused or not acknowledged, or when not
let in, 2 for wrong usage."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog, parser.formatter_class = EPILOG, argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--url",
        default=os.environ.get("PARLEY_URL", "http://localhost:8000"),
        help="the server (PARLEY_URL; default: http://localhost:8000)",
    )
    parser.add_argument("--user", metavar="NAME", help="user name or e-mail address (asked for without)")
    parser.add_argument("--password-file", type=Path, metavar="FILE", help="its first line is the password")
    parser.add_argument("--register", action="store_true", help="make the account first")
    parser.add_argument("--email", metavar="ADDRESS", help="with --register (asked for without)")
    parser.add_argument("--channel", metavar="NAME", help="go there: joins it, or makes it")
    parser.add_argument("--dm", metavar="NAME", help="talk to this user")


def run(arguments: argparse.Namespace) -> int:
    url = arguments.url.rstrip("/")
    if not url.startswith(("http://", "https://")):
        raise Failure(f"--url: got {url!r}, takes a URL that starts with http:// or https://", USAGE)
    try:
        # Before there is a loop, which takes the first interruption for itself.
        screen = Screen(sys.stdin, sys.stdout)
        account = _account(arguments)
        asyncio.run(_chat(arguments, url, screen, account))
    except (ApiRefused, Unreachable, Ended) as error:
        raise Failure(str(error)) from None
    except ScreenGone:
        raise BrokenPipeError from None
    return 0


async def _chat(arguments: argparse.Namespace, url: str, screen: Screen, account: Account) -> None:
    async with aiohttp.ClientSession() as session:
        api = Api(session, url)
        await _log_in(api, account)
        chat = Chat(api, screen)
        connecting = asyncio.create_task(chat.connection.run(session))
        renewing = asyncio.create_task(chat.connection.renew())
        talking = asyncio.create_task(_talk(chat, screen, arguments))
        tasks = (talking, connecting, renewing)
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            chat.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            screen.close()


async def _log_in(api: Api, account: Account) -> None:
    if account.new_at is not None:
        await api.register(account.name, account.new_at, account.password)
    await api.log_in(account.name, account.password)


async def _talk(chat: Chat, screen: Screen, arguments: argparse.Namespace) -> None:
    """Until the input ends or somebody leaves; then until all that was said is acknowledged."""
    try:
        async with asyncio.timeout(CONNECT_WITHIN_S):
            await chat.connected.wait()
    except TimeoutError:
        raise Unreachable(f"no connection within {CONNECT_WITHIN_S:.0f} s") from None
    if arguments.channel:
        await chat.enter(arguments.channel)
    elif arguments.dm:
        await chat.type(f"/dm {arguments.dm}")
    else:
        await chat.type("/channels")
    while (line := await screen.next_line()) is not None and await chat.type(line):
        pass
    await _settle(chat)


async def _settle(chat: Chat) -> None:
    """Wait for what was said to be acknowledged, as long as it goes on; then for it to be shown."""
    while left := len(chat.state.pending):
        try:
            async with asyncio.timeout(SETTLE_WITHIN_S):
                while len(chat.state.pending) == left:
                    await chat.next_move()
        except TimeoutError:
            raise Unreachable(f"{left} messages were not acknowledged") from None
    await chat.show_what_is_stored()
    if chat.refused:
        raise Failure(f"refused: {chat.refused} of what was typed")


def _account(arguments: argparse.Namespace) -> Account:
    """What is not given is asked for."""
    name = arguments.user or _ask("User name: ", "--user NAME")
    new_at = None
    if arguments.register:
        new_at = arguments.email or _ask("E-mail address: ", "--email ADDRESS")
    return Account(name, _password(arguments.password_file), new_at)


def _password(file: Path | None) -> str:
    if file is not None:
        try:
            return file.read_text(encoding="utf-8").split("\n")[0].rstrip("\r")
        except OSError as error:
            raise Failure(f"{file}: {error.strerror}", USAGE) from None
        except UnicodeDecodeError:
            raise Failure(f"{file}: is not UTF-8", USAGE) from None
    if "PARLEY_PASSWORD" in os.environ:
        return os.environ["PARLEY_PASSWORD"]
    if not sys.stdin.isatty():
        raise Failure("give the password in PARLEY_PASSWORD or with --password-file", USAGE)
    return getpass("Password: ")


def _ask(prompt: str, option: str) -> str:
    if not sys.stdin.isatty():
        raise Failure(f"give {option}", USAGE)
    return input(prompt).strip()
