"""What a channel's audience missed: a commit whose outcome was unknown, a turn that failed, another owner.

A channel that loads further on than its audience stands has changes that nobody was told. Whoever listens is
caught up from where they stood; members who should listen and do not get a fresh `ready`, which names it.
"""

from actors.channel_state import ChannelState
from actors.fanout import Fanout
from actors.system import System
from actors.user_mail import Behind, Refresh
from protocol.events import ChannelRemoved
from protocol.ids import ChannelId


def make_good(system: System, fanout: Fanout, state: ChannelState) -> None:
    """A channel has loaded as `state`: bring everybody there."""
    channel_id = state.base.id
    for connection in fanout.open(channel_id, state.last_seq):
        system.put(("user", connection.user_id), Behind(connection))
    for user_id in () if state.is_unspoken else state.members:
        for connection in fanout.connections_of(user_id):
            if channel_id not in connection.channels and channel_id not in connection.cursors:
                connection.is_stale = True
                system.put(("user", user_id), Refresh(channel_id))


def tell_gone(fanout: Fanout, channel_id: ChannelId) -> None:
    """A channel with an audience turns out to be deleted."""
    removed = ChannelRemoved(channel_id=channel_id, reason="deleted")
    for connection in fanout.lose(channel_id):
        fanout.unsubscribe(channel_id, connection)
        connection.write(connection.codec.frame(removed))
