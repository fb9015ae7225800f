"""`parley migrate`: brings the database's schema up to date."""

import argparse
from typing import Final

from server.commands.environment import run_async, schema_fits, settings_of_environment, upgrade
from server.commands.failure import FAILED
from storage.revision import newest_revision

EPILOG: Final = """\
examples:
  DATABASE_URL=postgresql://parley@db/parley parley migrate
  parley migrate --check && echo nothing to do

Back the database up before. Servers of the version before may go on running until they are replaced.

exit code: 0 when the schema is up to date, 1 when it is not or cannot be, 2 for a bad setting."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog, parser.formatter_class = EPILOG, argparse.RawDescriptionHelpFormatter
    parser.add_argument("--check", action="store_true", help="change nothing: say whether it is up to date")


def run(arguments: argparse.Namespace) -> int:
    return run_async(_migrate(check_only=arguments.check))


async def _migrate(*, check_only: bool) -> int:
    settings = settings_of_environment()
    if await schema_fits(settings):
        print(f"The schema is up to date: {newest_revision()}.")
        return 0
    if check_only:
        print("The schema is not the one of this version: run `parley migrate`.")
        return FAILED
    await upgrade(settings)
    print(f"The schema is now up to date: {newest_revision()}.")
    return 0
