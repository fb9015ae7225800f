"""What people do: one random action of one random device at a time, by what that device knows."""

import asyncio
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any

from actors.channel_commands import (
    BeginDelivery,
    ChangeChannel,
    ChannelCommand,
    CloseChannel,
    CreateInvite,
    Identity,
    JoinChannel,
    LeaveChannel,
    LookAt,
    MoveDelivery,
    RemoveMember,
    RevokeInvite,
    SetPrivacy,
    SetRole,
    Withdraw,
)
from actors.chat import Chat
from protocol import commands
from protocol.errors import Code, Refused
from protocol.ids import ChannelId
from protocol.resources import Channel, Message, PublicProfile
from tests.simulation.device import Device
from tests.simulation.memory_store import MemoryStore
from tests.simulation.oracle import BrokenPromiseError
from tests.simulation.swarm import Swarm

REACTIONS = ("+1", "tada")


class Workload:
    """`chat` is the process that serves REST now; None while there is none."""

    def __init__(
        self,
        swarm: Swarm,
        random: Random,
        store: MemoryStore,
        people: list[PublicProfile],
        chat: Callable[[], Chat | None],
    ) -> None:
        self.is_answered_in_time = True
        self._random = random
        self._store = store
        self._people = people
        self._chat = chat
        self._actions = [*swarm.weights]
        self._weights = [*swarm.weights.values()]
        self._asks: dict[asyncio.Task[None], None] = {}
        self._count = 0

    def act(self, device: Device) -> None:
        """Do something; a device that is not connected writes down its messages for later."""
        action = self._random.choices(self._actions, self._weights)[0]
        getattr(self, f"_{action}")(device)

    def come_back(self, device: Device) -> None:
        """Connect again just while one is let in somewhere, or leaves."""
        device.disconnect(0.0)
        device.connect()
        row = self._random.choice([*self._store.tables.channels.values()])
        join_code = next(iter(row.invites), None)
        is_in = row.current(device.user_id) is not None
        self._order(device, LeaveChannel() if is_in else JoinChannel(join_code=join_code), row.id)

    async def finish(self) -> None:
        """Wait until every request over REST is answered."""
        await asyncio.gather(*self._asks)

    # Picking.

    def _next(self) -> int:
        self._count += 1
        return self._count

    def _nonce(self, device: Device) -> str:
        return f"{device.profile.username}-{self._next()}"

    def _channel(self, device: Device) -> ChannelId:
        """Mostly one that the device knows, sometimes one that it may not see."""
        known = [*device.replicas]
        if not known or self._random.random() < 0.1:
            known = [*self._store.tables.channels]
        return self._random.choice(known)

    def _message(self, device: Device) -> Message | None:
        replicas = [replica for replica in device.replicas.values() if replica.messages]
        if not replicas:
            return None
        messages = [*self._random.choice(replicas).messages.values()]
        return messages[max(0, len(messages) - 1 - int(self._random.expovariate(0.3)))]

    def _person(self) -> PublicProfile:
        return self._random.choice(self._people)

    # Over the socket.

    def _send(self, device: Device) -> None:
        nonce, channel_id = self._nonce(device), self._channel(device)
        names = f"by @{device.profile.username} to @{self._people[-(self._count % 2)].username}"
        device.post(commands.Send(content=f"{nonce} {names}", nonce=nonce, channel_id=channel_id))

    def _send_direct(self, device: Device) -> None:
        nonce = self._nonce(device)
        device.post(commands.Send(content=f"to you {nonce}", nonce=nonce, recipient_id=self._person().id))

    def _send_again(self, device: Device) -> None:
        """A message that was sent before, in the same channel or in another."""
        nonces = [*device.acked, *device.outbox]
        if nonces:
            nonce = self._random.choice(nonces)
            device.ask(commands.Send(content=f"text {nonce}", nonce=nonce, channel_id=self._channel(device)))

    def _reply(self, device: Device) -> None:
        message, nonce = self._message(device), self._nonce(device)
        if message is not None:
            channel_id = message.channel_id if self._random.random() < 0.9 else self._channel(device)
            send = commands.Send(content="reply", nonce=nonce, channel_id=channel_id, parent_id=message.id)
            device.post(send)

    def _edit(self, device: Device) -> None:
        if message := self._message(device):
            number = self._next()
            text = f"edited {number} by " + ("@ann" if number % 2 else "nobody")
            device.ask(
                commands.EditCommand(message_id=message.id, channel_id=message.channel_id, content=text)
            )

    def _delete(self, device: Device) -> None:
        if message := self._message(device):
            device.ask(commands.Delete(message_id=message.id, channel_id=message.channel_id))

    def _react(self, device: Device) -> None:
        if message := self._message(device):
            kind = self._random.choice((commands.React, commands.React, commands.Unreact))
            code = self._random.choice((*REACTIONS, "none"))
            device.ask(kind(message_id=message.id, channel_id=message.channel_id, code=code))

    def _read(self, device: Device) -> None:
        seq = self._random.randint(0, 40)
        device.ask(commands.Read(channel_id=self._channel(device), seq=seq))

    def _typing(self, device: Device) -> None:
        device.tell(commands.Typing(channel_id=self._channel(device)))

    def _history(self, device: Device) -> None:
        before = self._random.choice((None, self._random.randint(0, 40)))
        after = None if before is not None else self._random.choice((None, self._random.randint(0, 40)))
        limit = self._random.choice((1, 3, 50))
        channel_id = self._channel(device)
        device.ask(commands.History(channel_id=channel_id, before=before, after=after, limit=limit))

    def _sync(self, device: Device) -> None:
        start = self._random.choice((0, self._random.randint(0, 30), 10_000))
        device.ask(commands.Sync(channel_id=self._channel(device), from_=start))

    def _ping(self, device: Device) -> None:
        device.ask(commands.Ping(t=self._next()))

    def _presence(self, device: Device) -> None:
        device.ask(commands.Presence(status=self._random.choice(("online", "away", "invisible"))))

    def _join(self, device: Device) -> None:
        row = self._random.choice([*self._store.tables.channels.values()])
        if row.invites and self._random.random() < 0.7:
            device.ask(commands.Join(join_code=self._random.choice([*row.invites])))
        else:
            device.ask(commands.Join(channel_id=row.id))

    def _leave(self, device: Device) -> None:
        device.ask(commands.Leave(channel_id=self._channel(device)))

    def _wait(self, device: Device) -> None:
        pass

    # Over REST.

    def _remove(self, device: Device) -> None:
        self._order(device, RemoveMember(member=self._person()))

    def _role(self, device: Device) -> None:
        role = self._random.choice(("member", "admin", "admin", "owner"))
        self._order(device, SetRole(member=self._person(), role=role))  # type: ignore[arg-type]  # is one

    def _change(self, device: Device) -> None:
        name = f"name {self._random.randint(1, 6)}"
        change = self._random.choice(
            (
                ChangeChannel(name=name),
                ChangeChannel(description=f"about {self._next()}"),
                ChangeChannel(is_archived=True),
                ChangeChannel(is_archived=False),
                ChangeChannel(is_archived=False),
            )
        )
        self._order(device, change)

    def _privacy(self, device: Device) -> None:
        is_private = self._random.random() < 0.5
        self._order(device, SetPrivacy(is_private=is_private, join_code=f"standing-{self._next()}"))

    def _invite(self, device: Device) -> None:
        uses = self._random.choice((None, 1, 2))
        self._order(device, CreateInvite(join_code=f"invite-{self._next()}", expires_at=None, max_uses=uses))

    def _revoke(self, device: Device) -> None:
        codes = [code for row in self._store.tables.channels.values() for code in row.invites]
        if codes:
            self._order(device, RevokeInvite(join_code=self._random.choice(codes)))

    def _close(self, device: Device) -> None:
        self._order(device, CloseChannel())

    def _withdraw(self, device: Device) -> None:
        """As those leave whose account is deleted, but for coming back later."""
        self._order(device, Withdraw(heir=self._random.choice((None, self._person()))))

    def _deliver(self, device: Device) -> None:
        """What a bridge says of a message's way, in any order and about parts that there may not be."""
        message = self._message(device)
        if message is None:
            return
        number = self._random.randint(0, 2)
        state = self._random.choice(("sending", "sent", "delivered", "failed"))
        change = self._random.choice(
            (
                BeginDelivery(
                    message_id=message.id,
                    transport="sms",
                    parts=self._random.randint(1, 2),
                    sending=frozenset({0}),
                ),
                MoveDelivery(message_id=message.id, part=number, state=state),  # type: ignore[arg-type]  # is one
            )
        )
        self._order(device, change, message.channel_id)

    def _look(self, device: Device) -> None:
        self._order(device, LookAt())

    def _create(self, device: Device) -> None:
        chat = self._chat()
        if chat is None or len(self._store.tables.channels) > 8:
            return
        code = f"standing-{self._next()}" if self._random.random() < 0.3 else None
        channel_id = self._store.add_channel(device.user_id, f"new {self._next()}", join_code=code)
        self._run(self._tell_opened(chat, device, channel_id))

    async def _tell_opened(self, chat: Chat, device: Device, channel_id: ChannelId) -> None:
        view: Channel | None = await self._store.view_channel(channel_id, device.user_id)
        if view is not None:
            chat.channel_opened(Identity(device.profile), view)

    def _order(self, device: Device, command: ChannelCommand, channel_id: ChannelId | None = None) -> None:
        chat = self._chat()
        if chat is not None:
            self._run(self._ask(chat, device, channel_id or self._channel(device), command))

    async def _ask(self, chat: Chat, device: Device, channel_id: ChannelId, command: ChannelCommand) -> None:
        try:
            await chat.ask(Identity(device.profile), channel_id, command)
        except Refused as refused:
            is_late = refused.refusal.code is Code.UNAVAILABLE and "in time" in refused.refusal.message
            if is_late and chat is self._chat():
                raise BrokenPromiseError(f"{command} was never answered") from None

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._asks[task] = None
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._asks.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error
