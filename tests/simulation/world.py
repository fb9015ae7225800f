"""One whole run: processes, a database, a network and people, from a seed to a verdict.

First people act while things go wrong; then the weather clears, everybody comes back, and everything must
come to rest, with every device knowing what the database knows.
"""

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any

from msgspec import structs

from actors.channel import Channel
from actors.fanout import GONE
from protocol.resources import PublicProfile
from tests.simulation.agent import Ledger, SimulatedAgent
from tests.simulation.ancestry import Ancestry
from tests.simulation.device import Device
from tests.simulation.memory_rows import ChannelRow
from tests.simulation.memory_store import CREATION_SEQ, MemoryStore
from tests.simulation.oracle import BrokenPromiseError, Oracle
from tests.simulation.process import Process, VirtualClock
from tests.simulation.replica import plain
from tests.simulation.swarm import Swarm
from tests.simulation.weather import DatabasePort
from tests.simulation.wire import Wire
from tests.simulation.workload import REACTIONS, Workload

REST_WITHIN_S = 120.0


class World:
    """`make_store` is for variants that are broken on purpose."""

    def __init__(
        self,
        swarm: Swarm,
        random: Random,
        ancestry: Ancestry,
        at_calm: Callable[[], None],
        make_store: Callable[..., MemoryStore] = MemoryStore,
    ) -> None:
        self.swarm = swarm
        self._at_calm = at_calm
        self.random = random
        self.store = make_store(VirtualClock().now)
        self.oracle = Oracle(self.store, ancestry)
        self.processes: list[Process] = []
        names = ("ann", "bob", "cid", "dot")[: swarm.people]
        agent = names[-1] if swarm.has_agent else None
        self._people = [self.store.add_user(name, is_bot=name == agent) for name in names]
        self._ledger = Ledger(self.store.tables)
        self._callers = {profile.username: profile for profile in self._people}
        self._make_channels()
        self._start_process()
        self.devices = [self._device(number) for number in range(swarm.devices)]
        self.workload = Workload(swarm, random, self.store, self._people, lambda: self.current.chat)

    @property
    def current(self) -> Process:
        """The process that new connections and REST go to."""
        return self.processes[-1]

    def _make_channels(self) -> None:
        for code in REACTIONS:
            self.store.add_reaction(code)
        for number in range(self.swarm.channels):
            owner, *others = self.random.sample(self._people, len(self._people))
            members = [profile.id for profile in others if self.random.random() < 0.7]
            join_code = f"standing-{number}-0" if self.random.random() < 0.4 else None
            self.store.add_channel(owner.id, f"channel {number}", members, join_code)

    def _start_process(self) -> None:
        port = DatabasePort(self.store, self.swarm.odds, self.random)
        process = Process(self.swarm, port, self._callers)
        self.processes.append(process)
        if self.swarm.has_agent:
            agent = SimulatedAgent(process.chat, self._ledger, self.random, self._people[-1])
            process.chat.outboxes.employ(agent)

    def _device(self, number: int) -> Device:
        profile = self._people[number % len(self._people)]
        return self._new_device(profile)

    def _new_device(self, profile: PublicProfile) -> Device:
        return Device(profile, self.random, self.swarm.odds, self.oracle, self._accept)

    def _accept(self, wire: Wire, token: str | None) -> bool:
        process = self.current
        if not process.is_up:
            return False
        process.accept(wire, wire.codec, token)
        return True

    # The run.

    async def run(self) -> None:
        for device in self.devices:
            device.connect()
        for _ in range(self.swarm.actions):
            await asyncio.sleep(self.random.expovariate(1 / 0.05))
            await self._disturb()
            for _ in range(self.random.randint(1, self.swarm.burst_of)):
                self.workload.act(self.random.choice(self.devices))
        await self._clear_up()
        await self._come_to_rest(self.devices)
        await self._come_back()
        await self.workload.finish()
        self._check_unasked()
        await self._agree_on_markers()
        self._check_devices()
        await self._check_newcomers()
        await self._check_leaving()

    async def _disturb(self) -> None:
        odds, random = self.swarm.odds, self.random
        device = random.choice(self.devices)
        if random.random() < odds.disconnect:
            device.disconnect(random.choice((0.0, 0.05, 1.5)))
        if random.random() < odds.slow_reader and device.wire is not None:
            device.wire.stalled_until_s = VirtualClock().monotonic() + random.uniform(0.2, 4.0)
        if random.random() < odds.crash:
            self.current.crash()
            await asyncio.sleep(random.uniform(0.0, 0.3))
            self._start_process()
        if random.random() < odds.deploy:
            leaving = self.current
            self._start_process()
            await leaving.deploy()
        if random.random() < odds.takeover:
            self.current.isolate()
            back_in_s = random.expovariate(1 / 0.3)
            asyncio.get_running_loop().call_later(back_in_s, self.current.port.let_go)
            self._start_process()

    async def _clear_up(self) -> None:
        self._at_calm()
        self._ledger.is_calm = True
        for process in self.processes:
            process.port.is_calm = True
            process.port.let_go()
        for device in self.devices:
            if device.wire is not None:
                device.wire.stalled_until_s = 0.0
        await asyncio.sleep(1.0)

    async def _come_to_rest(self, devices: list[Device]) -> None:
        clock = VirtualClock()
        deadline_s = clock.monotonic() + REST_WITHIN_S
        rested = 0
        while rested < 3:
            await asyncio.sleep(0.7)
            is_at_rest = all(device.is_at_rest for device in devices) and not self._ledger.left
            rested = rested + 1 if is_at_rest else 0
            if clock.monotonic() > deadline_s:
                restless = [d.state for d in devices if not d.is_at_rest] + self._ledger.left
                raise BrokenPromiseError("no rest: " + "; ".join(restless))

    async def _come_back(self) -> None:
        """Channels change while everybody hears `ready` for the last time: nothing later sets that right."""
        for device in self.devices:
            self.workload.come_back(device)
        await self._come_to_rest(self.devices)

    async def _agree_on_markers(self) -> None:
        """A marker whose commit's outcome was unclear is moved again by its reader.

        Twice where another owner may have written: the first time shows that, and leads on to where it ends.
        """
        for _ in range(1 if self.swarm.odds.lets_nothing_slip else 2):
            for device in self.devices:
                device.read_all()
            await self._come_to_rest(self.devices)

    # The verdict.

    def _check_unasked(self) -> None:
        """What was committed has come to everybody by itself, and nothing of it is still held."""
        odds = self.swarm.odds
        if not odds.lets_nothing_slip:
            return
        for device in self.devices:
            self._check_picture(device, with_markers=odds.is_fair)
        for channel_id in self.store.tables.channels:
            actor = self.current.chat.system.actor(("channel", channel_id))
            opened = actor._open if isinstance(actor, Channel) else None
            if opened is not None and not (opened.is_idle and opened._pipeline.holds_nothing):
                raise BrokenPromiseError(f"channel {channel_id} holds on to what is done")

    def _check_devices(self) -> None:
        for device in self.devices:
            self._check_picture(device)
            self._check_sends(device)
            bound = self.swarm.unsent_bytes + 120_000
            if device.most_unsent > bound:
                raise BrokenPromiseError(f"{device.most_unsent} bytes waited for {device.profile.username}")

    def _check_picture(self, device: Device, *, with_markers: bool = True) -> None:
        expected = {
            row.id: self._truth(row)
            for row in self.store.tables.channels.values()
            if not row.is_deleted and row.current(device.user_id) is not None
        }
        # Two people's channel appears with its first message.
        for row in self.store.tables.channels.values():
            if row.is_direct and row.last_seq == CREATION_SEQ and row.id not in device.replicas:
                expected.pop(row.id, None)
        known = {channel_id: replica.picture() for channel_id, replica in sorted(device.replicas.items())}
        if known != expected:
            raise BrokenPromiseError(f"{device.profile.username} is wrong: {differences(known, expected)}")
        for channel_id in known if with_markers else ():
            self._check_markers(device, self.store.tables.channels[channel_id])

    def _truth(self, row: ChannelRow) -> dict[str, Any]:
        messages = sorted(self.store.tables.of_channel(row.id), key=lambda found: found.message.id)
        return {
            "messages": {found.message.id: plain(found.message) for found in messages},
            "members": {m.user_id: m.role for m in sorted(row.present(), key=lambda m: m.user_id)},
            "info": structs.replace(row.shown(), last_seq=0),
        }

    def _check_markers(self, device: Device, row: ChannelRow) -> None:
        whose = [device.user_id] if not row.is_direct else [*row.members]
        for user_id in whose:
            known, true = device.markers.get((row.id, user_id), 0), row.members[user_id].read_seq
            if known != true:
                raise BrokenPromiseError(
                    f"{device.profile.username} thinks {user_id} has read {known} of {row.id}: {true}"
                )

    def _check_sends(self, device: Device) -> None:
        """What was acknowledged is there, once, and what is there under a nonce is what was acknowledged."""
        for nonce, (message_id, seq) in device.acked.items():
            found = self.store.tables.nonces.get((device.user_id, nonce))
            if found != message_id or self.store.tables.messages[message_id].message.seq != seq:
                raise BrokenPromiseError(f"{nonce} was acknowledged as {message_id} of {seq}, but is {found}")

    async def _check_newcomers(self) -> None:
        """Somebody who comes now sees what those see who never left."""
        newcomers = [self._new_device(profile) for profile in self._people]
        for device in newcomers:
            device.connect()
        await self._come_to_rest(newcomers)
        for device in newcomers:
            self._check_picture(device)
        self.devices += newcomers

    async def _check_leaving(self) -> None:
        """When everybody has left, nothing is kept of them."""
        for device in self.devices:
            device.is_wanted = False
            device.disconnect(0.0)
        process = self.current
        for other in self.processes[:-1]:
            other.crash()
        await asyncio.sleep(self.swarm.idle_after_s + 30.0)
        fanout, chat = process.chat.fanout, process.chat
        left = {
            "sockets": len(process.registry),
            "users": len(fanout._users),
            "audiences": [c for c, audience in fanout._audiences.items() if audience.position != GONE],
            "actors": len(chat.system) - len(chat.outboxes.working()),
            "facts": chat.journal._waiting_facts,
        }
        if any(left.values()):
            raise BrokenPromiseError(f"everybody has left, but there are {left}")
        await chat.stop()


def differences(known: Any, true: Any, path: str = "") -> str:
    """Where two pictures differ, in words."""
    if isinstance(known, dict) and isinstance(true, dict):
        keys = [key for key in {**known, **true} if known.get(key) != true.get(key)]
        return "; ".join(differences(known.get(key), true.get(key), f"{path}/{key}") for key in keys)
    return f"{path}: knows {known}, but it is {true}"
