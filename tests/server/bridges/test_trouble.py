"""When the chat itself cannot take what comes, or cannot note what was sent."""

from datetime import timedelta
from typing import Any

import pytest
from msgspec import structs

from actors.jobs import Again, Doubtful, GivenUp
from protocol.errors import Code, Refusal, Refused, Unavailable
from protocol.ids import MessageId, UserId
from protocol.jobs import Job, JobId
from protocol.rates import Rate
from server.bridges import twilio_client
from server.bridges.bridge import Destination, Lost, Parcel
from server.bridges.deliverer import Deliverer
from server.settings import Settings
from storage.deliveries import Deliveries
from tests.server.bridges.texting import PUBLIC_URL, Texting, incoming, texting
from tests.stand_ins import twilio

ANNS = "+15005550001"


async def refused(sms: Texting, expect: int) -> None:
    form = incoming(ANNS, "Hello?")
    headers = twilio.signature(f"{PUBLIC_URL}/twilio_webhook", form)
    await sms.post("/twilio_webhook", form, headers, expect)


async def test_what_comes_from_elsewhere_spends_no_budget(quick_settings: Settings) -> None:
    async with texting(quick_settings, command_rate=Rate(per_s=0.001, burst=1)) as sms:
        ann = await sms.person("ann", ANNS)
        for text in ("one", "two", "three"):
            await sms.text(ANNS, text)
        said = [each["content"] for each in await sms.chat_of(ann) if each["sender_id"] == ann.id]
        assert said == ["one", "two", "three"]
        assert sms.home.context.chat.budget(UserId(ann.id))[1] == 1


async def test_without_an_assistant_twilio_may_try_again(sms: Texting) -> None:
    ann = await sms.person("ann", ANNS)
    found = await sms.home.context.accounts.find_by_login("assistant")
    assert found is not None
    context = sms.home.context
    await context.accounts.update(found.id, context.clock.now(), username="somebody_else")
    await refused(sms, 503)
    assert await sms.chat_of(ann) == []


async def test_what_never_can_be_taken_is_let_go(sms: Texting, monkeypatch: pytest.MonkeyPatch) -> None:
    await sms.person("ann", ANNS)

    async def ask(*_: Any, **__: Any) -> Any:
        raise Refused(Refusal(Code.CHANNEL_ARCHIVED, "No."))

    monkeypatch.setattr(sms.home.context.chat, "ask", ask)
    await sms.text(ANNS, "Hello?")


@pytest.mark.parametrize(
    ("trouble", "outcome"),
    [
        (Refused(Refusal(Code.NOT_FOUND, "No.")), GivenUp("its channel is gone")),
        (Refused(Refusal(Code.DRAINING, "No.")), Again(None, "its channel says draining")),
        (Unavailable("the database is away"), Again(None, "the database is away")),
    ],
)
async def test_trouble_here_leaves_the_job_to_be_done_again(
    sms: Texting, trouble: Exception, outcome: Any
) -> None:
    class Troubled(Deliveries):
        async def load(self, *_: Any) -> Any:
            raise trouble

    context = sms.home.context
    deliverer = Deliverer(
        "sms",
        {bridge.name: bridge for bridge in context.bridges.bridges},
        context.chat,
        Troubled(context.database),
        context.clock,
    )
    assert await deliverer.work(job(sms, "twilio")) == outcome
    assert deliverer.concurrency > 0


@pytest.mark.parametrize(
    ("is_again", "outcome", "state"), [(False, GivenUp, "failed"), (True, Doubtful, "unknown")]
)
async def test_jobs_of_bridges_that_are_turned_off_are_given_up(
    sms: Texting, is_again: bool, outcome: type, state: str
) -> None:
    ann = await sms.person("ann", ANNS)
    sms.phone.faults.append(twilio.refusal(429, 20429))
    await sms.text(ANNS, "Hello?")
    await sms.resting("429")
    answered = (await sms.chat_of(ann))[-1]
    context = sms.home.context
    deliverer = Deliverer("sms", {}, context.chat, Deliveries(context.database), context.clock)
    waiting = structs.replace(job(sms, "twilio", answered["seq"]), is_again=is_again)
    assert await deliverer.work(waiting) == outcome("twilio is not turned on")
    assert (await sms.delivery_of(ann))["state"] == state
    with pytest.raises(LookupError):
        context.bridges.named("carrier pigeon")
    assert context.bridges.named("twilio").name == "twilio"


def job(sms: Texting, bridge: str, seq: int = 1) -> Job:
    return Job(
        id=JobId(1),
        kind="sms",
        key="k",
        lane="l",
        payload={"user_id": 1, "bridge": bridge, "channel_id": 1, "seq": seq},
        attempt=1,
        is_again=False,
        queued_at=sms.home.clock.now(),
        idle_since=sms.home.clock.now(),
    )


async def test_who_has_no_number_any_more_gets_nothing(sms: Texting) -> None:
    ann = await sms.person("ann", ANNS)
    sms.phone.faults.append(twilio.refusal(429, 20429))
    await sms.text(ANNS, "Hello?")
    await sms.resting("429")
    await ann.put("/auth/me/phone", {"phone_number": None})
    sms.later(5)
    assert await sms.settled() == ["failed"]
    assert "no telephone number" in await sms.error()
    assert sms.phone.sent == []


async def test_too_many_messages_to_look_through_leave_it_in_doubt(
    sms: Texting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(twilio_client, "LOOK_AT_MAX", 3)
    monkeypatch.setattr(twilio_client, "PAGE_SIZE", 2)
    for number in range(5):
        sms.phone.accept({"To": ANNS, "From": twilio.OURS, "Body": f"other {number}"})
    client = twilio_client.TwilioClient(twilio.ACCOUNT, twilio.TOKEN, sms.phone.url)
    now = sms.home.clock.now()
    parcel = Parcel(Destination(ANNS, twilio.OURS), "text", MessageId(1), 0, now)
    try:
        assert isinstance(await client.list_sent(parcel), Lost)
        later = Parcel(parcel.destination, "text", MessageId(1), 0, now + timedelta(hours=2))
        assert await client.list_sent(later) == []
    finally:
        await client.close()


async def test_an_answer_that_does_not_end_is_not_read_to_its_end(
    sms: Texting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(twilio_client, "ANSWER_MAX_BYTES", 10)
    await sms.person("ann", ANNS)
    await sms.text(ANNS, "Hello?")
    await sms.resting("unreadable")
    assert len(sms.phone.sent) == 1


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("-1", 0.0), (None, None), ("Fri, 1 Jan", None)])
def test_retry_after_is_read_when_it_is_in_seconds(header: str | None, seconds: float | None) -> None:
    assert twilio_client.later_s(header) == seconds
