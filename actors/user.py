"""The user actor: a user's connections, their one budget of commands, and each command's way to its channel.

Next on a message's path: `channel.py`.
"""

from collections.abc import Sequence
from typing import Any, get_args

from msgspec import structs
from typing_extensions import override

from actors.actor import Actor
from actors.attaching import Connections
from actors.catch_up import stream_changes
from actors.channel_commands import (
    Ask,
    DeleteMessage,
    Done,
    EditMessage,
    Identity,
    PostMessage,
    ReactTo,
    Rename,
    Result,
)
from actors.connection import Connection
from actors.resolving import ONESELF, Target, resolve, translate
from actors.streams import NO_STREAM, StopAnswer
from actors.system import OVERLOADED
from actors.user_mail import (
    Act,
    ActOn,
    Attach,
    Behind,
    Detach,
    EndSessions,
    ProfileChanged,
    ProfileShown,
    ReadyLoaded,
    Refresh,
    ReportChanged,
    Resolved,
    Spend,
    UserSurroundings,
)
from protocol import commands
from protocol.errors import MEANINGS, Code, Refusal
from protocol.events import ReportUpdate, UserUpdate
from protocol.ids import ChannelId, Seq, UserId
from protocol.rates import TokenBucket
from protocol.resources import PublicProfile

FLOOD_S = 10.0
"""How long somebody may go on past the limit before their socket is closed."""
FLOOD_PAUSE_S = 1.0
"""A pause this long ends a flood."""
RESOLVING_MAX = 1_000
"""How many commands of a user may wait for what they name to be looked up."""
DIRECT_MAX_PEERS = 256
"""How many direct channels are remembered by peer, for each user."""

ForOneself = (
    commands.Ping | commands.Sync | commands.Presence | commands.Cancel | commands.Hello | commands.Auth
)
FOR_ONESELF = get_args(ForOneself)
"""Commands that a user's own actor answers."""

SPENDING = (PostMessage, EditMessage, DeleteMessage, ReactTo)

UNREADABLE = Refusal(Code.UNAVAILABLE, "The database cannot be reached now. Try again.", retry_after_ms=1000)
GREETED = Refusal(Code.INVALID, "The connection is authenticated already.", field="type")
NOWHERE = Done(channel_id=ChannelId(0), seq=Seq(0))


class User(Actor):
    """One user with a connection or a command on its way."""

    __slots__ = (
        "_around",
        "_bucket",
        "_connections",
        "_direct",
        "_flood",
        "_id",
        "_identity",
        "_profile",
        "_resolving",
    )

    def __init__(self, user_id: UserId, around: UserSurroundings) -> None:
        self._id = user_id
        self._around = around
        self._bucket: TokenBucket | None = None
        self._flood: tuple[float, float] | None = None
        self._connections: Connections | None = None
        self._identity: Identity | None = None
        self._profile: PublicProfile | None = None
        self._direct: dict[UserId, ChannelId] | None = None
        self._resolving: list[Act] = []

    @property
    @override
    def is_idle(self) -> bool:
        is_alone = self._connections is None or not self._connections.live
        return is_alone and not self._resolving and self._is_rested

    @override
    def receive(self, mail: Any) -> None:
        match mail:
            case Act():
                self._act(mail)
            case ActOn():
                self._act_on(mail)
            case Spend():
                mail.answer(self._spend(None) or NOWHERE)
            case Resolved():
                self._resolved(mail)
            case ProfileChanged():
                self._profile_changed(mail.profile)
            case ProfileShown():
                self._show_profile(mail)
            case ReportChanged():
                self._around.fanout.tell_user(self._id, ReportUpdate(report=mail.report))
            case Attach():
                self._identity = mail.by
                self._own_connections().attach(mail)
            case _ if self._connections is not None:
                self._about_connections(self._connections, mail)

    def _about_connections(self, connections: Connections, mail: Any) -> None:
        match mail:
            case ReadyLoaded():
                connections.loaded(mail)
            case Detach():
                connections.detach(mail.connection)
            case EndSessions():
                connections.end(mail)
            case Behind() if self._identity is not None:
                connections.behind(mail, self._identity)
            case Refresh() if self._identity is not None:
                connections.refresh(mail, self._identity)

    @override
    def abandon(self, refusal: Refusal) -> None:
        resolving, self._resolving = self._resolving, []
        for act in resolving:
            act.answer(refusal)
        if self._connections is not None:
            self._connections.abandon(refusal)

    def _own_connections(self) -> Connections:
        if self._connections is None:
            self._connections = Connections(self.cell, self._around)
        return self._connections

    # The budget.

    def _spend(self, connection: Connection | None) -> Refusal | None:
        """One token for one command; who goes on and on without any loses the socket."""
        rate = self._around.limits.commands
        if rate is None:
            return None
        now_s = self._around.clock.monotonic()
        if self._bucket is None:
            self._bucket = TokenBucket(rate, now_s)
        wait_s = self._bucket.take(now_s)
        if not wait_s:
            return None
        if connection is not None:
            self._punish_flood(connection, now_s)
        after_ms = max(1, round(wait_s * 1000))
        return Refusal(Code.RATE_LIMITED, "Too many commands. Slow down.", retry_after_ms=after_ms)

    @property
    def _is_rested(self) -> bool:
        """Whether the whole budget is there again: falling asleep must not be a way to fill it."""
        return self._bucket is None or not self._bucket.full_in_s(self._around.clock.monotonic())

    def _punish_flood(self, connection: Connection, now_s: float) -> None:
        began_s, last_s = self._flood or (now_s, now_s)
        if now_s - last_s > FLOOD_PAUSE_S:
            began_s = now_s
        self._flood = (began_s, now_s)
        if now_s - began_s >= FLOOD_S:
            self._flood = None
            connection.close(MEANINGS[Code.RATE_LIMITED].close or 1008, "Too many commands for too long.")

    def remaining(self, now_s: float) -> tuple[int, float]:
        """How many commands are left at once, and the seconds until all are."""
        rate = self._around.limits.commands
        if rate is None or self._bucket is None:
            return (rate.burst if rate else 0), 0.0
        return self._bucket.remaining(now_s), self._bucket.full_in_s(now_s)

    # Commands.

    def _act_on(self, mail: ActOn) -> None:
        refusal = self._spend(None) if isinstance(mail.command, SPENDING) else None
        if refusal is not None:
            mail.answer(refusal)
        else:
            ask = Ask(mail.by, mail.command, mail.answer)
            self._around.system.offer(("channel", mail.channel_id), ask)

    def _act(self, act: Act) -> None:
        refusal = self._spend(act.connection)
        if refusal is not None:
            act.answer(refusal)
        elif isinstance(act.command, commands.Send):
            self._to_channel(act)
        elif isinstance(act.command, FOR_ONESELF):
            self._for_oneself(act, act.command)
        else:
            self._to_channel(act)

    def _for_oneself(self, act: Act, command: ForOneself) -> None:
        match command:
            case commands.Ping() | commands.Auth():
                # Renewing is done by whoever holds the socket, once the command is paid for.
                act.answer(NOWHERE)
            case commands.Sync():
                self._sync(act, command)
            case commands.Presence():
                shown = "offline" if command.status == "invisible" else command.status
                self._own_connections().show(shown)
                act.answer(NOWHERE)
            case commands.Cancel():
                self._cancel(act, command)
            case commands.Hello():
                act.answer(GREETED)

    def _cancel(self, act: Act, command: commands.Cancel) -> None:
        """Who may stop an answer is for its channel to say."""
        stream = self._around.fanout.streams.find(command.stream_id)
        if stream is None:
            act.answer(NO_STREAM)
        else:
            ask = Ask(self._as_now(act.by), StopAnswer(stream_id=stream.stream_id), act.answer)
            self._around.system.offer(("channel", stream.channel_id), ask)

    def _sync(self, act: Act, command: commands.Sync) -> None:
        after, channel_id = Seq(command.from_), ChannelId(command.channel_id)
        if command.epoch is not None and command.epoch != self._around.epoch:
            act.answer(Done(channel_id=channel_id, seq=Seq(0), reset=True))
            after = Seq(0)
        stream = stream_changes(self._around.system, act.connection, act.by, channel_id, after, act.answer)
        self._around.system.spawn(f"sync:{act.connection.connection_id}", stream)

    def _to_channel(self, act: Act) -> None:
        target = None if self._resolving else self._target(act.command)
        if target is None:
            self._resolve(act)
        else:
            channel_id, command = target
            self._around.system.offer(("channel", channel_id), Ask(self._as_now(act.by), command, act.answer))

    def _target(self, command: commands.AnyCommand) -> Target | None:
        """The channel that a command is to and what it is there; None while something must be looked up."""
        reaction, channel_id = None, getattr(command, "channel_id", None)
        if isinstance(command, commands.Send):
            if command.attachments:
                return None
            if command.recipient_id is not None:
                channel_id = (self._direct or {}).get(UserId(command.recipient_id))
        elif isinstance(command, commands.React | commands.Unreact):
            reaction = self._around.reactions.get(command.code)
            if reaction is None:
                return None
        if channel_id is None:
            return None
        return ChannelId(channel_id), translate(command, channel_id, reaction)

    # Looking up. One command at a time, so that a user's commands stay in order.

    def _resolve(self, act: Act) -> None:
        if isinstance(act.command, commands.Send) and act.command.recipient_id == self._id:
            act.answer(ONESELF)
            return
        if len(self._resolving) >= RESOLVING_MAX:
            act.answer(OVERLOADED)
            return
        self._resolving.append(act)
        if len(self._resolving) == 1:
            self._look_up(act)

    def _look_up(self, act: Act) -> None:
        work = resolve(self._around.users, self._id, act.command, self._around.reactions)
        self.cell.run(work, lambda result: Resolved(act, result))

    def _resolved(self, mail: Resolved) -> None:
        act, result = mail.act, mail.result
        if not self._resolving or self._resolving[0] is not act:
            return
        waiting, self._resolving = self._resolving[1:], []
        if isinstance(result, Exception):
            act.answer(UNREADABLE)
        elif isinstance(result, Refusal):
            act.answer(result)
        else:
            channel_id, command = result
            self._remember(act.command, channel_id)
            self._around.system.offer(("channel", channel_id), Ask(self._as_now(act.by), command, act.answer))
        for later in waiting:
            self._to_channel(later)

    def _remember(self, command: commands.AnyCommand, channel_id: ChannelId) -> None:
        if isinstance(command, commands.Send) and command.recipient_id is not None:
            self._direct = self._direct or {}
            if len(self._direct) >= DIRECT_MAX_PEERS:
                self._direct.clear()
            self._direct[UserId(command.recipient_id)] = channel_id

    # The profile.

    def _as_now(self, by: Identity) -> Identity:
        """Who asks, as they look now: sockets know their users as they were when they connected."""
        return by if self._profile is None else structs.replace(by, profile=self._profile)

    def _profile_changed(self, profile: PublicProfile) -> None:
        """Others see the user in every channel, whether the user is connected or not."""
        self._profile = profile
        work = self._around.users.ready_channels(self._id)
        self.cell.run(work, lambda result: ProfileShown(profile, result))

    def _show_profile(self, mail: ProfileShown) -> None:
        if not isinstance(mail.result, Exception):
            channels = [channel.id for channel in mail.result]
            self._around.fanout.tell_sharers(channels, UserUpdate(user=mail.profile))
            self._tell_awake(channels, mail.profile)

    def _tell_awake(self, channels: Sequence[ChannelId], profile: PublicProfile) -> None:
        """Channels know their members' names, to find mentions; those asleep will read them."""
        system, ask = self._around.system, Ask(Identity(profile), Rename(), _unheard)
        for channel_id in channels:
            if system.actor(("channel", channel_id)) is not None:
                system.put(("channel", channel_id), ask)


def _unheard(_: Result) -> None:
    """Nobody waits: a channel that fails to hear of a name reads it when it is loaded again."""
