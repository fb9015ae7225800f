"""The connections of one user: `ready`, subscribing without a gap, falling behind and coming back."""

from collections.abc import Sequence

from actors.actor import Cell
from actors.catch_up import CatchUp
from actors.channel_commands import Identity
from actors.connection import Connection
from actors.user_mail import (
    TRY_AGAIN,
    Attach,
    Behind,
    EndSessions,
    ReadyLoaded,
    Refresh,
    UserSurroundings,
)
from protocol.errors import MEANINGS, Code, Refusal
from protocol.events import AnyEvent, Lagging, Ready, Reset, SessionEnded, SyncPage
from protocol.ids import ChannelId, Seq
from protocol.resources import ReadyChannel, Status

TOO_MANY = 4429


class Connections:
    """Owned by the user's actor."""

    __slots__ = ("_around", "_cell", "_loading", "_status", "live")

    def __init__(self, cell: Cell, around: UserSurroundings) -> None:
        self._cell = cell
        self._around = around
        self._status: Status = "online"
        self._loading: dict[Connection, None] = {}
        self.live: list[Connection] = []

    def attach(self, attach: Attach) -> None:
        connection = attach.connection
        connection.cursors.update(attach.cursors)
        if connection.is_live:
            return
        if not attach.is_lagging:
            if len(self.live) >= self._around.limits.connections:
                connection.close(TOO_MANY, "Too many connections of this user: close another first.")
                return
            self.live.append(connection)
            self._around.fanout.register(connection)
        if connection not in self._loading:
            self._load(attach)

    def _load(self, attach: Attach) -> None:
        attach.connection.is_stale = False
        self._loading[attach.connection] = None
        asked_at_s = self._around.clock.monotonic()
        work = self._around.users.ready_channels(attach.connection.user_id)
        self._cell.run(work, lambda result: ReadyLoaded(attach, asked_at_s, result))

    def loaded(self, mail: ReadyLoaded) -> None:
        """The channels are known: say `ready`, unless they have changed while they were read."""
        connection = mail.attach.connection
        self._loading.pop(connection, None)
        if connection not in self.live:
            return
        age_s = self._around.clock.monotonic() - mail.asked_at_s
        if isinstance(mail.result, Exception):
            connection.close(TRY_AGAIN, "Your channels cannot be read now: reconnect.")
        elif connection.is_stale or age_s > self._around.system.idle_after_s / 2:
            self._load(mail.attach)
        else:
            self._ready(mail.attach, mail.result)

    def _ready(self, attach: Attach, channels: Sequence[ReadyChannel]) -> None:
        connection, around = attach.connection, self._around
        connection.go_live()
        if not connection.is_live:
            return
        if attach.is_lagging:
            self._write(connection, Lagging())
        ready = Ready(
            connection_id=connection.connection_id,
            epoch=around.epoch,
            user=attach.by.profile,
            channels=tuple(channels),
            heartbeat_ms=around.limits.heartbeat_ms,
            limits=around.limits.ready,
        )
        self._write(connection, ready)
        self._check_life(attach)
        for channel in channels:
            self._join(connection, channel)
        self.catch_up(connection, attach.by)
        self.show(self._status)

    def _check_life(self, attach: Attach) -> None:
        """A client's cursors from another life of the database are void."""
        if attach.epoch is None or attach.epoch == self._around.epoch:
            return
        for channel_id in attach.cursors:
            self._write(attach.connection, Reset(channel_id=channel_id))
            attach.connection.cursors[channel_id] = Seq(0)

    def _join(self, connection: Connection, channel: ReadyChannel) -> None:
        """Subscribe at once where nothing was missed and nothing is on its way; else catch up."""
        cursor = connection.cursors.get(channel.id)
        position = self._around.fanout.position(channel.id)
        is_current = position is None or position == channel.last_seq
        if not is_current or (cursor is not None and cursor != channel.last_seq):
            connection.cursors.setdefault(channel.id, channel.last_seq)
            return
        if cursor is not None:
            self._write(connection, nothing_missed(channel.id, cursor))
        self._around.fanout.subscribe(channel.id, connection, channel.last_seq)

    def behind(self, mail: Behind, by: Identity) -> None:
        """A channel restarted past what this connection has heard."""
        if mail.connection in self.live and mail.connection.is_live:
            self.catch_up(mail.connection, by)

    def refresh(self, mail: Refresh, by: Identity) -> None:
        """Whoever has not heard of the channel gets a fresh `ready`, as after lagging."""
        for connection in self.live:
            if not connection.is_live:
                connection.is_stale = True
            elif mail.channel_id not in connection.channels and mail.channel_id not in connection.cursors:
                connection.is_live = False
                connection.cursors.update(self._around.fanout.unsubscribe_all(connection))
                self._load(Attach(connection, by, {}, is_lagging=True))

    def catch_up(self, connection: Connection, by: Identity) -> None:
        if connection.cursors and not connection.is_catching_up:
            task = CatchUp(self._around.system, connection, by)
            connection.is_catching_up = True
            self._around.system.spawn(f"catch-up:{connection.connection_id}", task.run())

    def detach(self, connection: Connection) -> None:
        if connection not in self.live:
            return
        channels = tuple(connection.channels)
        self.live.remove(connection)
        self._around.fanout.unregister(connection)
        if not self.live:
            self._status = "online"
            self._around.presence.show(connection.user_id, "offline", channels)

    def abandon(self, refusal: Refusal) -> None:
        """Nobody looks after these connections any more: they are to come back."""
        for connection in list(self.live):
            connection.close(TRY_AGAIN, refusal.message)
            self.detach(connection)

    def show(self, status: Status) -> None:
        """What others see of the user while somebody is connected."""
        self._status = status
        if self.live:
            channels = [channel for connection in self.live for channel in connection.channels]
            self._around.presence.show(self.live[0].user_id, status, channels)

    def end(self, mail: EndSessions) -> None:
        """Tell the sockets of ended sessions why, and close them."""
        code = Code.ACCOUNT_DISABLED if mail.reason in ("disabled", "deleted") else Code.TOKEN_REVOKED
        close_code = MEANINGS[code].close or TRY_AGAIN
        for connection in list(self.live):
            session_id = connection.session_id
            chosen = session_id != mail.keep if mail.only is None else session_id in mail.only
            if chosen:
                self._write(connection, SessionEnded(reason=mail.reason))
                connection.close(close_code, "The session has ended.")

    def _write(self, connection: Connection, event: AnyEvent) -> None:
        connection.write(connection.codec.frame(event))


def nothing_missed(channel_id: ChannelId, at: Seq) -> SyncPage:
    return SyncPage(channel_id=channel_id, from_=at, to=at, messages=(), members=(), channel=None)
