"""`parley user`: users, made and changed in the database itself; a running server sees it within a second."""

import argparse
import json
from datetime import UTC, datetime
from typing import Final

import bcrypt
import msgspec

from protocol.audit import COMMAND_LINE
from protocol.resources import User
from server.commands.bulk_users import BulkOptions, create_many
from server.commands.environment import open_database, read_password, run_async, settings_of_environment
from server.commands.failure import USAGE, Failure
from server.decoding import in_words
from server.fields import Email, Username
from server.passwords import password_refusal
from storage.accounts import Accounts, NewUser, TakenField
from storage.administration import BotSuperuser, LastSuperuser
from storage.engine import Database

EPILOG: Final = """\
examples:
  parley user create alice --email alice@example.org --password-stdin < password.txt
  parley user create root --email root@example.org --superuser
  parley user create load --count 10000 --tokens tokens.jsonl
  parley user list --json
  parley user disable alice
  parley user promote alice
  parley user delete alice
  parley user password alice --password-stdin < password.txt

exit code: 0 when it is done, 1 when it failed, 2 for wrong usage or a bad setting."""

BULK: Final = """\
With --count N it makes N users, NAME1 to NAMEN, each with an open session whose access token is written to
the file of --tokens: one JSON object a line, {"user_id", "username", "access_token"}, which only its owner
can read. They share the one password of --password-stdin, or have none and
can use only their tokens."""


ACTIONS: Final = {
    "disable": "end all sessions and let nobody in",
    "enable": "let them in again",
    "promote": "make them superuser",
    "demote": "make them superuser no longer",
    "delete": "delete them for good: what they wrote stays, by nobody",
}


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog, parser.formatter_class = EPILOG, argparse.RawDescriptionHelpFormatter
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    _configure_create(actions.add_parser("create", help="make a user, or many", epilog=BULK))
    listing = actions.add_parser("list", help="list all users")
    listing.add_argument("--json", action="store_true", help="one JSON object a line")
    for action, words in ACTIONS.items():
        actions.add_parser(action, help=words).add_argument("name", metavar="NAME", help="or e-mail address")
    password = actions.add_parser("password", help="set a password, and end all sessions")
    password.add_argument("name", metavar="NAME", help="or e-mail address")
    password.add_argument("--password-stdin", action="store_true", help="read it from standard input")


def _configure_create(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("name", metavar="NAME", help="letters, digits, dot, hyphen, underscore; at most 100")
    parser.add_argument("--email", metavar="ADDRESS", help="required, but with --count")
    parser.add_argument("--password-stdin", action="store_true", help="read it from standard input")
    parser.add_argument("--superuser", action="store_true", help="may manage all users and channels")
    parser.add_argument("--count", type=int, metavar="N", help="make N users with sessions")
    parser.add_argument("--tokens", metavar="FILE", help="with --count: where their access tokens go")
    parser.add_argument(
        "--token-minutes", type=float, metavar="M", help="with --count: how long they are good for"
    )


def run(arguments: argparse.Namespace) -> int:
    actions = {
        "create": _create_many if getattr(arguments, "count", None) is not None else _create,
        "list": _list,
        "disable": _disable,
        "enable": _enable,
        "promote": _promote,
        "demote": _demote,
        "delete": _delete,
        "password": _set_password,
    }
    run_async(actions[arguments.action](arguments))
    return 0


async def _create(arguments: argparse.Namespace) -> None:
    settings = settings_of_environment()
    if arguments.email is None:
        raise Failure("give --email ADDRESS", USAGE)
    if arguments.tokens or arguments.token_minutes:
        raise Failure("--tokens and --token-minutes are for --count", USAGE)
    _valid(arguments.name, Username, "NAME")
    _valid(arguments.email, Email, "--email")
    password = _acceptable(
        read_password(from_stdin=arguments.password_stdin), arguments.name, arguments.email
    )
    new = NewUser(
        username=arguments.name,
        email=arguments.email,
        hashed_password=_hash(password, settings.bcrypt_rounds),
        is_superuser=arguments.superuser,
    )
    async with open_database(settings) as database:
        made = await Accounts(database).create(new, datetime.now(UTC), COMMAND_LINE)
    if isinstance(made, TakenField):
        raise Failure(f"the {made.field} is taken: choose another")
    print(f"User {made.username} has the id {made.id}.")


async def _create_many(arguments: argparse.Namespace) -> None:
    settings = settings_of_environment()
    if arguments.tokens is None or arguments.count < 1 or arguments.email or arguments.superuser:
        raise Failure("--count takes a number from 1 and --tokens FILE, no --email and no --superuser", USAGE)
    _valid(f"{arguments.name}{arguments.count}", Username, "NAME")
    hashed = None
    if arguments.password_stdin:
        password = _acceptable(read_password(from_stdin=True), arguments.name, "")
        hashed = _hash(password, settings.bcrypt_rounds)
    options = BulkOptions(
        prefix=arguments.name,
        count=arguments.count,
        hashed_password=hashed,
        token_minutes=arguments.token_minutes or settings.access_token_minutes,
    )
    async with open_database(settings) as database:
        await create_many(database, settings, options, arguments.tokens)
    print(f"Made {arguments.count} users; their tokens are in {arguments.tokens}.")


async def _list(arguments: argparse.Namespace) -> None:
    async with open_database(settings_of_environment()) as database:
        before = None
        while page := await Accounts(database).list_users(before=before, limit=200):
            for user in page:
                print(msgspec.json.encode(user).decode() if arguments.json else _line(user))
            before = page[-1].id


async def _disable(arguments: argparse.Namespace) -> None:
    async with open_database(settings_of_environment()) as database:
        user = await _find(database, arguments.name)
        _refuse(await Accounts(database).disable(user.id, datetime.now(UTC)), user)
    print(f"User {user.username} is disabled, and every session ended.")


async def _enable(arguments: argparse.Namespace) -> None:
    async with open_database(settings_of_environment()) as database:
        user = await _find(database, arguments.name)
        await Accounts(database).enable(user.id, datetime.now(UTC))
    print(f"User {user.username} is enabled.")


async def _promote(arguments: argparse.Namespace) -> None:
    await _set_superuser(arguments.name, is_superuser=True)


async def _demote(arguments: argparse.Namespace) -> None:
    await _set_superuser(arguments.name, is_superuser=False)


async def _set_superuser(name: str, *, is_superuser: bool) -> None:
    async with open_database(settings_of_environment()) as database:
        user = await _find(database, name)
        now = datetime.now(UTC)
        changed = await Accounts(database).set_superuser(user.id, now, is_superuser=is_superuser)
        _refuse(changed, user)
    print(f"User {user.username} is {'a' if is_superuser else 'no'} superuser.")


async def _delete(arguments: argparse.Namespace) -> None:
    async with open_database(settings_of_environment()) as database:
        user = await _find(database, arguments.name)
        _refuse(await Accounts(database).delete(user.id, datetime.now(UTC)), user)
    print(
        f"User {user.username} is deleted, and every session ended. "
        "The server takes them out of their channels within a minute, or when it starts."
    )


async def _set_password(arguments: argparse.Namespace) -> None:
    settings = settings_of_environment()
    password = read_password(from_stdin=arguments.password_stdin)
    async with open_database(settings) as database:
        user = await _find(database, arguments.name)
        hashed = _hash(_acceptable(password, user.username, user.email), settings.bcrypt_rounds)
        await Accounts(database).set_password(user.id, hashed, datetime.now(UTC), by=COMMAND_LINE)
    print(f"User {user.username} has a new password, and every session ended.")


async def _find(database: Database, name: str) -> User:
    user = await Accounts(database).find_by_login(name)
    if user is None:
        raise Failure(f"there is no user {json.dumps(name)}")
    return user


def _refuse(changed: object, user: User) -> None:
    if isinstance(changed, LastSuperuser):
        raise Failure(f"{user.username} is the last superuser: make another first")
    if isinstance(changed, BotSuperuser):
        raise Failure(f"{user.username} is a bot, which cannot log in: promote a person")


def _valid(text: str, kind: object, option: str) -> None:
    try:
        msgspec.convert(text, kind)
    except msgspec.ValidationError as error:
        words = in_words(str(error))
        raise Failure(f"{option}: {words[0].lower()}{words[1:]}", USAGE) from None


def _acceptable(password: str, username: str, email: str) -> str:
    refusal = password_refusal(password, username, email)
    if refusal is not None:
        raise Failure(refusal.message, USAGE)
    return password


def _hash(password: str, rounds: int) -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(rounds)).decode()


def _line(user: User) -> str:
    marks = ["superuser"] * user.is_superuser + ["bot"] * user.is_bot + ["disabled"] * (not user.is_active)
    return f"{user.id:>8}  {user.username:<24} {user.email:<32} {' '.join(marks)}".rstrip()
