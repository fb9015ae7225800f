"""Fan-out: who hears what, and each batch encoded once, joined and written once to every socket.

The tables outlive the activations of channel actors: a channel that restarts finds its audience, and how far
that audience has heard, where it was. Next on a message's path: `server/socket.py` writes to the transport.
"""

import sys
from collections.abc import Iterable, Sequence
from typing import get_args

from actors.connection import Connection
from actors.streams import Streams
from protocol.codec import Codec
from protocol.events import AnyEvent
from protocol.ids import ChannelId, Seq, SessionId, UserId

EPHEMERAL_MAX_AUDIENCE = 200
"""Typing and presence are not shown in channels with more sockets than this: their cost is quadratic."""


GONE = Seq(2**62)
"""Where the audience of a channel that no longer exists stands: no client is ever there."""


class Audience:
    """The live sockets of one channel by codec, and the last `seq` that all of them were given.

    `is_kept`: the channel's actor is awake or coming back, so the position matters even without any socket.
    """

    __slots__ = ("by_codec", "is_kept", "position")

    def __init__(self, position: Seq) -> None:
        self.position = position
        self.is_kept = False
        self.by_codec: dict[Codec, dict[Connection, None]] = {}

    def __contains__(self, connection: Connection) -> bool:
        return connection in self.by_codec.get(connection.codec, ())

    def __len__(self) -> int:
        return sum(len(connections) for connections in self.by_codec.values())

    def connections(self) -> list[Connection]:
        return [connection for group in self.by_codec.values() for connection in group]


class Encoded:
    """An event sequence in whatever codecs its recipients turn out to need."""

    __slots__ = ("_by_codec", "_events")

    def __init__(self, events: Sequence[AnyEvent]) -> None:
        self._events = events
        self._by_codec: dict[Codec, bytes] = {}

    def frames(self, codec: Codec) -> bytes:
        frames = self._by_codec.get(codec)
        if frames is None:
            frames = self._by_codec[codec] = codec.frames(self._events)
        return frames


class Fanout:
    """The tables of subscribers: channel to sockets, user to sockets.

    `events` counts what was said by type, `deliveries` to how many sockets, `resumes` the pages of what was
    missed by where they came from: for the metrics, once for each batch.
    """

    def __init__(self) -> None:
        self.events: dict[type[AnyEvent], int] = dict.fromkeys(get_args(AnyEvent), 0)
        self.deliveries = 0
        self.resumes = {"memory": 0, "database": 0}
        self.streams = Streams(self.audience)
        self._audiences: dict[ChannelId, Audience] = {}
        self._users: dict[UserId, tuple[Connection, ...]] = {}

    # Connections of a user.

    def register(self, connection: Connection) -> None:
        """From now on what happens to the user finds this connection, or marks it stale while not live."""
        self._users[connection.user_id] = (*self._users.get(connection.user_id, ()), connection)

    def unregister(self, connection: Connection) -> None:
        self.unsubscribe_all(connection)
        left = tuple(c for c in self._users.get(connection.user_id, ()) if c is not connection)
        if left:
            self._users[connection.user_id] = left
        else:
            self._users.pop(connection.user_id, None)

    def connections_of(self, user_id: UserId) -> tuple[Connection, ...]:
        return self._users.get(user_id, ())

    def sessions(self) -> dict[SessionId, UserId]:
        """The sessions that have a connection here, and whose they are."""
        return {
            connection.session_id: user_id
            for user_id, connections in self._users.items()
            for connection in connections
            if connection.session_id is not None
        }

    def tell_user(self, user_id: UserId, event: AnyEvent) -> None:
        """A personal event for every live connection of a user; the others have it from their `ready`."""
        encoded = Encoded((event,))
        self.events[type(event)] += 1
        for connection in self.connections_of(user_id):
            if connection.is_live:
                connection.write(encoded.frames(connection.codec))
            else:
                connection.is_stale = True

    # Channels.

    def position(self, channel_id: ChannelId) -> Seq | None:
        """How far the channel's audience has heard; None while nothing of the channel is in memory."""
        audience = self._audiences.get(channel_id)
        return None if audience is None else audience.position

    def audience(self, channel_id: ChannelId) -> list[Connection]:
        audience = self._audiences.get(channel_id)
        return [] if audience is None else audience.connections()

    def open(self, channel_id: ChannelId, last_seq: Seq) -> list[Connection]:
        """The channel's actor has loaded at `last_seq`: those who have not heard so far.

        They are taken out of the audience, to be caught up from where their `cursors` now say.
        """
        audience = self._audiences.setdefault(channel_id, Audience(last_seq))
        audience.is_kept = True
        if audience.position == last_seq:
            return []
        behind = audience.connections()
        for connection in behind:
            self._drop(channel_id, audience, connection)
            connection.cursors[channel_id] = audience.position
        audience.position = last_seq
        return behind

    def close(self, channel_id: ChannelId) -> None:
        """The channel's actor sleeps; its table stays as long as somebody is in it."""
        audience = self._audiences.get(channel_id)
        if audience is not None:
            audience.is_kept = False
            self._forget_if_empty(channel_id, audience)

    def lose(self, channel_id: ChannelId) -> list[Connection]:
        """The channel is gone without having said so: those who were still in its audience."""
        audience = self._audiences.get(channel_id)
        if audience is None:
            return []
        audience.is_kept = True
        audience.position = GONE
        return audience.connections()

    def subscribe(self, channel_id: ChannelId, connection: Connection, position: Seq) -> None:
        """Every event of the channel after `position` goes to this connection: it needs no catching up."""
        audience = self._audiences.setdefault(channel_id, Audience(position))
        audience.by_codec.setdefault(connection.codec, {})[connection] = None
        connection.channels[channel_id] = None
        connection.cursors.pop(channel_id, None)
        self.streams.joined(channel_id, connection)

    def is_subscribed(self, channel_id: ChannelId, connection: Connection) -> bool:
        return channel_id in connection.channels

    def unsubscribe(self, channel_id: ChannelId, connection: Connection) -> None:
        """Nothing more of the channel goes to this connection, neither events nor what it missed."""
        connection.cursors.pop(channel_id, None)
        audience = self._audiences.get(channel_id)
        if audience is not None and channel_id in connection.channels:
            self._drop(channel_id, audience, connection)

    def unsubscribe_all(self, connection: Connection) -> dict[ChannelId, Seq]:
        """Take a connection out of every audience; how far it had heard in each."""
        positions = {}
        for channel_id in list(connection.channels):
            audience = self._audiences[channel_id]
            positions[channel_id] = audience.position
            self._drop(channel_id, audience, connection)
        return positions

    def deliver(self, channel_id: ChannelId, events: Sequence[AnyEvent], last_seq: Seq) -> None:
        """Committed events for the channel's whole audience, which afterwards stands at `last_seq`."""
        audience = self._audiences.setdefault(channel_id, Audience(last_seq))
        for event in events:
            self.events[type(event)] += 1
        for codec, connections in audience.by_codec.items():
            if connections and events:
                frames = codec.frames(events)
                self.deliveries += len(connections) * len(events)
                for connection in connections:
                    connection.write(frames)
        audience.position = last_seq

    def tell_channels(
        self, channel_ids: Iterable[ChannelId], event: AnyEvent, *, except_user: UserId | None = None
    ) -> None:
        """An ephemeral event, once for everybody in these channels who keeps up; crowds are left out."""
        encoded = Encoded((event,))
        self.events[type(event)] += 1
        for connection in self._together(channel_ids, EPHEMERAL_MAX_AUDIENCE):
            if connection.user_id != except_user and not connection.is_congested:
                connection.write(encoded.frames(connection.codec))

    def tell_sharers(self, channel_ids: Iterable[ChannelId], event: AnyEvent) -> None:
        """An event about a user, once for everybody in these channels."""
        encoded = Encoded((event,))
        self.events[type(event)] += 1
        for connection in self._together(channel_ids, sys.maxsize):
            connection.write(encoded.frames(connection.codec))

    def _together(self, channel_ids: Iterable[ChannelId], max_audience: int) -> dict[Connection, None]:
        """The audiences of these channels, each connection once."""
        together: dict[Connection, None] = {}
        for channel_id in channel_ids:
            audience = self._audiences.get(channel_id)
            if audience is not None and len(audience) <= max_audience:
                together.update(dict.fromkeys(audience.connections()))
        return together

    def _drop(self, channel_id: ChannelId, audience: Audience, connection: Connection) -> None:
        del audience.by_codec[connection.codec][connection]
        del connection.channels[channel_id]
        self._forget_if_empty(channel_id, audience)

    def _forget_if_empty(self, channel_id: ChannelId, audience: Audience) -> None:
        if not audience.is_kept and not len(audience):
            self._audiences.pop(channel_id, None)
