"""`parley outbox`: what messages cause outside and has not been done yet, and trying again what failed."""

import argparse
from datetime import UTC, datetime
from typing import Final

import msgspec

from protocol.jobs import JOB_KINDS, JOB_STATES, JobEntry
from server.commands.environment import open_database, run_async, settings_of_environment
from server.commands.failure import USAGE, Failure
from storage.outbox_review import OutboxReview

NOT_DONE: Final = tuple(state for state in JOB_STATES if state != "done")
PAGE: Final = 200

EPILOG: Final = """\
examples:
  parley outbox list
  parley outbox list --state failed --kind sms --json
  parley outbox retry 17 18
  parley outbox retry --all --kind webhook

states: pending waits for its time; sending is being worked on, or may have got through before it is tried
again; failed was given up; unknown may have got through and is not tried again by itself, because a second
message would be worse than none: look there first.

A running server sees within 15 seconds what is to be tried again.
exit code: 0 when it is done, 1 when it failed, 2 for wrong usage or a bad setting."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog, parser.formatter_class = EPILOG, argparse.RawDescriptionHelpFormatter
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="list what is not done, the oldest first")
    listing.add_argument("--state", choices=JOB_STATES, help="only these, done ones too")
    listing.add_argument("--json", action="store_true", help="one JSON object a line")
    retry = actions.add_parser("retry", help="try again now what was given up or waits for its time")
    retry.add_argument("ids", metavar="ID", nargs="*", type=int, help="as the list shows them")
    retry.add_argument("--all", action="store_true", help="all that failed or is unknown")
    for action in (listing, retry):
        action.add_argument("--kind", choices=JOB_KINDS, help="only jobs of this kind")


def run(arguments: argparse.Namespace) -> int:
    actions = {"list": _list, "retry": _retry}
    run_async(actions[arguments.action](arguments))
    return 0


async def _list(arguments: argparse.Namespace) -> None:
    states = NOT_DONE if arguments.state is None else (arguments.state,)
    async with open_database(settings_of_environment()) as database:
        review, after = OutboxReview(database), 0
        while page := await review.entries(states, arguments.kind, after=after, limit=PAGE):
            for entry in page:
                print(msgspec.json.encode(entry).decode() if arguments.json else _line(entry))
            after = page[-1].id


async def _retry(arguments: argparse.Namespace) -> None:
    ids = sorted(set(arguments.ids))
    if bool(ids) == arguments.all or (ids and arguments.kind):
        raise Failure("give the IDs to retry, or --all and perhaps --kind", USAGE)
    async with open_database(settings_of_environment()) as database:
        review, now = OutboxReview(database), datetime.now(UTC)
        retried = await (review.retry(ids, now) if ids else review.retry_given_up(arguments.kind, now))
    print(f"{len(retried)} to be tried again.")
    if left := [job_id for job_id in ids if job_id not in retried]:
        words = ", ".join(map(str, left))
        raise Failure(f"not there, done, or being worked on: {words}")


def _line(entry: JobEntry) -> str:
    at = entry.next_attempt_at
    due = "" if at is None else f"next {at:%Y-%m-%d %H:%M:%S}Z  "
    queued = f"{entry.queued_at:%Y-%m-%d %H:%M:%S}Z"
    tried = f"{entry.attempts} {'try' if entry.attempts == 1 else 'tries'}"
    line = f"{entry.id:>8}  {entry.state:<8} {entry.kind:<9} {entry.key:<32} {queued}  {tried:<9} {due}"
    return f"{line}{entry.last_error or ''}".rstrip()
