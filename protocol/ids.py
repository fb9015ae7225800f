"""Identifiers as distinct types, so that a channel's id cannot be passed for a user's."""

from typing import NewType

UserId = NewType("UserId", int)
ChannelId = NewType("ChannelId", int)
MessageId = NewType("MessageId", int)
SessionId = NewType("SessionId", int)

Seq = NewType("Seq", int)
"""Position in one channel's history of changes: 1, 2, 3, … without gaps; 0 is before the first."""
