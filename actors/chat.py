"""The actors of one process put together, and the one door to them for everything that is not a socket."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence

from actors.actor import Cell
from actors.catch_up import answering
from actors.channel import Channel
from actors.channel_commands import Ask, ChannelCommand, Done, Identity, JoinChannel, Result
from actors.connection import Connection
from actors.fanout import Fanout
from actors.journal import Journal
from actors.known_reactions import KnownReactions
from actors.open_channel import Surroundings
from actors.outboxes import Outboxes
from actors.ports import Channels, Clock, Commits, Jobs, ReactionKind, Users
from actors.presence import Presence
from actors.resolving import NO_INVITE, NO_USER, ONESELF, find_attachments, find_reaction
from actors.system import System
from actors.user import User
from actors.user_mail import (
    Act,
    ActOn,
    Attach,
    Detach,
    EndReason,
    EndSessions,
    ProfileChanged,
    Refresh,
    ReportChanged,
    Spend,
    UserLimits,
    UserSurroundings,
)
from protocol.errors import Code, Refusal, Refused
from protocol.events import ChannelAdded
from protocol.ids import ChannelId, SessionId, UserId
from protocol.resources import Attachment, PublicProfile, Report, Status
from protocol.resources import Channel as ChannelResource

log = logging.getLogger("actors")

ASK_DEADLINE_S = 15.0
SWEEP_EVERY_S = 10.0
PRESENCE_EVERY_S = 0.25
FINISH_WITHIN_S = 10.0
MAILBOXES = 4
"""How many turns a command may be away from its commit, and an answer from its socket."""

LATE = Refusal(Code.UNAVAILABLE, "No answer in time. Try again.", retry_after_ms=1000)


class Chat:
    """All actors of the process. Make it inside the running loop; `stop` it last."""

    def __init__(
        self,
        *,
        commits: Commits,
        channels: Channels,
        users: Users,
        jobs: Jobs,
        clock: Clock,
        limits: UserLimits,
        epoch: str,
        idle_after_s: float = 120.0,
    ) -> None:
        self._clock = clock
        self._users = users
        self._is_finished = False
        self.limits = limits
        self.epoch = epoch
        self.system = System(clock, idle_after_s=idle_after_s)
        self.outboxes = Outboxes(self.system, jobs, clock)
        self.fanout = Fanout()
        self.journal = Journal(commits)
        self._presence = Presence(self.fanout, clock)
        self._reactions = KnownReactions(clock)
        self._start(channels)

    def _start(self, channels: Channels) -> None:
        system = self.system
        Cell(("journal", 0), self.journal, system, max_mail=1_000_000)
        around = Surroundings(system, channels, self.journal, self.fanout, self._clock, self.outboxes)
        user_around = UserSurroundings(
            system,
            self._users,
            channels,
            self.fanout,
            self._presence,
            self._clock,
            self.limits,
            self.epoch,
            self._reactions,
        )
        system.register("channel", lambda key: Channel(ChannelId(key), around), restarts=True)
        system.register("user", lambda key: User(UserId(key), user_around), max_mail=1_000)
        system.spawn("sweep", self._every(SWEEP_EVERY_S, system.sweep))
        system.spawn("presence", self._every(PRESENCE_EVERY_S, self._presence.tell))

    # Sockets.

    def attach(self, attach: Attach) -> None:
        """An authenticated socket joins; it hears `ready` and what it missed."""
        self.system.put(("user", attach.connection.user_id), attach)

    def detach(self, connection: Connection) -> None:
        self.system.put(("user", connection.user_id), Detach(connection))

    def act(self, act: Act) -> None:
        """A socket's command."""
        self.system.offer(("user", act.by.user_id), act)

    # Everything else.

    async def ask(
        self, by: Identity, channel_id: ChannelId, command: ChannelCommand, *, is_free: bool = False
    ) -> Done:
        """Have a channel do something; posts, edits, deletes and reactions spend the user's budget.

        What `is_free` goes past it. Raises `Refused`. Cancelling gives up waiting, not the command.
        """
        answered: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        if is_free:
            self.system.offer(("channel", channel_id), Ask(by, command, answering(answered)))
        else:
            act = ActOn(by, channel_id, command, answering(answered))
            self.system.offer(("user", by.user_id), act)
        return await self._answer(answered)

    async def _answer(self, answered: asyncio.Future[Result]) -> Done:
        try:
            result = await asyncio.wait_for(answered, ASK_DEADLINE_S)
        except TimeoutError:
            raise Refused(LATE) from None
        if isinstance(result, Refusal):
            raise Refused(result)
        return result

    async def spend(self, user_id: UserId) -> None:
        """Spend the user's budget on something that no channel does. Raises `Refused`."""
        if self.limits.commands is None:
            return
        answered: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self.system.offer(("user", user_id), Spend(answering(answered)))
        await self._answer(answered)

    async def find_reaction(self, code: str, *, added: bool) -> ReactionKind | None:
        """The kind of reaction that `code` stands for; a deleted one only where it is taken back."""
        return await find_reaction(self._users, self._reactions, code, added=added)

    def reaction_changed(self, code: str) -> None:
        """A kind of reaction was deleted, or looks different now."""
        self._reactions.forget(code)

    async def find_attachments(
        self, by: Identity, ids: Sequence[int], nonce: str | None
    ) -> tuple[Attachment, ...]:
        """The files that a message with this nonce is to be sent with. Raises `Refused`."""
        found = await find_attachments(self._users, by.user_id, ids, nonce)
        if isinstance(found, Refusal):
            raise Refused(found)
        return found

    async def direct(self, by: Identity, peer_id: UserId) -> ChannelId:
        """The direct channel with `peer_id`, made if need be. Raises `Refused`."""
        if peer_id == by.user_id:
            raise Refused(ONESELF)
        channel_id = await self._users.open_direct(by.user_id, peer_id)
        if channel_id is None:
            raise Refused(NO_USER)
        return channel_id

    async def join_by_code(self, by: Identity, join_code: str) -> Done:
        """Join the channel of an invite. Raises `Refused`."""
        channel_id = await self._users.find_invite(join_code)
        if channel_id is None:
            raise Refused(NO_INVITE)
        return await self.ask(by, channel_id, JoinChannel(join_code=join_code))

    def channel_opened(self, by: Identity, channel: ChannelResource) -> None:
        """A channel was created: its owner's sockets learn of it."""
        if self.fanout.position(channel.id) not in (None, channel.last_seq):
            # Others were faster than this news: a fresh `ready` tells of the channel as it is now.
            self.system.put(("user", by.user_id), Refresh(channel.id))
            return
        added = ChannelAdded(channel=channel)
        for connection in self.fanout.connections_of(by.user_id):
            if not connection.is_live:
                connection.is_stale = True
            elif not self.fanout.is_subscribed(channel.id, connection):
                connection.write(connection.codec.frame(added))
                self.fanout.subscribe(channel.id, connection, channel.last_seq)

    def end_sessions(
        self,
        user_id: UserId,
        reason: EndReason,
        *,
        only: frozenset[SessionId] | None = None,
        keep: SessionId | None = None,
    ) -> None:
        """Close the live sockets of ended sessions: those of `only`, or all but `keep`'s."""
        self.system.put(("user", user_id), EndSessions(reason, only, keep))

    def profile_changed(self, profile: PublicProfile) -> None:
        """Tell those who share a channel how a user looks now."""
        self.system.put(("user", profile.id), ProfileChanged(profile))

    def report_changed(self, report: Report) -> None:
        """Tell its reporter's sockets how a report stands now."""
        self.system.put(("user", report.reporter_id), ReportChanged(report))

    def presence(self, user_id: UserId) -> Status:
        return self._presence.status_of(user_id)

    def budget(self, user_id: UserId) -> tuple[int, int, float]:
        """Commands a user may send at once, how many are left, and seconds until all are there again."""
        rate = self.limits.commands
        if rate is None:
            return 0, 0, 0
        actor = self.system.actor(("user", user_id))
        if not isinstance(actor, User):
            return rate.burst, rate.burst, 0
        remaining, reset_s = actor.remaining(self._clock.monotonic())
        return rate.burst, remaining, reset_s

    async def stop(self) -> None:
        """Finish what was accepted, then answer whoever is left with `draining`."""
        await self.finish()
        await self.system.stop()

    async def finish(self) -> None:
        """Refuse what is new, and answer everything else: what was decided is committed before."""
        if self._is_finished:
            return
        self._is_finished = True
        await self.outboxes.stop()
        self.system.refuse_new()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FINISH_WITHIN_S):
                for _ in range(MAILBOXES):
                    await self.journal.settle()
                    await asyncio.sleep(0)
        self.system.end_all("channel")

    async def _every(self, seconds: float, work: Callable[[], None]) -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                work()
            except Exception:
                log.exception("%s failed; it is tried again", work.__qualname__)
