"""The index brought up to date and searched, for the tests of searching."""

from sqlalchemy import select, text

from protocol.ids import ChannelId, Seq
from storage.search import Found, Hit, Narrowing, Search
from storage.search_index import SearchIndex, pages
from storage.search_terms import parse_terms
from storage.tables import search_positions
from tests.storage.people import NOW, Chat

EVERYWHERE = Narrowing()


async def index(chat: Chat) -> None:
    """Bring the index up to date."""
    indexing = SearchIndex(chat.database)
    for page in pages(await indexing.behind(), 5):
        assert await indexing.follow(page, NOW)
    assert await indexing.behind() == []


async def hits(
    chat: Chat, query: str, *, by: int = 0, where: Narrowing = EVERYWHERE, **page: int
) -> list[Hit]:
    terms = parse_terms(query)
    assert terms is not None
    found = await Search(chat.database).find(chat.ids[by], terms, where, **page)
    assert isinstance(found, Found)
    return found.hits


async def find(
    chat: Chat, query: str, *, by: int = 0, where: Narrowing = EVERYWHERE, **page: int
) -> list[str]:
    """The texts that are found, the best first."""
    return [hit.message.content or "" for hit in await hits(chat, query, by=by, where=where, **page)]


async def indexed(chat: Chat) -> int:
    """How many messages are in the index."""
    query = text("SELECT count(*) FROM search_index")
    return await chat.database.read(lambda connection: connection.execute(query).scalar_one())


async def positions(chat: Chat) -> dict[ChannelId, Seq]:
    query = select(search_positions.c.channel_id, search_positions.c.seq)
    return dict(
        await chat.database.read(lambda connection: [tuple(row) for row in connection.execute(query)])
    )
