"""What is text in Slack's messages is text here."""

import msgspec
import pytest

from server.webhooks.slack import SlackMessage, content_of, plain
from tests.server.rest.client import Json


@pytest.mark.parametrize(
    ("message", "content"),
    [
        ({"text": "hello"}, "hello"),
        ({"text": None}, ""),
        ({}, ""),
        ({"text": "a", "attachments": [{"fallback": "f", "text": "b"}]}, "a\nb"),
        ({"attachments": [{"fallback": "f"}]}, "f"),
        (
            {"attachments": [{"pretext": "p", "title": "t", "title_link": "https://x.org", "text": "b"}]},
            "p\nt (https://x.org)\nb",
        ),
        ({"attachments": [{"title": "t"}, {"color": "#fff"}]}, "t"),
        (
            {"blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "b"}}, {"type": "divider"}]},
            "b",
        ),
        ({"blocks": [{"fields": [{"text": "one"}, {"text": "two"}]}]}, "one\ntwo"),
        ({"text": "stands for", "blocks": [{"text": {"text": "blocks"}}]}, "stands for"),
    ],
)
def test_all_that_is_text_is_kept(message: Json, content: str) -> None:
    assert content_of(msgspec.convert(message, SlackMessage)) == content


@pytest.mark.parametrize(
    ("slack", "shown"),
    [
        ("<https://x.org|docs> and <https://y.org>", "docs (https://x.org) and https://y.org"),
        ("<https://x.org|https://x.org>", "https://x.org"),
        ("<mailto:a@x.org|a@x.org>", "a@x.org"),
        ("1 &lt; 2 &amp;&amp; 3 &gt; 2", "1 < 2 && 3 > 2"),
        ("&amp;lt;", "&lt;"),
        ("<!here> <!channel|channel>", "@here @channel"),
        ("a < b > c", "a < b > c"),
    ],
)
def test_mark_up_is_read(slack: str, shown: str) -> None:
    assert plain(slack) == shown
