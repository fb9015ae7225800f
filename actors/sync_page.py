"""Rows that changed, as the page that `sync` and the changes feed show."""

from protocol.events import SyncPage
from protocol.facts import Changes
from protocol.ids import ChannelId, Seq


def sync_page(channel_id: ChannelId, after: Seq, changes: Changes) -> SyncPage:
    return SyncPage(
        channel_id=channel_id,
        from_=after,
        to=changes.to,
        messages=changes.messages,
        members=changes.members,
        channel=changes.channel,
        more=changes.more,
    )
