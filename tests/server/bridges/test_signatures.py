"""Who may post to the webhooks: Twilio and Telegram, and nobody else."""

import base64
import hashlib
import hmac
from ipaddress import ip_network
from typing import Final

import pytest
from multidict import MultiDict

from server.bridges.twilio_inbox import TwilioMessage
from server.forms import form_of
from server.settings import Settings
from tests.server.bridges.texting import PUBLIC_URL, Texting, incoming, news_of, texting
from tests.server.rest.client import Api, Json
from tests.stand_ins import telegram, twilio

ANNS = "+15005550001"
PATHS: Final = ("/twilio_webhook", "/twilio_status")
PROXY = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "texts.example"}


class Door:
    """A route that Twilio posts to, and a form that changes what Ann sees when it is taken there."""

    def __init__(self, sms: Texting, path: str, ann: Api, form: MultiDict[str]) -> None:
        self.sms = sms
        self.path = path
        self.url = PUBLIC_URL + path
        self.form = form
        self._ann = ann
        self._before: list[Json] = []

    @classmethod
    async def at(cls, sms: Texting, path: str) -> "Door":
        ann = await sms.person("ann", ANNS)
        door = cls(sms, path, ann, incoming(ANNS, "Hello?"))
        if path == "/twilio_status":
            # Signed for whatever URL the server has.
            await sms.home.context.bridges.twilio.receive(form_of(door.form, TwilioMessage), door.form)
            await sms.settled()
            door.form = news_of(sms.phone.sent[0], "delivered")
        door._before = await door.seen()
        return door

    async def seen(self) -> list[Json]:
        return await self.sms.chat_of(self._ann)

    async def was_taken(self) -> bool:
        return await self.seen() != self._before

    async def takes(self, form: MultiDict[str], headers: dict[str, str]) -> None:
        await self.sms.post(self.path, form, headers)
        assert await self.was_taken()

    async def refuses(self, form: MultiDict[str], headers: dict[str, str]) -> None:
        await self.sms.post(self.path, form, headers, 403)
        assert not await self.was_taken()


@pytest.fixture(params=PATHS)
async def door(request: pytest.FixtureRequest, sms: Texting) -> Door:
    return await Door.at(sms, request.param)


async def test_what_twilio_has_signed_is_taken(door: Door) -> None:
    await door.takes(door.form, twilio.signature(door.url, door.form))


async def test_the_signature_is_what_twilio_documents(door: Door) -> None:
    """HMAC-SHA1 over the URL and the sorted fields, by hand."""
    text = door.url + "".join(name + door.form[name] for name in sorted(door.form))
    digest = hmac.new(twilio.TOKEN.encode(), text.encode(), hashlib.sha1).digest()
    await door.takes(door.form, {"X-Twilio-Signature": base64.b64encode(digest).decode()})


async def test_the_form_of_a_messaging_service_is_signed_like_any_other(door: Door) -> None:
    form = MultiDict({**door.form, "MessagingServiceSid": "MG0123", "OptOutType": ""})
    await door.refuses(form, twilio.signature(door.url, door.form))
    await door.takes(form, twilio.signature(door.url, form))


@pytest.mark.parametrize("signature", [None, "", "wrong", "é", "A" * 28, "=" * 1000])
async def test_a_missing_or_wrong_signature_is_refused(door: Door, signature: str | None) -> None:
    await door.refuses(door.form, {} if signature is None else {"X-Twilio-Signature": signature})


async def test_a_signature_by_another_token_is_refused(door: Door) -> None:
    for token in ("another-token", ""):
        await door.refuses(door.form, twilio.signature(door.url, door.form, token))


async def test_a_signature_of_another_body_is_refused(door: Door) -> None:
    headers = twilio.signature(door.url, door.form)
    for name in door.form:
        await door.refuses(MultiDict({**door.form, name: "SM2"}), headers)


@pytest.mark.parametrize("field", ["More", "MessageSid", "messagesid", "MediaUrl0"])
async def test_a_field_that_was_not_signed_is_refused(door: Door, field: str) -> None:
    more = MultiDict(door.form)
    more.add(field, "x")
    await door.refuses(more, twilio.signature(door.url, door.form))


async def test_a_field_that_was_signed_and_is_missing_is_refused(door: Door) -> None:
    headers = twilio.signature(door.url, door.form)
    for name in door.form:
        less = MultiDict(door.form)
        del less[name]
        if door.form[name]:
            await door.refuses(less, headers)


async def test_fields_that_twilio_adds_and_signs_are_let_through(door: Door) -> None:
    form = MultiDict({**door.form, "SomethingNew": "1", "Empty": "", "Zeit": "später ä€😀 +&=%"})
    await door.takes(form, twilio.signature(door.url, form))


async def test_a_signature_is_for_one_url(door: Door) -> None:
    (other,) = set(PATHS) - {door.path}
    for url in (PUBLIC_URL + other, f"https://elsewhere.example{door.path}", f"{door.url}?part=1"):
        await door.refuses(door.form, twilio.signature(url, door.form))
    await door.sms.post(f"{door.path}?part=0", door.form, twilio.signature(f"{door.url}?part=0", door.form))
    assert await door.was_taken()


async def test_a_replay_changes_nothing(door: Door) -> None:
    headers = twilio.signature(door.url, door.form)
    await door.takes(door.form, headers)
    await door.sms.settled()
    seen = await door.seen()
    for _ in range(3):
        await door.sms.post(door.path, door.form, headers)
    await door.sms.settled()
    assert await door.seen() == seen


async def test_news_are_signed_for_their_own_message(sms: Texting) -> None:
    await sms.person("ann", ANNS)
    await sms.text(ANNS, "one")
    await sms.text(ANNS, "two")
    await sms.settled(count=2)
    one, two = sms.phone.sent
    form = MultiDict({"MessageSid": one["sid"], "MessageStatus": "failed"})
    path = one["callback"].removeprefix(PUBLIC_URL)
    other = two["callback"].removeprefix(PUBLIC_URL)
    await sms.post(path, form, {}, 403)
    await sms.post(other, form, twilio.signature(PUBLIC_URL + path, form), 403)
    assert [row[0] for row in await sms.rows()] == ["queued", "queued"]


# The URL, where none is set.


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("networks", [("127.0.0.0/8",), ("10.0.0.0/8",), ()])
async def test_what_a_proxy_says_counts_when_it_is_trusted(
    quick_settings: Settings, networks: tuple[str, ...], path: str
) -> None:
    trusted = tuple(ip_network(network) for network in networks)
    async with texting(quick_settings, trusted_proxies=trusted, public_url="") as sms:
        door = await Door.at(sms, path)
        outside = twilio.signature(f"https://texts.example{path}", door.form)
        inside = twilio.signature(f"http://127.0.0.1:{sms.home.port}{path}", door.form)
        is_trusted = networks == ("127.0.0.0/8",)
        await door.refuses(door.form, outside)
        await door.refuses(door.form, PROXY | (inside if is_trusted else outside))
        await door.takes(door.form, PROXY | (outside if is_trusted else inside))
        await sms.post(path, door.form, inside)
        await sms.settled()
        assert [each["callback"] for each in sms.phone.sent] == [None]


async def test_without_twilio_nothing_is_taken(quick_settings: Settings) -> None:
    off = {"twilio_account_sid": "", "twilio_auth_token": "", "twilio_phone_number": ""}
    async with texting(quick_settings, **off) as sms:
        form = incoming(ANNS, "Hello?")
        for path in PATHS:
            for token in (twilio.TOKEN, ""):
                await sms.post(path, form, twilio.signature(PUBLIC_URL + path, form, token), 403)


# Telegram.


@pytest.mark.parametrize("secret", [None, "", "wrong", f"{telegram.SECRET}x", "é"])
@pytest.mark.parametrize("body", [b"{", b"[]", b'{"update_id":1}'])
async def test_telegram_must_bear_the_secret(sms: Texting, secret: str | None, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    if secret is not None:
        headers["X-Telegram-Bot-Api-Secret-Token"] = secret
    async with sms.home.nobody.session.post("/telegram_webhook", data=body, headers=headers) as answer:
        assert answer.status == 403


async def test_without_a_secret_nothing_is_taken(quick_settings: Settings) -> None:
    async with texting(quick_settings, telegram_webhook_secret="") as sms:
        headers = {"X-Telegram-Bot-Api-Secret-Token": ""}
        session = sms.home.nobody.session
        async with session.post("/telegram_webhook", json={"update_id": 1}, headers=headers) as answer:
            assert answer.status == 403
