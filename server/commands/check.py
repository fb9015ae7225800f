"""`parley check`: what works, what does not, and the mend."""

import argparse
import asyncio
import shutil
import tempfile
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

from msgspec import Struct

from server.bridges.probing import Probed, probe_telegram, probe_twilio
from server.commands.environment import (
    REACHED_IN_VAIN,
    is_absent,
    run_async,
    settings_of_environment,
    unreachable,
)
from server.commands.failure import FAILED
from server.secret_key import FILE_NAME, load_secret_key
from server.settings import Settings, SettingsError, variable_of
from server.tls import tls_context
from storage.engine import Database
from storage.revision import is_current, newest_revision

REACH_WITHIN_S: Final = 5.0
FREE_BYTES: Final = 500 * 2**20

EPILOG: Final = """\
It reads the settings as `parley serve` would, and changes nothing.

exit code: 0 when nothing is broken, 1 when something is, 2 for a bad setting."""


class Finding(Struct, frozen=True):
    """`mend` says what to do about it."""

    state: Literal["ok", "off", "broken"]
    what: str
    words: str
    mend: str = ""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog, parser.formatter_class = EPILOG, argparse.RawDescriptionHelpFormatter


def run(_: argparse.Namespace) -> int:
    return run_async(_check(settings_of_environment()))


async def _check(settings: Settings) -> int:
    broken = 0
    print(_line(Finding("ok", "settings", "all of them can be read")))
    # Whatever is open is closed here, also when nobody reads the rest.
    async with aclosing(findings(settings)) as found:
        async for finding in found:
            print(_line(finding))
            broken += finding.state == "broken"
    print(f"{broken} broken." if broken else "Nothing is broken.")
    return FAILED if broken else 0


async def findings(settings: Settings) -> AsyncGenerator[Finding, None]:
    """Everything that can be looked at without changing it, one by one."""
    for finding in (*_folders(settings), _secret(settings), _tls(settings)):
        yield finding
    async with aclosing(_database(settings)) as found:
        async for finding in found:
            yield finding
    yield await _sms(settings)
    yield await _telegram(settings)
    for name, is_on, url, mend in _neighbours(settings):
        if is_on:
            yield await _reach(name, url)
        else:
            yield Finding("off", name, mend)


def _folders(settings: Settings) -> Iterator[Finding]:
    for field in ("data_folder", "logs_folder"):
        folder: Path = getattr(settings, field)
        existing = next(
            parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists()
        )
        what = field.replace("_", " ")
        try:
            with tempfile.TemporaryFile(dir=existing):
                pass
        except OSError as error:
            mend = f"make it writable, or set {variable_of(field)}"
            yield Finding("broken", what, f"{folder} cannot be written: {error.strerror}", mend)
            continue
        if shutil.disk_usage(existing).free < FREE_BYTES:
            yield Finding("broken", what, f"less than 500 MiB are free for {folder}", "free some space")
        else:
            yield Finding("ok", what, f"{folder} can be written")


def _secret(settings: Settings) -> Finding:
    kept = settings.data_folder / FILE_NAME
    if not settings.secret_key and not kept.exists():
        return Finding("ok", "signing key", f"will be made at the first start, in {kept}")
    try:
        load_secret_key(settings)
    except (SettingsError, OSError) as error:
        return Finding(
            "broken", "signing key", str(error), f"set SECRET_KEY, or remove {kept} to get a new one"
        )
    return Finding("ok", "signing key", "SECRET_KEY" if settings.secret_key else str(kept))


def _tls(settings: Settings) -> Finding:
    present = [file for file in (settings.ssl_cert, settings.ssl_key) if file.exists()]
    if not present:
        return Finding(
            "off", "TLS", f"put a certificate in {settings.ssl_cert} and its key in {settings.ssl_key}"
        )
    if len(present) == 1:
        return Finding(
            "broken", "TLS", f"only {present[0]} is there", "add the other file, or remove this one"
        )
    try:
        tls_context(settings)
    except SettingsError as error:
        return Finding("broken", "TLS", str(error))
    return Finding("ok", "TLS", str(settings.ssl_cert))


async def _database(settings: Settings) -> AsyncGenerator[Finding, None]:
    if is_absent(settings):
        yield Finding("ok", "database", "will be made at the first start")
        return
    database = await Database.open(settings.database_url)
    try:
        milliseconds = await database.ping()
        yield Finding("ok", "database", f"{database.dialect} answers in {milliseconds:.1f} ms")
        if await is_current(database):
            yield Finding("ok", "schema", f"up to date: {newest_revision()}")
        elif database.dialect == "sqlite":
            yield Finding("ok", "schema", "will be brought up to date at the next start")
        else:
            yield Finding("broken", "schema", "not that of this version", "run `parley migrate`")
    except REACHED_IN_VAIN as error:
        mend = "start it, or correct DATABASE_URL"
        yield Finding("broken", "database", str(unreachable(settings, error)), mend)
    finally:
        await database.close()


async def _sms(settings: Settings) -> Finding:
    if not settings.twilio_account_sid:
        mend = "set TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN, TWILIO_PHONE_NUMBER"
        return Finding("off", "SMS", mend)
    return _probed("SMS", await probe_twilio(settings))


async def _telegram(settings: Settings) -> Finding:
    if not settings.telegram_bot_token:
        return Finding("off", "Telegram", "set TELEGRAM_BOT_TOKEN and TELEGRAM_WEBHOOK_SECRET")
    return _probed("Telegram", await probe_telegram(settings))


def _probed(name: str, probed: Probed) -> Finding:
    return Finding("broken" if probed.mend else "ok", name, probed.words, probed.mend)


def _neighbours(settings: Settings) -> Iterator[tuple[str, bool, str, str]]:
    """Other services: name, whether it is on, where it is, and what turns it on."""
    auth0 = settings.auth0_domain if "://" in settings.auth0_domain else f"https://{settings.auth0_domain}"
    is_auth0 = bool(settings.auth0_domain and settings.auth0_api_identifier)
    yield "Auth0", is_auth0, auth0, "set AUTH0_DOMAIN and AUTH0_API_IDENTIFIER"
    yield "model", bool(settings.litellm_model), settings.litellm_baseurl, "set LITELLM_MODEL"


async def _reach(name: str, url: str) -> Finding:
    """Whether anybody listens there: more would need credentials to be spent."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        async with asyncio.timeout(REACH_WITHIN_S):
            _, writer = await asyncio.open_connection(parts.hostname, port)
        writer.close()
    except (OSError, TimeoutError) as error:
        words = f"{parts.hostname}:{port} cannot be reached: {str(error) or 'no answer'}"
        return Finding("broken", name, words, "start it, or correct its URL")
    return Finding("ok", name, f"{parts.hostname}:{port} can be reached")


def _line(finding: Finding) -> str:
    mend = f" - {finding.mend}" if finding.mend else ""
    return f"{finding.state:<7} {finding.what:<12} {finding.words}{mend}"
