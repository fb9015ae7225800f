"""Making many users with sessions, and the file of their access tokens."""

import os
import secrets
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec
from sqlalchemy.exc import IntegrityError

from server.commands.failure import Failure
from server.secret_key import load_secret_key
from server.settings import Settings, SettingsError
from server.tokens import AccessTokens, hash_secret
from storage.bulk import BulkUser, Made, create_users
from storage.engine import Database

IN_ONE_TRANSACTION: Final = 1000


class BulkOptions(msgspec.Struct, frozen=True, kw_only=True):
    prefix: str
    count: int
    hashed_password: str | None
    token_minutes: float


class TokenLine(msgspec.Struct, frozen=True):
    """One line of the file."""

    user_id: int
    username: str
    access_token: str


async def create_many(database: Database, settings: Settings, options: BulkOptions, file: str) -> None:
    """Make the users, a thousand a transaction, and write the file. Raises Failure when a name is taken."""
    tokens = _signer(settings, options.token_minutes)
    try:
        with os.fdopen(_create_private(file), "wb") as lines:
            for start in range(0, options.count, IN_ONE_TRANSACTION):
                now = datetime.now(UTC)
                batch = list(_batch(options, start))
                for made in await create_users(database, batch, now + tokens.lifetime, now):
                    lines.write(_line(made, tokens, now))
                _show(min(start + IN_ONE_TRANSACTION, options.count), options.count)
    except IntegrityError:
        raise Failure(f"there is a user {options.prefix}… already: choose another NAME") from None
    except OSError as error:
        raise Failure(f"{file} cannot be written: {error.strerror}") from None


def _batch(options: BulkOptions, start: int) -> Iterator[BulkUser]:
    for number in range(start + 1, min(start + IN_ONE_TRANSACTION, options.count) + 1):
        name = f"{options.prefix}{number}"
        yield BulkUser(
            username=name,
            email=f"{name}@example.invalid",
            hashed_password=options.hashed_password,
            session_token=hash_secret(secrets.token_urlsafe(32)),
        )


def _line(made: Made, tokens: AccessTokens, now: datetime) -> bytes:
    access_token = tokens.issue(made.user_id, made.session_id, now)
    return msgspec.json.encode(TokenLine(made.user_id, made.username, access_token)) + b"\n"


def _signer(settings: Settings, minutes: float) -> AccessTokens:
    try:
        return AccessTokens(load_secret_key(settings), timedelta(minutes=minutes))
    except SettingsError as error:
        raise Failure(str(error)) from None
    except OSError as error:
        raise Failure(f"the signing key in {settings.data_folder} cannot be read: {error.strerror}") from None


def _create_private(file: str) -> int:
    """An empty file that only its owner can read, whatever was there."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.fchmod(descriptor, 0o600)
    return descriptor


def _show(done: int, total: int) -> None:
    if sys.stderr.isatty():
        filled = 24 * done // total
        line = f"\rusers [{'#' * filled}{'.' * (24 - filled)}] {done:,}/{total:,}"
        print(line, end="\n" if done == total else "", file=sys.stderr, flush=True)
