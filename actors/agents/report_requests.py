"""What the report agent understands without a model: a small grammar. Pure.

list my [open | in progress | resolved] reports
show report 3
report: <title> — <text>
help
"""

import re
from typing import Final, cast

from msgspec import Struct

from protocol.resources import ReportStatus


class ListReports(Struct, frozen=True):
    status: ReportStatus | None


class ShowReport(Struct, frozen=True):
    report_id: int


class FileReport(Struct, frozen=True):
    """Without a text the title is all there is to say."""

    title: str
    content: str


Request = ListReports | ShowReport | FileReport

_MENTIONS: Final = re.compile(r"^(?:@[A-Za-z0-9._-]+[\s,:]*)+")
_LIST: Final = re.compile(
    r"list( my)?( (?P<status>open|in[ _]progress|resolved))? reports?[.!]?", re.IGNORECASE
)
_SHOW: Final = re.compile(r"show (my )?report (#|no\.? ?)?(?P<id>[0-9]{1,16})[.!]?", re.IGNORECASE)
_FILE: Final = re.compile(r"report\s*:\s*(?P<said>\S.*)", re.IGNORECASE | re.DOTALL)
# A run of spaces is looked at once, from its beginning: texts may be long and hostile.
_DASH: Final = re.compile(r"(?<!\s)\s+(?:—|–|--?)(?=\s|$)|—|\n")


def understand(text: str) -> Request | None:
    """What is asked for; None where help is. A mention at the beginning only says who is asked."""
    text = _MENTIONS.sub("", text.lstrip()).rstrip()
    if found := _LIST.fullmatch(text):
        return ListReports(_status(found["status"]))
    if found := _SHOW.fullmatch(text):
        return ShowReport(int(found["id"]))
    if found := _FILE.fullmatch(text):
        title, content = _split(found["said"])
        return FileReport(title, content or title)
    return None


def _split(said: str) -> tuple[str, str]:
    dash = _DASH.search(said)
    if dash is None:
        return said, ""
    return said[: dash.start()].strip(), said[dash.end() :].strip()


def _status(words: str | None) -> ReportStatus | None:
    return None if words is None else cast("ReportStatus", words.lower().replace(" ", "_"))
