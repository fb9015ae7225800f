"""Media as links: which are taken, what they are called, and how they go with their message."""

import pytest

from server.bridges.media import URL_MAX_CHARS, link_of
from server.bridges.twilio_inbox import MEDIA_MAX
from server.search_indexing import catch_up
from storage.attachments import NewLink
from storage.search_index import SearchIndex
from tests.server.bridges.texting import Texting
from tests.server.rest.client import Json
from tests.stand_ins import twilio

ANNS = "+15005550001"
TWILIOS = "https://api.twilio.com/2010-04-01/Accounts/AC1/Messages/MM1/Media/ME1"


@pytest.mark.parametrize(
    "url",
    [
        TWILIOS,
        "https://media.twiliocdn.com/AC1/x.jpg?a=1&b=%20#top",
        "https://api.twilio.com:443/a",
    ],
)
def test_links_by_https_to_a_named_host_are_taken(url: str) -> None:
    assert link_of(url, "image/png", 1) == NewLink("image-1.png", "image/png", url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://api.twilio.com/a",
        "javascript:alert(1)",
        "https://",
        "https:///a",
        "https://localhost/a",
        "https://printer.local/a",
        "https://127.0.0.1/a",
        "https://2130706433/a",
        "https://[::1]/a",
        "https://[::1/a",
        "https://api.twilio.com@evil.example/a",
        "https://user:word@api.twilio.com/a",
        "https://evil.example\\@api.twilio.com/a",
        "https://api.twilio.com/a b",
        "https://api.twilio.com/a\n",
        "https://api.twilio.com/\0",
        'https://api.twilio.com/"><script>',
        "https://äpi.example/a",
        TWILIOS + "x" * URL_MAX_CHARS,
    ],
)
def test_no_other_links_are_taken(url: str) -> None:
    assert link_of(url, "image/png", 1) is None


@pytest.mark.parametrize(
    ("said", "known", "name"),
    [
        ("image/jpeg", "image/jpeg", "image-2.jpeg"),
        ("Video/3GPP", "video/3gpp", "video-2.3gpp"),
        ("audio/ogg; codecs=opus", "audio/ogg", "audio-2.ogg"),
        ("text/x-vcard", "text/x-vcard", "file-2"),
        ("application/pdf", "application/pdf", "file-2.pdf"),
        ("image/svg+xml", "image/svg+xml", "image-2"),
        ("", "application/octet-stream", "file-2"),
        ("no type", "application/octet-stream", "file-2"),
        ("image/../../etc", "application/octet-stream", "file-2"),
        ("image/" + "x" * 200, "application/octet-stream", "file-2"),
    ],
)
def test_a_medium_is_named_after_what_it_is(said: str, known: str, name: str) -> None:
    assert link_of(TWILIOS, said, 2) == NewLink(name, known, TWILIOS)


# With their messages.


def media(*urls: str) -> dict[str, str]:
    """As Twilio tells of pictures."""
    fields = {"NumMedia": str(len(urls))}
    for number, url in enumerate(urls):
        fields |= {f"MediaUrl{number}": url, f"MediaContentType{number}": "image/jpeg"}
    return fields


def shown(*urls: str) -> list[Json]:
    """Pictures as their message shows them, but for their ids."""
    return [
        {"name": f"image-{number}.jpeg", "content_type": "image/jpeg", "size": 0, "url": url}
        for number, url in enumerate(urls, start=1)
    ]


def without_ids(files: list[Json]) -> list[Json]:
    return [{name: value for name, value in file.items() if name != "id"} for file in files]


@pytest.mark.parametrize("prefix", ["", "whatsapp:"])
async def test_pictures_become_attachments_by_link(sms: Texting, prefix: str) -> None:
    ann = await sms.person("ann", ANNS)
    talk = await sms.home.live(ann)
    urls = "https://api.twilio.com/a", "https://api.twilio.com/b"
    await sms.text(f"{prefix}{ANNS}", "look", To=f"{prefix}{twilio.OURS}", **media(*urls))
    event = (await talk.hear("new_message"))["message"]
    assert (event["content"], without_ids(event["attachments"])) == ("look", shown(*urls))
    await sms.settled()
    said = (await sms.chat_of(ann))[0]
    assert said["attachments"] == event["attachments"]
    for file in said["attachments"]:
        await ann.get(f"/files/{file['id']}", expect=404)


async def test_a_picture_without_a_word_is_a_message(sms: Texting) -> None:
    ann = await sms.person("ann", ANNS)
    await sms.text(ANNS, "", **media("https://api.twilio.com/a"))
    await sms.settled()
    said, _ = await sms.chat_of(ann)
    assert (said["content"], without_ids(said["attachments"])) == ("", shown("https://api.twilio.com/a"))


async def test_pictures_stay_when_a_message_is_edited_and_go_when_it_is_deleted(sms: Texting) -> None:
    ann = await sms.person("ann", ANNS)
    await sms.text(ANNS, "look", **media("https://api.twilio.com/a"))
    await sms.settled()
    said = (await sms.chat_of(ann))[0]
    edited = await ann.put(f"/messages/{said['id']}", {"content": "look here"})
    assert edited["attachments"] == said["attachments"]
    await ann.delete(f"/messages/{said['id']}")
    assert (await ann.get(f"/messages/{said['id']}"))["attachments"] == []


async def test_whoever_was_away_and_whoever_searches_finds_pictures_like_any_attachment(sms: Texting) -> None:
    ann = await sms.person("ann", ANNS)
    await sms.text(ANNS, "my kitten", **media("https://api.twilio.com/a"))
    await sms.settled()
    said = (await sms.chat_of(ann))[0]
    changes = await ann.get(f"/channels/{said['channel_id']}/changes?after=0")
    assert changes["messages"][0]["attachments"] == said["attachments"]
    context = sms.home.context
    await catch_up(SearchIndex(context.database), context.clock)
    (found,) = (await ann.get("/search?q=kitten"))["items"]
    assert found["message"]["attachments"] == said["attachments"]


async def test_repeats_of_a_message_with_pictures_change_nothing(sms: Texting) -> None:
    ann = await sms.person("ann", ANNS)
    for _ in range(3):
        await sms.text(ANNS, "look", MessageSid="SM1", **media("https://api.twilio.com/a"))
    await sms.settled()
    said, _ = await sms.chat_of(ann)
    assert without_ids(said["attachments"]) == shown("https://api.twilio.com/a")


async def test_only_links_that_lead_by_https_and_only_so_many_are_kept(sms: Texting) -> None:
    ann = await sms.person("ann", ANNS)
    await sms.text(ANNS, "look", **media("http://api.twilio.com/a", "javascript:alert(1)"))
    await sms.text(ANNS, "", **media("http://api.twilio.com/a"))
    many = [f"https://api.twilio.com/{number}" for number in range(12)]
    await sms.text(ANNS, "many", **media(*many))
    await sms.text(ANNS, "wild", **media(*many) | {"NumMedia": "9" * 5000})
    await sms.settled(count=3)
    said = [message for message in await sms.chat_of(ann) if message["sender_id"] == ann.id]
    assert [len(message["attachments"]) for message in said] == [0, MEDIA_MAX, 0]
