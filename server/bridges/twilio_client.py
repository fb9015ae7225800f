"""Twilio's REST API by its own SDK. Importing that takes half a second: `twilio.py` does so when it must."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import aiohttp
from twilio.base.exceptions import TwilioException, TwilioRestException, TwilioServiceException
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.http.response import Response
from twilio.rest import Client
from twilio.rest.api.v2010.account.message import MessageInstance
from typing_extensions import override

from server.bridges.answers import UNREACHABLE, read_body
from server.bridges.bridge import Accepted, InDoubt, Lost, NotNow, Parcel, Rejected
from server.bridges.twilio_states import state_of

TIMEOUT_S: Final = 15.0
CONNECT_TIMEOUT_S: Final = 5.0
ANSWER_MAX_BYTES: Final = 4 * 1024 * 1024
LOOK_AT_MAX: Final = 200
PAGE_SIZE: Final = 100
CLOCKS_DIFFER_BY: Final = timedelta(hours=1)
"""With a wrong clock, finding too much loses an SMS and finding too little doubles it: rather the first."""

CUT_OFF: Final = (aiohttp.ClientError, TimeoutError, OSError)
REFUSED: Final = (TwilioRestException, TwilioServiceException)
GARBAGE: Final = (ValueError, TypeError, AttributeError, KeyError, TwilioException)
NOT_DECIDED: Final = frozenset({408, 409, 425})
"""Among the answers 4xx, those that do not say that it will never be."""


class BusyError(Exception):
    """Twilio wants to be asked later."""

    def __init__(self, after_s: float | None) -> None:
        super().__init__("Twilio answered 429")
        self.after_s = after_s


class Http(AsyncTwilioHttpClient):
    """The SDK's client, limited in time and size, which heeds when Twilio wants to be asked again."""

    def __init__(self) -> None:
        super().__init__(pool_connections=False)
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S, sock_connect=CONNECT_TIMEOUT_S)
        self.session = aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar())

    @override
    async def request(
        self,
        method: str,
        url: str,
        params: dict[str, Any] | None = None,
        data: dict[str, object] | None = None,
        headers: dict[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,
        allow_redirects: bool = False,
    ) -> Response:
        sent = dict(headers or {})
        if auth is not None:
            sent["Authorization"] = aiohttp.encode_basic_auth(*auth)
        async with self.session.request(
            method, url, params=params, data=data, headers=sent, allow_redirects=False
        ) as answer:
            if answer.status == 429:
                raise BusyError(later_s(answer.headers.get("Retry-After")))
            body = await read_body(answer, ANSWER_MAX_BYTES)
            return Response(answer.status, body.decode(), answer.headers)


def later_s(retry_after: str | None) -> float | None:
    """`Retry-After` in seconds; None for a date, or for what is neither."""
    try:
        return max(0.0, float(int(retry_after or "")))
    except ValueError:
        return None


class TwilioClient:
    """One account. Make it inside the running loop."""

    def __init__(self, account_sid: str, auth_token: str, url: str) -> None:
        self._http = Http()
        self._account_sid = account_sid
        # The settings say all there is: the SDK looks into the environment for what it is not told.
        self._client = Client(account_sid, auth_token, http_client=self._http, environment={"-": "-"})
        self._client.api.base_url = url

    async def send(self, parcel: Parcel, callback: str | None) -> Accepted | Rejected | NotNow | InDoubt:
        """Send one SMS; `callback` is where Twilio sends news of it."""
        more = {} if callback is None else {"status_callback": callback}
        where = parcel.destination
        try:
            made = await self._client.messages.create_async(
                to=where.to, from_=where.sender, body=parcel.text, **more
            )
            return accepted(made)
        except BusyError as busy:
            return NotNow(str(busy), busy.after_s)
        except REFUSED as refused:
            return _refused(refused)
        except UNREACHABLE as error:
            return NotNow(f"Twilio cannot be reached: {type(error).__name__}")
        except CUT_OFF as error:
            return InDoubt(f"no answer from Twilio: {type(error).__name__}")
        except GARBAGE as error:
            return InDoubt(f"Twilio's answer is unreadable: {type(error).__name__}")

    async def list_sent(self, parcel: Parcel) -> Sequence[Accepted] | NotNow | Lost:
        """What went this way since then with this text, oldest first.

        Twilio is asked by number only, and not by date: what still waits to be sent there has none yet.
        """
        where = parcel.destination
        try:
            found = await self._client.messages.list_async(
                to=where.to, from_=where.sender, limit=LOOK_AT_MAX, page_size=PAGE_SIZE
            )
        except BusyError as busy:
            return NotNow(str(busy), busy.after_s)
        except (*CUT_OFF, *GARBAGE) as error:
            return NotNow(f"Twilio's list cannot be read: {type(error).__name__}")
        earliest = parcel.since - CLOCKS_DIFFER_BY
        if len(found) == LOOK_AT_MAX and is_since(found[-1], earliest):
            return Lost("Twilio lists too many messages to find one")
        return [
            accepted(each)
            for each in reversed(found)
            if each.sid and is_same(each, parcel) and is_since(each, earliest)
        ]

    async def account_status(self) -> str:
        """`active`, when all is well; what was refused, in words.

        Raises aiohttp's ClientError, TimeoutError, OSError; ValueError and its like for what is no answer.
        """
        try:
            account = await self._client.api.accounts(self._account_sid).fetch_async()
        except REFUSED as refused:
            return f"{refused.status} with code {refused.code}"
        except BusyError:
            return "that it is busy"
        return str(account.status)

    async def close(self) -> None:
        await self._http.close()


def accepted(made: MessageInstance) -> Accepted:
    """TypeError when Twilio has not said which message it made."""
    if not isinstance(made.sid, str) or not made.sid:
        raise TypeError("a message without a sid")
    segments = str(made.num_segments or "")
    return Accepted(
        made.sid, state_of(made.status or "") or "queued", int(segments) if segments.isdigit() else None
    )


def is_same(found: MessageInstance, parcel: Parcel) -> bool:
    """Twilio trims what it is given, and puts a line of its own before the texts of accounts on trial."""
    where = (found.to or parcel.destination.to, found.from_ or parcel.destination.sender)
    is_there = where == (parcel.destination.to, parcel.destination.sender)
    return is_there and _words(found.body or "").endswith(_words(parcel.text))


def _words(text: str) -> str:
    return " ".join(text.split())


def is_since(found: MessageInstance, earliest: datetime) -> bool:
    """Whether it may have been made since then: one without a time may."""
    return not isinstance(found.date_created, datetime) or found.date_created >= earliest


def _refused(refused: TwilioRestException | TwilioServiceException) -> Rejected | InDoubt:
    status, code = refused.status, refused.code
    if 400 <= status < 500 and status not in NOT_DECIDED:
        return Rejected(f"Twilio answered {status} with code {code}", str(code))
    return InDoubt(f"Twilio answered {status}")
