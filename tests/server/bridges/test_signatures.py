"""Who may post to the webhooks: Twilio and Telegram, and nobody else."""

import base64
import hashlib
import hmac
from ipaddress import ip_network

import pytest
from multidict import MultiDict

from server.settings import Settings
from tests.server.bridges.texting import PUBLIC_URL, Texting, incoming, texting
from tests.server.rest.client import Api
from tests.stand_ins import telegram, twilio

ANNS = "+15005550001"
URL = f"{PUBLIC_URL}/twilio_webhook"
PROXY = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "texts.example"}


@pytest.fixture
async def ann(sms: Texting) -> Api:
    return await sms.person("ann", ANNS)


async def was_taken(sms: Texting, ann: Api) -> bool:
    return len(await sms.chat_of(ann)) > 0


async def refused(sms: Texting, ann: Api, form: MultiDict[str], headers: dict[str, str]) -> None:
    await sms.post("/twilio_webhook", form, headers, 403)
    assert not await was_taken(sms, ann)


async def test_what_twilio_has_signed_is_taken(sms: Texting, ann: Api) -> None:
    await sms.text(ANNS, "Hello? ä€😀 +&=%")
    assert (await sms.chat_of(ann))[0]["content"] == "Hello? ä€😀 +&=%"


async def test_the_signature_is_what_twilio_documents(sms: Texting, ann: Api) -> None:
    """HMAC-SHA1 over the URL and the sorted fields, by hand."""
    form = incoming(ANNS, "Hello?")
    text = URL + "".join(name + form[name] for name in sorted(form))
    digest = hmac.new(twilio.TOKEN.encode(), text.encode(), hashlib.sha1).digest()
    await sms.post("/twilio_webhook", form, {"X-Twilio-Signature": base64.b64encode(digest).decode()})
    assert await was_taken(sms, ann)


async def test_the_form_of_a_messaging_service_is_signed_like_any_other(sms: Texting, ann: Api) -> None:
    service = {"MessagingServiceSid": "MG0123", "To": "+15005550999", "OptOutType": ""}
    await sms.text(ANNS, "Hello?", **service)
    assert await was_taken(sms, ann)


@pytest.mark.parametrize("signature", [None, "", "wrong", "é", "A" * 28, "=" * 1000])
async def test_a_missing_or_wrong_signature_is_refused(sms: Texting, ann: Api, signature: str | None) -> None:
    headers = {} if signature is None else {"X-Twilio-Signature": signature}
    await refused(sms, ann, incoming(ANNS, "Hello?"), headers)


async def test_a_signature_by_another_token_is_refused(sms: Texting, ann: Api) -> None:
    form = incoming(ANNS, "Hello?")
    for token in ("another-token", ""):
        await refused(sms, ann, form, twilio.signature(URL, form, token))


async def test_a_signature_of_another_body_is_refused(sms: Texting, ann: Api) -> None:
    signed = incoming(ANNS, "Hello?")
    headers = twilio.signature(URL, signed)
    for change in ({"Body": "Transfer it"}, {"From": "+15005550002"}, {"MessageSid": "SM2"}):
        await refused(sms, ann, MultiDict({**signed, **change}), headers)


@pytest.mark.parametrize("field", ["More", "Body", "body", "MediaUrl0"])
async def test_a_field_that_was_not_signed_is_refused(sms: Texting, ann: Api, field: str) -> None:
    form = incoming(ANNS, "Hello?")
    headers = twilio.signature(URL, form)
    more = MultiDict(form)
    more.add(field, "x")
    await refused(sms, ann, more, headers)
    less = MultiDict(form)
    del less["ToCountry"]
    await refused(sms, ann, less, headers)


async def test_fields_that_twilio_adds_and_signs_are_let_through(sms: Texting, ann: Api) -> None:
    await sms.text(ANNS, "Hello?", SomethingNew="1", Empty="", Zeit="später")
    assert await was_taken(sms, ann)


async def test_a_signature_is_for_one_url(sms: Texting, ann: Api) -> None:
    form = incoming(ANNS, "Hello?")
    for url in (f"{PUBLIC_URL}/twilio_status", "https://elsewhere.example/twilio_webhook", f"{URL}?a=1"):
        await refused(sms, ann, form, twilio.signature(url, form))
    await sms.post("/twilio_webhook?a=1", form, twilio.signature(f"{URL}?a=1", form))
    assert await was_taken(sms, ann)


async def test_a_replay_changes_nothing(sms: Texting, ann: Api) -> None:
    form = incoming(ANNS, "Hello?")
    headers = twilio.signature(URL, form)
    for _ in range(3):
        await sms.post("/twilio_webhook", form, headers)
    await sms.settled()
    assert len(await sms.chat_of(ann)) == 2


async def test_news_are_signed_too_and_for_their_own_message(sms: Texting, ann: Api) -> None:
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


@pytest.mark.parametrize("networks", [("127.0.0.0/8",), ("10.0.0.0/8",), ()])
async def test_what_a_proxy_says_counts_when_it_is_trusted(
    quick_settings: Settings, networks: tuple[str, ...]
) -> None:
    trusted = tuple(ip_network(network) for network in networks)
    async with texting(quick_settings, trusted_proxies=trusted, public_url="") as sms:
        await sms.person("ann", ANNS)
        form = incoming(ANNS, "Hello?")
        outside = twilio.signature("https://texts.example/twilio_webhook", form)
        inside = twilio.signature(f"http://127.0.0.1:{sms.home.port}/twilio_webhook", form)
        is_trusted = networks == ("127.0.0.0/8",)
        await sms.post("/twilio_webhook", form, PROXY | outside, 200 if is_trusted else 403)
        await sms.post("/twilio_webhook", form, PROXY | inside, 403 if is_trusted else 200)
        await sms.post("/twilio_webhook", form, inside, 200)
        await sms.settled()
        assert [each["callback"] for each in sms.phone.sent] == [None]


async def test_without_twilio_nothing_is_taken(quick_settings: Settings) -> None:
    off = {"twilio_account_sid": "", "twilio_auth_token": "", "twilio_phone_number": ""}
    async with texting(quick_settings, **off) as sms:
        form = incoming(ANNS, "Hello?")
        for token in (twilio.TOKEN, ""):
            await sms.post("/twilio_webhook", form, twilio.signature(URL, form, token), 403)


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
