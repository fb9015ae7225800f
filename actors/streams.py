"""Answers that are being written, as those in the channel see them grow.

What is streamed is never stored: the finished answer comes as a message. Whoever joins late, or was left out
while congested, is given the text so far.
"""

import asyncio
from collections.abc import Callable, Iterable

from actors.channel_commands import ChannelCommand
from actors.connection import Connection
from protocol.codec import Codec
from protocol.errors import Code, Refusal
from protocol.events import AgentDelta
from protocol.ids import ChannelId, MessageId, UserId

DELTA_EVERY_S = 0.08
"""How often the text that has come since is shown."""
AUDIENCE_MAX = 200
"""In channels with more sockets only the finished answer is shown."""

NO_STREAM = Refusal(Code.NOT_FOUND, "There is no such stream.", field="stream_id")

Audience = Callable[[ChannelId], list[Connection]]


class StopAnswer(ChannelCommand, frozen=True, kw_only=True):
    """Stop an answer that is being written; whoever may post in the channel may."""

    stream_id: str


class Stream:
    """One answer. `stop` is what `cancel` does to it."""

    def __init__(
        self,
        stream_id: str,
        channel_id: ChannelId,
        agent_id: UserId,
        reply_to: MessageId,
        *,
        audience: Audience,
        stop: Callable[[], None],
    ) -> None:
        self.stream_id = stream_id
        self.channel_id = channel_id
        self.text = ""
        self.stop = stop
        self._agent_id = agent_id
        self._reply_to = reply_to
        self._audience = audience
        self._shown = 0
        self._missed: set[Connection] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._shown_at_s = float("-inf")

    def add(self, text: str) -> None:
        """More text: shown at once if nothing was for a while, else together with what follows soon."""
        self.text += text
        loop = asyncio.get_running_loop()
        wait_s = self._shown_at_s + DELTA_EVERY_S - loop.time()
        if wait_s <= 0:
            self._show()
        elif self._timer is None:
            self._timer = loop.call_later(wait_s, self._show)

    def show_so_far(self, connection: Connection) -> None:
        """To somebody who has just come: what all others have seen."""
        connection.write(connection.codec.frame(self._delta(0, self._shown)))

    def end(self) -> None:
        """No more comes: what is left is shown, and that it is done."""
        self._show(done=True)

    def _show(self, *, done: bool = False) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._shown_at_s = asyncio.get_running_loop().time()
        start, self._shown = self._shown, len(self.text)
        self._tell(self._listeners(), start, done=done)

    def _tell(self, listeners: Iterable[Connection], start: int, *, done: bool) -> None:
        frames: dict[tuple[Codec, int], bytes] = {}
        for connection in listeners:
            if connection.is_congested:
                self._missed.add(connection)
                continue
            offset = 0 if connection in self._missed else start
            self._missed.discard(connection)
            key = (connection.codec, offset)
            if key not in frames:
                frames[key] = connection.codec.frame(self._delta(offset, self._shown, done=done))
            connection.write(frames[key])

    def _listeners(self) -> list[Connection]:
        listeners = self._audience(self.channel_id)
        return listeners if len(listeners) <= AUDIENCE_MAX else []

    def _delta(self, start: int, end: int, *, done: bool = False) -> AgentDelta:
        return AgentDelta(
            stream_id=self.stream_id,
            channel_id=self.channel_id,
            agent_id=self._agent_id,
            reply_to_message_id=self._reply_to,
            offset=start,
            text=self.text[start:end],
            done=done,
        )


class Streams:
    """The answers that are being written now in this process."""

    def __init__(self, audience: Audience) -> None:
        self._audience = audience
        self._by_channel: dict[ChannelId, dict[str, Stream]] = {}

    def begin(
        self,
        stream_id: str,
        channel_id: ChannelId,
        agent_id: UserId,
        reply_to: MessageId,
        stop: Callable[[], None],
    ) -> Stream:
        """To be ended by `end`, whatever becomes of the answer."""
        stream = Stream(stream_id, channel_id, agent_id, reply_to, audience=self._audience, stop=stop)
        self._by_channel.setdefault(channel_id, {})[stream_id] = stream
        stream.add("")
        return stream

    def end(self, stream: Stream) -> None:
        stream.end()
        streams = self._by_channel.get(stream.channel_id, {})
        if streams.get(stream.stream_id) is stream:
            del streams[stream.stream_id]
            if not streams:
                del self._by_channel[stream.channel_id]

    def find(self, stream_id: str) -> Stream | None:
        for streams in self._by_channel.values():
            if stream_id in streams:
                return streams[stream_id]
        return None

    def stop(self, channel_id: ChannelId, stream_id: str) -> Refusal | None:
        """Stop an answer in this channel; the refusal when there is none such."""
        stream = self._by_channel.get(channel_id, {}).get(stream_id)
        if stream is None:
            return NO_STREAM
        stream.stop()
        return None

    def joined(self, channel_id: ChannelId, connection: Connection) -> None:
        """Somebody has just come to hear the channel: show them what is being written there."""
        if self._by_channel:
            for stream in self._by_channel.get(channel_id, {}).values():
                stream.show_so_far(connection)
