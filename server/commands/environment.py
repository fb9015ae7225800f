"""What commands stand on: the settings of this environment, and the database with a schema that fits."""

import asyncio
import getpass
import os
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from protocol.errors import Unavailable
from server.commands.failure import USAGE, Failure
from server.settings import Settings, SettingsError, read_settings
from storage.engine import Database
from storage.revision import is_current
from storage.urls import driver_url

T = TypeVar("T")

# A wrong password or name is not unavailable, for it does not pass by itself; people are told of it just so.
REACHED_IN_VAIN: Final = (Unavailable, DBAPIError)


def settings_of_environment() -> Settings:
    """Raises Failure with the line that names the variable, what it got and what it takes."""
    try:
        return read_settings(os.environ)
    except SettingsError as error:
        raise Failure(str(error), USAGE) from None
    except OSError as error:
        raise Failure(f"{error.filename} cannot be read: {error.strerror}", USAGE) from None


@asynccontextmanager
async def open_database(settings: Settings, *, migrate: bool = False) -> AsyncIterator[Database]:
    """The database, whose schema fits: see `bring_up_to_date`."""
    await bring_up_to_date(settings, migrate=migrate)
    database = await Database.open(settings.database_url)
    try:
        yield database
    except Unavailable as error:
        raise unreachable(settings, error) from None
    finally:
        await database.close()


async def bring_up_to_date(settings: Settings, *, migrate: bool) -> None:
    """Migrate SQLite, and PostgreSQL only when `migrate` says so.

    Raises Failure when the schema is not this version's, and may not or cannot be changed.
    """
    if await schema_fits(settings):
        return
    if not migrate and not settings.database_url.startswith("sqlite"):
        raise Failure(
            "the database's schema is not the one of this version: "
            "back the database up, then run `parley migrate` or `parley serve --migrate`"
        )
    await upgrade(settings)


async def schema_fits(settings: Settings) -> bool:
    """Raises Failure when the database cannot be reached; an SQLite file that is not there does not fit."""
    if is_absent(settings):
        return False
    database = await Database.open(settings.database_url)
    try:
        return await is_current(database)
    except REACHED_IN_VAIN as error:
        raise unreachable(settings, error) from None
    finally:
        await database.close()


def is_absent(settings: Settings) -> bool:
    url = driver_url(settings.database_url)
    return url.get_backend_name() == "sqlite" and not Path(url.database or "").exists()


async def upgrade(settings: Settings) -> None:
    """Raises Failure when it cannot be done."""
    # Alembic takes longer to import than all else, and most starts find nothing to do.
    from alembic.util import CommandError  # noqa: PLC0415

    from storage.schema import upgrade as upgrade_schema  # noqa: PLC0415

    try:
        await upgrade_schema(settings.database_url)
    except CommandError as error:
        raise Failure(f"the database is of a newer version of Parley: {error}") from None
    except (SQLAlchemyError, OSError) as error:
        raise unreachable(settings, error) from None


def unreachable(settings: Settings, error: Exception) -> Failure:
    cause = error.__cause__ or error
    words = " ".join(str(getattr(cause, "orig", None) or cause).split())[:200]
    kind = "sqlite" if settings.database_url.startswith("sqlite") else "postgresql"
    return Failure(f"the {kind} database of DATABASE_URL cannot be used: {words or type(cause).__name__}")


def run_async(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def read_password(*, from_stdin: bool) -> str:
    """The first line of standard input, or what is typed at the terminal, twice and unseen."""
    if from_stdin:
        try:
            # A locale may let through what is no text.
            line = sys.stdin.readline().encode().decode()
        except UnicodeError:
            raise Failure("the password on standard input is not UTF-8", USAGE) from None
        if not line:
            raise Failure("no password on standard input", USAGE)
        return line.rstrip("\r\n")
    if not sys.stdin.isatty():
        raise Failure("give --password-stdin and the password on standard input", USAGE)
    password = getpass.getpass("Password: ")
    if getpass.getpass("Again: ") != password:
        raise Failure("the passwords are not the same", USAGE)
    return password
