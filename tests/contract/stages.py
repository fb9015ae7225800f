"""The stores that must agree, each behind the same few ways to set it up."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Protocol

from actors.ports import Channels, Commits, Jobs, Users
from protocol.facts import Taken
from protocol.ids import ChannelId, UserId
from protocol.resources import Attachment, PublicProfile
from storage.accounts import Accounts, NewUser, TakenField
from storage.attachments import Attachments, NewAttachment
from storage.channels import Channels as StoredChannels
from storage.channels import NewChannel
from storage.engine import Database
from storage.messages import Messages
from storage.outbox import Outbox
from tests.simulation.memory_outbox import MemoryOutbox
from tests.simulation.memory_store import MemoryStore

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
NAMES = ("ann", "bob", "cid")
AGENT = "bob"


class Stage(Protocol):
    """One store with `NAMES` in it."""

    people: list[PublicProfile]
    commits: Commits
    channels: Channels
    users: Users
    jobs: Jobs

    async def add_channel(self, owner_id: UserId, name: str, join_code: str | None = None) -> ChannelId: ...

    async def add_file(self, owner_id: UserId, name: str) -> Attachment: ...


class MemoryStage:
    def __init__(self, now: Callable[[], datetime]) -> None:
        self.store = MemoryStore(now)
        self.people = [self.store.add_user(name, is_bot=name == AGENT) for name in NAMES]
        self.commits: Commits = self.store
        self.channels: Channels = self.store
        self.users: Users = self.store
        self.jobs: Jobs = MemoryOutbox(self.store.tables)

    async def add_channel(self, owner_id: UserId, name: str, join_code: str | None = None) -> ChannelId:
        return self.store.add_channel(owner_id, name, join_code=join_code)

    async def add_file(self, owner_id: UserId, name: str) -> Attachment:
        return self.store.add_file(owner_id, name)

    async def copy_reactions(self, users: Users, codes: tuple[str, ...]) -> None:
        """Know the reactions that another store came with."""
        for code in codes:
            kind: Any = await users.find_reaction(code)
            self.store.tables.reactions[code] = kind


class DatabaseStage:
    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now
        self.people: list[PublicProfile] = []
        messages = Messages(database)
        self.commits: Commits = messages
        self.channels: Channels = messages
        self._stored = StoredChannels(database, now)
        self.users: Users = self._stored
        self.jobs: Jobs = Outbox(database)

    async def add_people(self) -> None:
        for name in NAMES:
            new = NewUser(
                username=name, email=f"{name}@example.org", hashed_password=None, is_bot=name == AGENT
            )
            user = await Accounts(self._database).create(new, self._now())
            assert not isinstance(user, TakenField)
            self.people.append(PublicProfile(user.id, user.username, is_bot=user.is_bot))

    async def add_channel(self, owner_id: UserId, name: str, join_code: str | None = None) -> ChannelId:
        made = await self._stored.create(NewChannel(owner_id=owner_id, name=name, join_code=join_code))
        assert not isinstance(made, Taken)
        return made.id

    async def add_file(self, owner_id: UserId, name: str) -> Attachment:
        new = NewAttachment(owner_id=owner_id, name=name, content_type="text/plain", size=3, sha256="0" * 64)
        added = await Attachments(self._database).add(new, self._now(), unsent_max_bytes=100)
        assert isinstance(added, Attachment)
        return added
