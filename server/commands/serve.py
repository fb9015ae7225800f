"""`parley serve`: runs the server until it is told to stop, then drains it."""

import argparse
import asyncio
import signal
from typing import Final

import uvloop
from msgspec.structs import replace

from protocol.errors import Unavailable
from server.app import running
from server.commands.environment import bring_up_to_date, settings_of_environment, unreachable
from server.commands.failure import USAGE, Failure
from server.logs import configure_logs
from server.settings import Settings, SettingsError

EPILOG: Final = """\
examples:
  parley serve                                   on port 8000, with ./backend.db
  parley serve --host 127.0.0.1 --port 9000
  DATABASE_URL=postgresql://parley@db/parley parley serve --migrate

An SQLite database is made and brought up to date at every start; a PostgreSQL database only with --migrate,
so that it can be backed up before. TERM or INT drains: what was accepted is committed and answered, clients
are told to reconnect; a second signal ends at once.

exit code: 0 after an orderly stop, 1 when it cannot run, 2 for wrong usage or a bad setting."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog, parser.formatter_class = EPILOG, argparse.RawDescriptionHelpFormatter
    parser.add_argument("--host", help="the address to listen on (AI_MESSAGE_HOST; default: 0.0.0.0)")
    parser.add_argument(
        "--port", type=_port, help="the port to listen on, 0 for any (AI_MESSAGE_PORT; default: 8000)"
    )
    parser.add_argument(
        "--migrate", action="store_true", help="bring a PostgreSQL database's schema up to date"
    )


def run(arguments: argparse.Namespace) -> int:
    settings = _settings(arguments)
    try:
        logs = configure_logs(settings)
    except SettingsError as error:
        raise Failure(str(error), USAGE) from None
    try:
        uvloop.run(_serve(settings, migrate=arguments.migrate))
    except SettingsError as error:
        raise Failure(str(error), USAGE) from None
    finally:
        logs.close()
    return 0


async def _serve(settings: Settings, *, migrate: bool) -> None:
    stop = asyncio.Event()
    _stop_on_signals(stop)
    await bring_up_to_date(settings, migrate=migrate)
    try:
        async with running(settings):
            await stop.wait()
    except Unavailable as error:
        raise unreachable(settings, error) from None
    except OSError as error:
        raise Failure(_cannot_run(settings, error)) from None


def _cannot_run(settings: Settings, error: OSError) -> str:
    # The loop says once more where it cannot listen.
    words = (error.strerror or str(error)).rpartition(": ")[2]
    if error.filename is not None:
        return f"{error.filename}: {words} - `parley check` says which setting names it"
    return f"cannot listen on {settings.host}:{settings.port}: {words} - try another --host or --port"


def _stop_on_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()

    def asked() -> None:
        stop.set()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked)


def _settings(arguments: argparse.Namespace) -> Settings:
    given = {"host": arguments.host, "port": arguments.port}
    return replace(
        settings_of_environment(), **{name: value for name, value in given.items() if value is not None}
    )


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"{text} is not a port from 0 to 65535")
    return port
