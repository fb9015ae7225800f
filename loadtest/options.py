"""The harness's command line, the same for `parley load` and `python -m loadtest`."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
import uvloop

from loadtest.own_server import OwnServerError
from loadtest.population import PopulationError
from loadtest.process import WorkerError
from loadtest.progress import ProgressLine
from loadtest.report import as_text
from loadtest.run import LoadOptions, run_load
from loadtest.upgrade import parse_url

DESCRIPTION: Final = """\
Load a server and check it: users in channels send at an open-loop rate, or as fast as their
acknowledgements come, over real sockets from separate processes. Every acknowledged message must reach
every member exactly once, in order and without a gap, across lost connections and restarts of the server."""

EPILOG: Final = """\
examples:
  parley load --serve --users 200 --channels 20 --rate 2000 --duration 30
  parley load --serve --users 200 --channels 20 --rate 0 --window 4 --json result.json
  parley load --serve --users 200 --channels 20 --rate 1000 --duration 30 --kills 3
  parley load --serve --scenario idle --users 10000 --channels 1000 --each 5
  parley load --url http://localhost:8000 --tokens tokens.jsonl --users 200 --channels 20 --rate 500

Many users for a server that runs already are made with
`parley user create PREFIX --count N --tokens FILE`; without --tokens they are registered one by one.

exit code: 0 when the check passed, 1 when it failed or the run could not be made, 2 for wrong usage."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    _add_target(parser)
    _add_shape(parser)
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write the result there; - for standard output"
    )
    parser.add_argument("--quiet", action="store_true", help="show no progress")


def _add_target(parser: argparse.ArgumentParser) -> None:
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--url", help="the server to load, such as http://localhost:8000")
    where.add_argument(
        "--serve", action="store_true", help="start a server for this run, on a temporary database"
    )
    parser.add_argument("--database", metavar="URL", help="with --serve: use this database, which is kept")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        type=_assignment,
        metavar="NAME=VALUE",
        help="with --serve: a setting of the server; may be repeated",
    )
    parser.add_argument("--tokens", type=Path, metavar="FILE", help="with --url: users made beforehand")
    parser.add_argument("--insecure", action="store_true", help="with --url: do not verify the certificate")


def _add_shape(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--scenario", choices=("chat", "idle"), default="chat", help="default: %(default)s")
    parser.add_argument("--users", type=_at_least(1), default=200, metavar="N", help="default: %(default)s")
    parser.add_argument(
        "--channels",
        type=_at_least(1),
        default=20,
        metavar="M",
        help="users are split evenly; default: %(default)s",
    )
    parser.add_argument(
        "--each", type=_at_least(1), metavar="K", help="idle: channels of each user; default: 5"
    )
    parser.add_argument(
        "--rate",
        type=_positive,
        default=1000.0,
        metavar="R",
        help="messages/s, all users together; 0 saturates",
    )
    parser.add_argument(
        "--window",
        type=_at_least(1),
        default=4,
        metavar="W",
        help="rate 0: unacknowledged sends each; default: 4",
    )
    parser.add_argument(
        "--size", type=_at_least(1), default=100, metavar="CHARS", help="of a message; default: 100"
    )
    parser.add_argument("--duration", type=_positive, default=10.0, metavar="S", help="seconds; default: 10")
    parser.add_argument("--warmup", type=_positive, default=1.0, metavar="S", help="not measured; default: 1")
    parser.add_argument(
        "--drain",
        type=_positive,
        default=30.0,
        metavar="S",
        help="how long to wait for what is left; default: 30",
    )
    parser.add_argument(
        "--processes", type=_at_least(1), default=1, metavar="P", help="of clients; default: 1"
    )
    parser.add_argument(
        "--kills",
        type=_at_least(0),
        default=0,
        metavar="K",
        help="with --serve: kill -9 and restart it so often",
    )


def run(arguments: argparse.Namespace) -> int:
    """The exit code of the run."""
    problem = _problem(arguments)
    if problem:
        print(f"parley load: {problem}", file=sys.stderr)
        return 2
    try:
        result = uvloop.run(run_load(options_of(arguments), ProgressLine(sys.stderr, quiet=arguments.quiet)))
    except (OwnServerError, PopulationError, WorkerError) as error:
        print(f"parley load: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("parley load: interrupted", file=sys.stderr)
        return 1
    _write(arguments.json, msgspec.json.format(msgspec.json.encode(result)) + b"\n")
    print(as_text(result), file=sys.stderr if str(arguments.json) == "-" else sys.stdout)
    return 0 if result.check.ok else 1


def _problem(arguments: argparse.Namespace) -> str:
    """What does not fit together; empty when everything does."""
    if arguments.url is None:
        return "--tokens is for --url: with --serve users are made" if arguments.tokens else ""
    try:
        parse_url(arguments.url)
    except ValueError as error:
        return str(error)
    if arguments.database or arguments.kills or arguments.set:
        return "--database, --kills and --set are for --serve: the server at a URL is not ours"
    return ""


def options_of(arguments: argparse.Namespace) -> LoadOptions:
    is_idle = arguments.scenario == "idle"
    return LoadOptions(
        scenario=arguments.scenario,
        users=arguments.users,
        channels=min(arguments.channels, arguments.users) if not is_idle else arguments.channels,
        url=arguments.url,
        database=arguments.database,
        tokens=arguments.tokens,
        each=arguments.each or (5 if is_idle else 1),
        rate=0.0 if is_idle else arguments.rate,
        window=0 if is_idle else arguments.window,
        content_chars=arguments.size,
        duration_s=arguments.duration,
        warmup_s=arguments.warmup,
        drain_s=arguments.drain,
        processes=min(arguments.processes, arguments.users),
        kills=arguments.kills,
        verify_tls=not arguments.insecure,
        settings=dict(arguments.set),
    )


def _write(file: Path | None, content: bytes) -> None:
    if file is None:
        return
    if str(file) == "-":
        sys.stdout.buffer.write(content)
    else:
        file.write_bytes(content)


def _at_least(least: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        value = int(text)
        if value < least:
            raise argparse.ArgumentTypeError(f"{text} is not a whole number from {least}")
        return value

    return number


def _assignment(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator:
        raise argparse.ArgumentTypeError(f"{text} is not NAME=VALUE")
    return name, value


def _positive(text: str) -> float:
    value = float(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a number from 0")
    return value
