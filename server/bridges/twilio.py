"""SMS and WhatsApp by Twilio: one class, once for each."""

import asyncio
import base64
import hashlib
import importlib
from typing import TYPE_CHECKING, Final, Literal

from typing_extensions import override

from actors.ports import Clock
from protocol.jobs import Bridge as BridgeName
from protocol.jobs import BridgeJob
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
from server.public_urls import own_url
from server.settings import Settings
from storage.deliveries import Deliveries
from storage.phones import Phones

if TYPE_CHECKING:
    from server.bridges.twilio_client import TwilioClient

Name = Literal["twilio", "whatsapp"]
NAMES: Final[tuple[Name, ...]] = ("twilio", "whatsapp")
PREFIXES: Final[dict[Name, str]] = {"twilio": "", "whatsapp": "whatsapp:"}
OPT_OUT_PREFIXES: Final[dict[Name, str]] = {"twilio": "", "whatsapp": "wa:"}
"""One of our numbers may serve both, and people may want to hear no more by one of them."""
PART_MAX_CHARS: Final = 1_600
SID_MAX_CHARS: Final = 34
NUMBER_MAX_CHARS: Final = 16
OPTED_OUT: Final = "21610"
"""Twilio's code for people who have asked for no more messages."""


class TwilioAccount:
    """The account that both send by: connected at the first use."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._connecting = asyncio.Lock()
        self._client: TwilioClient | None = None

    async def client(self) -> "TwilioClient":
        async with self._connecting:
            if self._client is None:
                module = await asyncio.to_thread(importlib.import_module, "server.bridges.twilio_client")
                settings = self._settings
                client: TwilioClient = module.TwilioClient(
                    settings.twilio_account_sid, settings.twilio_auth_token, settings.twilio_api_url
                )
                self._client = client
            return self._client

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()


class TwilioBridge(Bridge):
    """Numbers are written as Twilio has them: E.164, behind `whatsapp:` there."""

    part_max_chars: int = PART_MAX_CHARS

    def __init__(
        self,
        name: Name,
        account: TwilioAccount,
        phones: Phones,
        deliveries: Deliveries,
        settings: Settings,
        clock: Clock,
    ) -> None:
        self.name: BridgeName = name
        self._opt_out_prefix, self._prefix = OPT_OUT_PREFIXES[name], PREFIXES[name]
        self._account = account
        self._clock = clock
        self._phones = phones
        self._deliveries = deliveries
        self._public_url = own_url(settings)
        self._number = settings.twilio_phone_number

    @override
    async def find_destination(self, job: BridgeJob) -> Destination | Rejected:
        """To the number that the user wrote from and still has, from that of ours that they wrote to."""
        number = await self._phones.number_of(job.user_id)
        if number is None:
            return Rejected("the user has no telephone number any more")
        nonce = await self._deliveries.last_nonce(job.channel_id, job.user_id, self.name, job.seq) or ""
        # Nobody has to prove that a number is theirs: writing from it does.
        if not was_written_from(nonce, number):
            return Rejected("the user has another telephone number than they wrote from")
        ours = written_to(nonce) or self._number
        if await self._phones.has_opted_out(number, self._opt_out_prefix + ours):
            return Rejected("the user wants no more messages", OPTED_OUT)
        return Destination(self._prefix + number, self._prefix + ours)

    @override
    async def send(self, parcel: Parcel) -> Accepted | Rejected | NotNow | InDoubt:
        client = await self._account.client()
        outcome = await client.send(parcel, self._callback(parcel))
        if isinstance(outcome, Rejected) and outcome.error_code == OPTED_OUT:
            await self._opted_out(parcel.destination)
        return outcome

    @override
    async def look_for(self, parcel: Parcel) -> Accepted | Absent | NotNow | Lost:
        """In Twilio's own list: what went there with this text, and belongs to nothing else."""
        client = await self._account.client()
        listed = await client.list_sent(parcel)
        if isinstance(listed, NotNow | Lost):
            return listed
        ids = [each.external_id for each in listed]
        others = await self._deliveries.recorded_elsewhere(ids, parcel.message_id, parcel.part)
        return next((each for each in listed if each.external_id not in others), Absent())

    @override
    async def close(self) -> None:
        await self._account.close()

    async def _opted_out(self, destination: Destination) -> None:
        number = destination.to.removeprefix(self._prefix)
        ours = self._opt_out_prefix + destination.sender.removeprefix(self._prefix)
        await self._phones.opt_out(number, ours, self._clock.now())

    def _callback(self, parcel: Parcel) -> str | None:
        """With the part in it: news of it may be faster than the answer that tells its id."""
        if not self._public_url:
            return None
        return f"{self._public_url}/twilio_status?message_id={parcel.message_id}&part={parcel.part}"


def nonce_of(sid: str, ours: str, theirs: str) -> str:
    """What makes a message that came by Twilio unique, and says from and to which number it was sent.

    With at most `SID_MAX_CHARS` and `NUMBER_MAX_CHARS` it is just as long as a nonce may be.
    """
    return f"{sid}@{ours}/{mark_of(theirs)}"


def written_to(nonce: str) -> str:
    """Which of our numbers; empty when it is no such nonce."""
    return nonce.partition("@")[2].partition("/")[0]


def was_written_from(nonce: str, number: str) -> bool:
    return nonce.rpartition("/")[2] == mark_of(number)


def mark_of(number: str) -> str:
    """Twelve characters that stand for a number: there is no room for all of it."""
    return base64.urlsafe_b64encode(hashlib.sha256(number.encode()).digest()[:9]).decode()


def opt_out_key(name: Name, ours: str) -> str:
    return OPT_OUT_PREFIXES[name] + ours
