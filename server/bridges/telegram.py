"""Telegram: one bot, by its HTTP API."""

from typing import Final

import aiohttp
import msgspec
from msgspec import Struct
from typing_extensions import override

from protocol.jobs import Bridge as BridgeName
from protocol.jobs import BridgeJob
from server.bridges.answers import UNREACHABLE, read_body
from server.bridges.bridge import (
    Absent,
    Accepted,
    Bridge,
    Destination,
    InDoubt,
    Lost,
    NotNow,
    Parcel,
    Rejected,
)
from server.settings import Settings
from storage.telegram_links import TelegramLinks

PART_MAX_CHARS: Final = 4_096
TIMEOUT_S: Final = 15.0
CONNECT_TIMEOUT_S: Final = 5.0
ANSWER_MAX_BYTES: Final = 1024 * 1024


class Asked(Struct, frozen=True):
    """What Telegram says of when to come back."""

    retry_after: float | None = None


class Sent(Struct, frozen=True):
    message_id: int = 0
    username: str = ""


class Answer(Struct, frozen=True):
    """What every method answers: `result`, or why not."""

    ok: bool
    result: Sent | None = None
    error_code: int = 0
    description: str = ""
    parameters: Asked | None = None


class TelegramApi:
    """Connected at the first use. The token is part of every URL, so no URL of it may be logged."""

    def __init__(self, url: str, token: str) -> None:
        self._base = f"{url}/bot{token}"
        self._session: aiohttp.ClientSession | None = None

    async def call(self, method: str, **fields: str | int) -> Answer:
        """Raises aiohttp's ClientError, TimeoutError, OSError; ValueError for what is no answer."""
        async with self._connected().post(
            f"{self._base}/{method}", json=fields, allow_redirects=False
        ) as answer:
            return msgspec.json.decode(await read_body(answer, ANSWER_MAX_BYTES), type=Answer)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    def _connected(self) -> aiohttp.ClientSession:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=TIMEOUT_S, sock_connect=CONNECT_TIMEOUT_S)
            self._session = aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar())
        return self._session


class TelegramBridge(Bridge):
    """Telegram says that it has a message, and nothing of what becomes of it."""

    name: BridgeName = "telegram"
    part_max_chars: int = PART_MAX_CHARS

    def __init__(self, api: TelegramApi, links: TelegramLinks) -> None:
        self._api = api
        self._links = links

    @override
    async def find_destination(self, job: BridgeJob) -> Destination | Rejected:
        """The user's chat, which a code has proven to be theirs."""
        chat_id = await self._links.chat_of(job.user_id)
        return Rejected("the user has no chat any more") if chat_id is None else Destination(str(chat_id))

    @override
    async def send(self, parcel: Parcel) -> Accepted | Rejected | NotNow | InDoubt:
        try:
            answer = await self._api.call("sendMessage", chat_id=int(parcel.destination.to), text=parcel.text)
        except UNREACHABLE as error:
            return NotNow(f"Telegram cannot be reached: {type(error).__name__}")
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return InDoubt(f"no answer from Telegram: {type(error).__name__}")
        return outcome_of(answer)

    @override
    async def look_for(self, parcel: Parcel) -> Accepted | Absent | NotNow | Lost:
        """A bot cannot ask what it has sent."""
        return Lost("Telegram cannot be asked what was sent")

    @override
    async def close(self) -> None:
        await self._api.close()


def outcome_of(answer: Answer) -> Accepted | Rejected | NotNow | InDoubt:
    if answer.ok and answer.result is not None and answer.result.message_id:
        return Accepted(str(answer.result.message_id), "sent")
    if answer.ok:
        return InDoubt("Telegram has not said which message it made")
    reason = f"Telegram answered {answer.error_code}: {answer.description[:200]}"
    if answer.error_code == 429:
        return NotNow(reason, answer.parameters.retry_after if answer.parameters else None)
    if 400 <= answer.error_code < 500:
        return Rejected(reason, str(answer.error_code))
    return InDoubt(reason)


def api_of(settings: Settings) -> TelegramApi:
    return TelegramApi(settings.telegram_api_url, settings.telegram_bot_token)
