"""From wire commands to commands for a channel: what their ids and codes stand for."""

from collections.abc import Sequence

from actors.channel_commands import (
    ChannelCommand,
    DeleteMessage,
    EditMessage,
    JoinChannel,
    LeaveChannel,
    MoveMarker,
    PostMessage,
    ReactTo,
    ReadHistory,
    ShowTyping,
)
from actors.known_reactions import KnownReactions
from actors.ports import ReactionKind, Users
from protocol import commands
from protocol.commands import AnyCommand
from protocol.errors import Code, Refusal
from protocol.ids import ChannelId, MessageId, Seq, UserId
from protocol.resources import Attachment

NO_USER = Refusal(Code.NOT_FOUND, "There is no such user.", field="recipient_id")
ONESELF = Refusal(Code.INVALID, "You cannot write to yourself.", field="recipient_id")
NO_INVITE = Refusal(Code.NOT_FOUND, "There is no such invite.", field="join_code")
NO_REACTION = Refusal(Code.INVALID, "There is no such reaction.", field="code")
NO_ATTACHMENT = Refusal(Code.INVALID, "One of the files is not yours or already sent.", field="attachments")

Target = tuple[ChannelId, ChannelCommand]


def translate(
    command: AnyCommand,
    channel_id: ChannelId,
    reaction: ReactionKind | None = None,
    attachments: tuple[Attachment, ...] = (),
) -> ChannelCommand:
    """A wire command as the channel's actor takes it, with everything that it named looked up."""
    match command:
        case commands.Send():
            return PostMessage(
                content=command.content,
                nonce=command.nonce,
                parent_id=None if command.parent_id is None else MessageId(command.parent_id),
                attachments=attachments,
            )
        case commands.EditCommand():
            return EditMessage(message_id=MessageId(command.message_id), content=command.content)
        case commands.Delete():
            return DeleteMessage(message_id=MessageId(command.message_id))
        case commands.React() | commands.Unreact() if reaction is not None:
            return ReactTo(
                message_id=MessageId(command.message_id),
                reaction_id=reaction.id,
                code=reaction.code,
                image_url=reaction.image_url,
                added=isinstance(command, commands.React),
            )
        case commands.Read():
            return MoveMarker(seq=Seq(command.seq))
        case commands.Typing():
            return ShowTyping()
        case commands.History():
            before = None if command.before is None else Seq(command.before)
            after = None if command.after is None else Seq(command.after)
            return ReadHistory(before=before, after=after, limit=command.limit)
        case commands.Join():
            return JoinChannel(join_code=command.join_code)
        case commands.Leave():
            return LeaveChannel()
        case _:
            raise TypeError(f"{type(command).__name__} is not a command to channel {channel_id}")


async def resolve(
    users: Users, user_id: UserId, command: AnyCommand, reactions: KnownReactions
) -> Target | Refusal:
    """Look up what a command names."""
    match command:
        case commands.Send():
            return await _resolve_send(users, user_id, command)
        case commands.React() | commands.Unreact():
            added = isinstance(command, commands.React)
            kind = await find_reaction(users, reactions, command.code, added=added)
            if kind is None:
                return NO_REACTION
            channel_id = ChannelId(command.channel_id)
            return channel_id, translate(command, channel_id, reaction=kind)
        case commands.Join(join_code=str() as join_code):
            found = await users.find_invite(join_code)
            return NO_INVITE if found is None else (found, translate(command, found))
        case _:
            raise TypeError(f"{type(command).__name__} needs no looking up")


async def find_reaction(
    users: Users, known: KnownReactions, code: str, *, added: bool
) -> ReactionKind | None:
    """The kind that `code` stands for; a deleted one only where it is taken back."""
    kind = known.get(code)
    if kind is None:
        kind = await users.find_reaction(code)
        if kind is not None:
            known.remember(kind)
    return None if kind is None or (added and kind.is_deleted) else kind


async def find_attachments(
    users: Users, user_id: UserId, ids: Sequence[int], nonce: str | None
) -> tuple[Attachment, ...] | Refusal:
    """The files that a message is to be sent with, by id.

    They are not free any more when the message is a repeat: the first one, found by its nonce, will answer.
    """
    found = await users.find_attachments(user_id, ids) if ids else []
    if len(found) == len(set(ids)):
        return tuple(found)
    if nonce is not None and await users.has_posted(user_id, nonce):
        return ()
    return NO_ATTACHMENT


async def _resolve_send(users: Users, user_id: UserId, command: commands.Send) -> Target | Refusal:
    attachments = await find_attachments(users, user_id, command.attachments, command.nonce)
    if isinstance(attachments, Refusal):
        return attachments
    if command.channel_id is not None:
        channel_id: ChannelId | None = ChannelId(command.channel_id)
    else:
        channel_id = await users.open_direct(user_id, UserId(command.recipient_id or 0))
    if channel_id is None:
        return NO_USER
    return channel_id, translate(command, channel_id, attachments=attachments)
