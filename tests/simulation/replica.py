"""What a client knows of one channel, kept as the wire protocol says: from `sync` pages and events by `seq`.

A client that applied everything stands at `applied`; `heard` is how far the stream of live events has
promised to have told it, which is ahead of `applied` while a `sync` that was asked for is still on its way.
Rows come as they are now, so a channel is whole only after the last of a row of pages: events wait for that.
"""

from typing import Any

from msgspec import UNSET, structs

from protocol.events import (
    ChannelUpdate,
    MemberJoined,
    MemberLeft,
    MessageDelete,
    MessageUpdate,
    NewMessage,
    PrivacyUpdated,
    ReactionUpdate,
    RoleUpdated,
    Sequenced,
    SyncPage,
)
from protocol.ids import ChannelId, MessageId, Seq, UserId
from protocol.resources import ChannelInfo, MemberChange, Message, Reaction, Role


class GapError(AssertionError):
    """Something between what a client has and what it was told is missing."""


class Replica:
    """One channel as one client knows it."""

    def __init__(self, channel_id: ChannelId, heard: Seq) -> None:
        self.channel_id = channel_id
        self.applied = Seq(0)
        self.heard = heard
        self.messages: dict[MessageId, Message] = {}
        self.members: dict[UserId, Role] = {}
        self.info: ChannelInfo | None = None
        self._held: list[Sequenced | SyncPage] = []
        self._is_paging = False
        self._is_followed = False

    @property
    def is_complete(self) -> bool:
        return self.applied >= self.heard and not self._held

    @property
    def is_at_rest(self) -> bool:
        return self.is_complete and not self._is_followed

    # What the server says.

    def resume_at(self, heard: Seq) -> None:
        """A new stream of events begins after `heard`."""
        self._is_followed = False
        self.heard = heard
        self._is_paging = False
        self._held.clear()

    def follow(self) -> None:
        """The server is to push what was missed, up to a last page, even if that is empty."""
        self._is_followed = True

    def reset(self) -> None:
        """The server's database has another life: start from nothing."""
        self.applied = self.heard = Seq(0)
        self._is_paging = False
        self.messages.clear()
        self.members.clear()
        self.info = None
        self._held.clear()

    def take_event(self, event: Sequenced) -> None:
        if event.seq > self.heard + 1:
            raise GapError(f"channel {self.channel_id}: {event.seq} after {self.heard}, without a sync")
        if event.seq <= self.heard:
            return
        self.heard = event.seq
        self._held.append(event)
        if not self._is_paging:
            self._apply_held()

    def take_page(self, page: SyncPage) -> None:
        """A page that the server pushed, or that was asked for."""
        if page.from_ > self.heard and page.from_ > self.applied:
            raise GapError(f"channel {self.channel_id}: a page from {page.from_}, but heard {self.heard}")
        if page.reply_to is UNSET:
            self.heard = Seq(max(self.heard, page.to))
            self._is_followed = self._is_followed and page.more
        if page.from_ > self.applied:
            self._held.append(page)
            return
        self._cover(page)
        self._is_paging = page.more
        if not page.more:
            self._apply_held()

    def _apply_held(self) -> None:
        """What was said is applied once what came before it has been; what a page covered is passed over."""
        while self._held and first_of(self._held[0]) <= self.applied + 1:
            said = self._held.pop(0)
            if isinstance(said, SyncPage):
                self._cover(said)
            elif said.seq == self.applied + 1:
                self._apply(said)
                self.applied = said.seq

    def _cover(self, page: SyncPage) -> None:
        if page.to > self.applied:
            self._apply_page(page)
            self.applied = page.to

    # What it means.

    def _apply_page(self, page: SyncPage) -> None:
        for message in page.messages:
            self.messages[message.id] = message
        for member in page.members:
            self._put_member(member)
        if page.channel is not None:
            self.info = page.channel

    def _put_member(self, member: MemberChange) -> None:
        if member.role is None:
            self.members.pop(member.user.id, None)
        else:
            self.members[member.user.id] = member.role

    def _apply(self, event: Sequenced) -> None:
        match event:
            case NewMessage() | MessageUpdate():
                self.messages[event.message.id] = event.message
            case MessageDelete():
                self.messages[event.message_id] = deleted(self.messages[event.message_id], event)
            case ReactionUpdate():
                self.messages[event.message_id] = reacted(self.messages[event.message_id], event)
            case MemberJoined():
                self.members[event.user.id] = event.role
                self._set_info(member_count=len(self.members))
            case MemberLeft():
                self.members.pop(event.user_id, None)
                self._set_info(member_count=len(self.members))
            case RoleUpdated():
                self.members[event.user_id] = event.role
                if event.role == "owner":
                    self._set_info(owner_id=event.user_id)
            case ChannelUpdate() | PrivacyUpdated():
                self.info = event.channel
            case _:
                raise TypeError(f"{type(event).__name__} is no change of a channel")

    def _set_info(self, **changes: Any) -> None:
        if self.info is not None:
            self.info = structs.replace(self.info, **changes)

    # What it amounts to.

    def picture(self) -> dict[str, Any]:
        """All of it in a form to compare. `is_read` follows from markers, `last_seq` is the position."""
        return {
            "messages": {message_id: plain(message) for message_id, message in sorted(self.messages.items())},
            "members": dict(sorted(self.members.items())),
            "info": None if self.info is None else structs.replace(self.info, last_seq=Seq(0)),
        }


def first_of(said: Sequenced | SyncPage) -> int:
    """The first change that this tells."""
    return said.from_ + 1 if isinstance(said, SyncPage) else said.seq


def plain(message: Message) -> Message:
    """A message without what depends on markers or never reaches a client by an event."""
    reactions = tuple(structs.replace(r, reaction_id=0, image_url=None) for r in message.reactions)
    return structs.replace(message, is_read=UNSET, reactions=reactions)


def deleted(message: Message, event: MessageDelete) -> Message:
    return structs.replace(
        message,
        content=None,
        reactions=(),
        attachments=(),
        mentions=(),
        delivery=None,
        deleted_at=event.deleted_at,
        updated_at=event.deleted_at,
    )


def reacted(message: Message, event: ReactionUpdate) -> Message:
    """The message with one user's reaction added at the end, or taken away."""
    reactions = {reaction.code: list(reaction.user_ids) for reaction in message.reactions}
    user_ids = reactions.setdefault(event.code, [])
    if event.added and event.user_id not in user_ids:
        user_ids.append(event.user_id)
    elif not event.added and event.user_id in user_ids:
        user_ids.remove(event.user_id)
    if len(user_ids) != event.count:
        raise AssertionError(f"{event} counts {event.count}, but {user_ids} react")
    now = tuple(
        Reaction(0, code, None, len(users), tuple(users)) for code, users in reactions.items() if users
    )
    return structs.replace(message, reactions=now)
