"""The fields that requests share: their limits, patterns and descriptions."""

from typing import Annotated, Final

from msgspec import Meta, Struct

from protocol.commands import CONTENT_MAX_CHARS, MAX_INT
from protocol.ids import ChannelId, MessageId, Seq, SessionId, UserId


class In(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all request bodies: what is not asked for is refused."""


# `$` alone would let a line break pass at the end, hence (?!\n).
_USERNAME = r"^[A-Za-z0-9._-]+(?!\n)$"
_EMAIL = r"^[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+(?!\n)$"
_PHONE = r"^\+?[0-9 ()./-]+(?!\n)$"
_URL = r"^https?://[^\s\x00-\x1f\x7f]+(?!\n)$"
ONE_LINE = r"^(?![\s\S]*[\x00-\x1f\x7f])\S(.*\S)?$"
CURSOR: Final = r"^[A-Za-z0-9_-]*(?!\n)$"
TARGET: Final = r"^([a-z_]+(:[0-9]+)?|[0-9]+)(?!\n)$"
# What people are told instead of a pattern.
PATTERN_WORDS: Final = {
    _USERNAME: "1 to 100 of letters, digits, dot, underscore and hyphen",
    _EMAIL: "an e-mail address, such as alice@example.org",
    _PHONE: "a telephone number, such as +4930123456",
    _URL: "an http or https address",
    TARGET: "a kind of thing, an id, or both, such as user:7",
    ONE_LINE: "one line that neither begins nor ends with a space",
    CURSOR: "the `next` of a page of this list",
}

Username = Annotated[str, Meta(min_length=1, max_length=100, pattern=_USERNAME, examples=["alice"])]
Email = Annotated[str, Meta(min_length=3, max_length=255, pattern=_EMAIL, examples=["alice@example.org"])]
Login = Annotated[str, Meta(min_length=1, max_length=255, description="The user name or the e-mail address.")]
Password = Annotated[str, Meta(max_length=1000, description="8 to 72 bytes of UTF-8.")]
FullName = Annotated[str, Meta(max_length=255, examples=["Alice Liddell"])]
Bio = Annotated[str, Meta(max_length=2000)]
Phone = Annotated[str, Meta(max_length=40, pattern=_PHONE, examples=["+4930123456"])]
Picture = Annotated[str, Meta(max_length=2000, pattern=_URL)]

ChannelName = Annotated[str, Meta(min_length=1, max_length=80, pattern=ONE_LINE, examples=["general"])]
Description = Annotated[str, Meta(max_length=2000)]
JoinCode = Annotated[str, Meta(min_length=1, max_length=64)]
Content = Annotated[str, Meta(min_length=1, max_length=CONTENT_MAX_CHARS, examples=["Hello!"])]
Nonce = Annotated[
    str,
    Meta(
        min_length=1, max_length=64, description="Makes repeating safe: the same answers the first message."
    ),
]

_ID = Meta(ge=1, le=MAX_INT)
AChannelId = Annotated[ChannelId, _ID]
AMessageId = Annotated[MessageId, _ID]
AUserId = Annotated[UserId, _ID]
ASessionId = Annotated[SessionId, _ID]
AFileId = Annotated[int, _ID]
AReactionId = Annotated[int, _ID]
AReportId = Annotated[int, _ID]
APosition = Annotated[Seq, Meta(ge=0, le=MAX_INT)]
