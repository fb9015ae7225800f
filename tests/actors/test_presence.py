"""Who is here, told in rounds."""

from actors.fanout import Fanout
from actors.presence import Presence
from protocol.events import PresenceEvent
from protocol.ids import ChannelId, Seq
from tests.actors.making import ANN, BOB
from tests.actors.scene import START, Listener, StillClock

ONE = ChannelId(1)


class Room:
    def __init__(self) -> None:
        self.fanout, self.clock = Fanout(), StillClock()
        self.presence = Presence(self.fanout, self.clock)
        self.bob = Listener(BOB)
        self.fanout.register(self.bob)
        self.fanout.subscribe(ONE, self.bob, Seq(1))

    def told(self) -> list[tuple[int, str, bool]]:
        self.presence.tell()
        events = [event for event in self.bob.take() if isinstance(event, PresenceEvent)]
        return [(event.user_id, event.status, event.last_active_at == START) for event in events]


def test_a_change_is_told_once_to_those_who_share_a_channel() -> None:
    room = Room()
    room.presence.show(ANN.id, "online", [ONE])
    room.presence.show(ANN.id, "online", [ONE])
    assert room.told() == [(ANN.id, "online", True)]
    assert room.told() == []
    assert room.presence.status_of(ANN.id) == "online"


def test_the_last_of_several_changes_in_a_round_counts() -> None:
    room = Room()
    for status in ("online", "away", "offline", "away"):
        room.presence.show(ANN.id, status, [ONE])
    assert room.told() == [(ANN.id, "away", True)]


def test_whoever_goes_is_shown_with_when_they_were_here() -> None:
    room = Room()
    room.presence.show(ANN.id, "online", [ONE])
    room.presence.show(ANN.id, "offline", [ONE])
    assert room.told() == [(ANN.id, "offline", True)]
    assert room.presence.status_of(ANN.id) == "offline"


def test_channels_joined_meanwhile_are_told_as_well() -> None:
    room = Room()
    ann = Listener(ANN)
    room.fanout.register(ann)
    room.presence.show(ANN.id, "online", [])
    room.fanout.subscribe(ONE, ann, Seq(1))
    assert room.told() == [(ANN.id, "online", True)]
