"""Making many users with sessions, and the file of their access tokens."""

import os
import secrets
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, Final

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
        with _private_file(Path(file)) as lines:
            async for made in _make(database, options, tokens):
                lines.write(made)
    except IntegrityError:
        raise Failure(f"there is a user {options.prefix}… already: choose another NAME") from None
    except OSError as error:
        raise Failure(f"{file} cannot be written: {error.strerror}") from None


async def _make(database: Database, options: BulkOptions, tokens: AccessTokens) -> AsyncIterator[bytes]:
    """A line for each user, once they are stored."""
    for start in range(0, options.count, IN_ONE_TRANSACTION):
        now = datetime.now(UTC)
        batch = list(_batch(options, start))
        for made in await create_users(database, batch, now + tokens.lifetime, now):
            yield _line(made, tokens, now)
        _show(min(start + IN_ONE_TRANSACTION, options.count), options.count)


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


@contextmanager
def _private_file(file: Path) -> Iterator[BinaryIO]:
    """A file that only its owner can read. It takes its name at the end, or is gone."""
    draft = file.with_name(f"{file.name}.part")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.fchmod(descriptor, 0o600)
        with os.fdopen(descriptor, "wb") as content:
            yield content
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)


def _is_watched() -> bool:
    return sys.stderr.isatty()


def _show(done: int, total: int) -> None:
    if _is_watched():
        filled = 24 * done // total
        line = f"\rusers [{'#' * filled}{'.' * (24 - filled)}] {done:,}/{total:,}"
        print(line, end="\n" if done == total else "", file=sys.stderr, flush=True)
