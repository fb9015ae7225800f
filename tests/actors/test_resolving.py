"""From wire commands to commands for a channel."""

from typing import Any

import pytest

from actors import channel_commands as inner
from actors.known_reactions import KnownReactions
from actors.resolving import NO_ATTACHMENT, NO_INVITE, NO_REACTION, NO_USER, resolve, translate
from protocol import commands
from protocol.ids import ChannelId, MessageId, Seq, UserId
from protocol.resources import Attachment
from tests.actors.scene import StillClock
from tests.simulation.memory_rows import ReactionRow
from tests.simulation.memory_store import MemoryStore

KIND = ReactionRow(4, "+1", "/plus.png")
REACTED = inner.ReactTo(message_id=MessageId(3), reaction_id=4, code="+1", image_url="/plus.png", added=True)
FILE = Attachment(5, "a.txt", "text/plain", 3, "/files/5")


@pytest.mark.parametrize(
    ("command", "translated"),
    [
        (
            commands.Send(content="x", nonce="n", channel_id=7, parent_id=3),
            inner.PostMessage(content="x", nonce="n", parent_id=MessageId(3)),
        ),
        (
            commands.EditCommand(message_id=3, channel_id=7, content="x"),
            inner.EditMessage(message_id=MessageId(3), content="x"),
        ),
        (commands.Delete(message_id=3, channel_id=7), inner.DeleteMessage(message_id=MessageId(3))),
        (
            commands.React(message_id=3, channel_id=7, code="+1"),
            inner.ReactTo(
                message_id=MessageId(3), reaction_id=4, code="+1", image_url="/plus.png", added=True
            ),
        ),
        (
            commands.Unreact(message_id=3, channel_id=7, code="+1"),
            inner.ReactTo(
                message_id=MessageId(3), reaction_id=4, code="+1", image_url="/plus.png", added=False
            ),
        ),
        (commands.Read(channel_id=7, seq=5), inner.MoveMarker(seq=Seq(5))),
        (commands.Typing(channel_id=7), inner.ShowTyping()),
        (
            commands.History(channel_id=7, before=5, after=2, limit=9),
            inner.ReadHistory(before=Seq(5), after=Seq(2), limit=9),
        ),
        (commands.History(channel_id=7), inner.ReadHistory()),
        (commands.Join(join_code="c"), inner.JoinChannel(join_code="c")),
        (commands.Leave(channel_id=7), inner.LeaveChannel()),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_command_to_a_channel_is_translated(command: Any, translated: Any) -> None:
    assert translate(command, ChannelId(7), KIND) == translated


@pytest.mark.parametrize("command", [commands.Ping(), commands.React(message_id=3, channel_id=7, code="+1")])
def test_what_is_for_no_channel_or_not_looked_up_is_not_translated(command: Any) -> None:
    with pytest.raises(TypeError):
        translate(command, ChannelId(7))


class Users(MemoryStore):
    async def find_attachments(self, owner_id: UserId, ids: Any) -> list[Attachment]:
        return [FILE] if FILE.id in ids else []


@pytest.fixture
def users() -> Users:
    users = Users(StillClock().now)
    ann, _ = users.add_user("ann"), users.add_user("bob")
    users.add_channel(ann.id, "one", join_code="c")
    users.add_reaction("+1")
    return users


async def look_up(users: Users, command: commands.AnyCommand) -> Any:
    return await resolve(users, UserId(1), command, KnownReactions(StillClock()))


async def test_names_are_looked_up(users: Users) -> None:
    direct = await look_up(users, commands.Send(content="x", nonce="n", recipient_id=2))
    assert direct == (2, inner.PostMessage(content="x", nonce="n"))
    assert await look_up(users, commands.Join(join_code="c")) == (1, inner.JoinChannel(join_code="c"))
    react = commands.React(message_id=3, channel_id=7, code="+1")
    added = inner.ReactTo(message_id=MessageId(3), reaction_id=1, code="+1", image_url=None, added=True)
    assert await look_up(users, react) == (7, added)
    with_file = commands.Send(content="x", nonce="n", channel_id=7, attachments=[5])
    assert await look_up(users, with_file) == (
        7,
        inner.PostMessage(content="x", nonce="n", attachments=(FILE,)),
    )


async def test_a_repeat_may_name_files_that_the_first_one_was_sent_with(users: Users) -> None:
    users.tables.nonces[UserId(1), "n"] = MessageId(1)
    again = commands.Send(content="x", nonce="n", channel_id=7, attachments=[6])
    assert await look_up(users, again) == (7, inner.PostMessage(content="x", nonce="n"))


async def test_a_deleted_reaction_can_only_be_taken_back(users: Users) -> None:
    users.tables.reactions["+1"] = ReactionRow(1, "+1", is_deleted=True)
    assert await look_up(users, commands.React(message_id=3, channel_id=7, code="+1")) == NO_REACTION
    taken_back = inner.ReactTo(message_id=MessageId(3), reaction_id=1, code="+1", image_url=None, added=False)
    assert await look_up(users, commands.Unreact(message_id=3, channel_id=7, code="+1")) == (7, taken_back)


@pytest.mark.parametrize(
    ("command", "refusal"),
    [
        (commands.Send(content="x", nonce="n", recipient_id=404), NO_USER),
        (commands.Send(content="x", nonce="n", channel_id=7, attachments=[5, 6]), NO_ATTACHMENT),
        (commands.React(message_id=3, channel_id=7, code="none"), NO_REACTION),
        (commands.Join(join_code="none"), NO_INVITE),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_what_does_not_exist_is_refused(users: Users, command: Any, refusal: Any) -> None:
    assert await look_up(users, command) == refusal


async def test_what_needs_no_looking_up_is_not_asked_for(users: Users) -> None:
    with pytest.raises(TypeError):
        await look_up(users, commands.Leave(channel_id=7))
