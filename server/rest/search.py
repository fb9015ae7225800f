"""Finding messages by their words."""

from datetime import UTC, datetime
from typing import Annotated, Final

from msgspec import Meta, field

from actors.channel_commands import LookAt
from protocol.commands import MAX_INT
from protocol.errors import Code, Refusal, Refused
from protocol.ids import MessageId, Seq
from server.calls import Call
from server.fields import AChannelId, APosition, AUserId
from server.paging import Offset, Page, PageQuery, read_cursor, write_cursor
from server.rest.channels import MEMBER_REFUSALS
from server.routing import Routes
from storage.search import Found, Hit, Narrowing, TooBusy
from storage.search_dialect import RANKED_MAX
from storage.search_terms import Terms, parse_terms

search = Routes("Search")

QUERY_MAX_CHARS: Final = 200
NOTHING_TO_FIND: Final = Refusal(
    Code.INVALID, "Name at least one word to look for, beside those to leave out.", field="q"
)
NO_CHANNEL: Final = "A position is one of a channel: give channel_id as well, or a time."
BUSY: Final = Refusal(Code.OVERLOADED, "Many are searching. Try again soon.", retry_after_ms=2000)
TOO_MUCH: Final = Refusal(
    Code.OVERLOADED, "This finds too much. Add a word, name a channel or a time.", retry_after_ms=2000
)

Query = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=QUERY_MAX_CHARS,
        description='All of these words; `"a phrase"`, `-without` a word, `beginn*`.',
        examples=["hello"],
    ),
]
Bound = APosition | Annotated[datetime, Meta(tz=True)]
Place = tuple[Annotated[MessageId, Meta(ge=0, le=MAX_INT)], Offset]
"""Of a cursor: the newest message when the search began, and how many hits came before."""


class MessageQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`from` is the author's id. `before` and `after` are times, or with `channel_id` a `seq` in it."""

    q: Query
    channel_id: AChannelId | None = None
    from_: AUserId | None = field(name="from", default=None)
    before: Bound | None = None
    after: Bound | None = None


@search.get(
    "/search", refuses=(*MEMBER_REFUSALS, Code.INVALID, Code.OVERLOADED), spends_budget=True, pays_first=True
)
async def search_messages(call: Call, query: MessageQuery) -> Page[Hit]:
    """Find messages in your channels and conversations, the best matches first.

    Case and accents do not matter. What was just written is found a moment later. Of the newest thousand
    messages that match the best come first; each excerpt is HTML with the matches in `<mark>`.
    """
    terms = parse_terms(query.q)
    if terms is None:
        raise Refused(NOTHING_TO_FIND)
    where = narrowing(query)
    if query.channel_id is not None:
        await call.context.chat.ask(call.identity, query.channel_id, LookAt())
    return await _page(call, query, terms, where)


async def _page(call: Call, query: MessageQuery, terms: Terms, where: Narrowing) -> Page[Hit]:
    start = (read_cursor(query.cursor, Place) or (0, 0))[1] + query.skip
    if start >= RANKED_MAX:
        return Page([], None)
    found = await call.context.search.find(call.user_id, terms, where, skip=start, limit=query.size + 1)
    if not isinstance(found, Found):
        raise Refused(BUSY if isinstance(found, TooBusy) else TOO_MUCH)
    more = len(found.hits) > query.size
    following = write_cursor((found.up_to_id, start + query.size)) if more else None
    return Page(found.hits[: query.size], following)


def narrowing(query: MessageQuery) -> Narrowing:
    """Where a query looks. Raises Refused for a position without a channel."""
    place = read_cursor(query.cursor, Place)
    before, before_seq = _bound(query, query.before, "before")
    after, after_seq = _bound(query, query.after, "after")
    return Narrowing(
        channel_id=query.channel_id,
        sender_id=query.from_,
        before=before,
        after=after,
        before_seq=before_seq,
        after_seq=after_seq,
        up_to_id=place[0] if place else None,
    )


def _bound(query: MessageQuery, bound: Bound | None, name: str) -> tuple[datetime | None, Seq | None]:
    if isinstance(bound, datetime):
        return _in_utc(bound, name), None
    if bound is not None and query.channel_id is None:
        raise Refused(Refusal(Code.INVALID, NO_CHANNEL, field=name))
    return None, bound


def _in_utc(at: datetime, name: str) -> datetime:
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise Refused(Refusal(Code.INVALID, "There is no such time in UTC.", field=name)) from None
