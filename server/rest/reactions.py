"""Reactions: the emoji there are, those that people upload, and giving them to messages."""

import asyncio
from typing import Annotated, Final

from msgspec import Meta

from actors.channel_commands import ReactTo
from protocol.errors import Code, Refusal, Refused
from protocol.facts import Taken
from protocol.ids import ChannelId, MessageId
from protocol.resources import Message, ReactionKind
from server.calls import Call, told
from server.fields import AChannelId, AMessageId, AReactionId, In
from server.file_answers import FileAnswer
from server.paging import Page, PageQuery, page_of, read_cursor
from server.reaction_images import content_type_of, hash_of, image_name, image_url
from server.rest.channel_messages import WRITE_REFUSALS
from server.routing import Routes
from server.sniffing import sniff
from server.uploads import Upload
from storage.reactions import TooMany

reactions = Routes("Reactions")

ACode = Annotated[str, Meta(min_length=1, max_length=64)]
NewCode = Annotated[
    str, Meta(min_length=1, max_length=64, pattern=r"^[a-z0-9_+-]+(?!\n)$", examples=["party_parrot"])
]
ImageName = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\.(png|gif|webp)(?!\n)$")]
IMAGE_MAX_BYTES: Final = 256 * 1024
A_YEAR_S: Final = 31_536_000

NO_REACTION: Final = Refusal(Code.NOT_FOUND, "There is no such reaction.")
NO_CUSTOM: Final = Refusal(Code.NOT_FOUND, "There is no such custom reaction.")
TAKEN: Final = Refusal(Code.TAKEN, "There is a reaction with this code already.", field="code")
TOO_MANY: Final = Refusal(Code.CONFLICT, "There are too many reactions: a superuser has to delete some.")


class ReactionCreate(In, frozen=True, kw_only=True):
    """`image` is a PNG, GIF or WebP of at most 256 KiB."""

    code: NewCode
    image: Upload


@reactions.get("/reactions")
async def list_reactions(call: Call, query: PageQuery) -> Page[ReactionKind]:
    """List the reactions there are, newest first; those without a picture are drawn by their code."""
    found = await call.context.reactions.list_kinds(
        before=read_cursor(query.cursor, AReactionId), skip=query.skip, limit=query.size + 1
    )
    return page_of(found, query.size, lambda kind: kind.id)


@reactions.post(
    "/reactions",
    status=201,
    refuses=(Code.TAKEN, Code.CONFLICT),
    file_max_bytes=IMAGE_MAX_BYTES,
    spends_budget=True,
    pays_first=True,
)
async def create_reaction(call: Call, body: ReactionCreate) -> ReactionKind:
    """Make a reaction of a picture; what it is, its bytes say."""
    context, blob = call.context, body.image.blob
    name = image_name(blob.sha256, await asyncio.to_thread(sniff, blob.path))
    if isinstance(name, Refusal):
        raise Refused(name)
    await context.blobs.keep(blob)
    added = await context.reactions.add(body.code, image_url(name), call.doer, context.clock.now())
    if isinstance(added, Taken):
        raise Refused(TAKEN)
    if isinstance(added, TooMany):
        raise Refused(TOO_MANY)
    context.chat.reaction_changed(added.code)
    return added


@reactions.delete("/reactions/{reaction_id}", access="superuser", refuses=(Code.NOT_FOUND,))
async def delete_reaction(call: Call, reaction_id: AReactionId) -> None:
    """Delete a custom reaction and its picture; messages that bear it keep its code."""
    context = call.context
    deleted = await context.reactions.delete(reaction_id, call.doer, context.clock.now())
    if deleted is None:
        raise Refused(NO_CUSTOM)
    context.chat.reaction_changed(deleted.code)


@reactions.get(
    "/reactions/images/{name}",
    access="anyone",
    also=(206, 304, 412, 416),
    refuses=(Code.NOT_FOUND,),
    media_type="image/*",
)
async def read_reaction_image(call: Call, name: ImageName) -> FileAnswer:
    """Read a reaction's picture; its address, which `image_url` tells, cannot be guessed."""
    path = call.context.blobs.path(hash_of(name))
    is_there = await call.context.reactions.has_image(image_url(name))
    if not (is_there and await asyncio.to_thread(path.is_file)):
        raise Refused(NO_REACTION)
    headers = {
        "Cache-Control": f"public, max-age={A_YEAR_S}, immutable",
        "Cross-Origin-Resource-Policy": "cross-origin",
    }
    return FileAnswer(path=path, content_type=content_type_of(name), headers=headers)


@reactions.put(
    "/channels/{channel_id}/messages/{message_id}/reactions/{code}",
    refuses=(*WRITE_REFUSALS, Code.CONFLICT),
    spends_budget=True,
)
async def add_reaction(call: Call, channel_id: AChannelId, message_id: AMessageId, code: ACode) -> Message:
    """React to a message; doing so again changes nothing."""
    return await _react(call, channel_id, message_id, code, added=True)


@reactions.delete(
    "/channels/{channel_id}/messages/{message_id}/reactions/{code}",
    refuses=(*WRITE_REFUSALS, Code.CONFLICT),
    spends_budget=True,
)
async def remove_reaction(call: Call, channel_id: AChannelId, message_id: AMessageId, code: ACode) -> None:
    """Take your reaction back; doing so again changes nothing."""
    await _react(call, channel_id, message_id, code, added=False)


async def _react(
    call: Call, channel_id: ChannelId, message_id: MessageId, code: str, *, added: bool
) -> Message:
    kind = await call.context.chat.find_reaction(code, added=added)
    if kind is None:
        raise Refused(NO_REACTION)
    command = ReactTo(
        message_id=message_id, reaction_id=kind.id, code=kind.code, image_url=kind.image_url, added=added
    )
    done = await call.context.chat.ask(call.identity, channel_id, command)
    return told(done.message)
