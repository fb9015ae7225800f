"""All bridges of the server: what comes by them goes to the chat, and what the outbox has goes to them."""

from collections.abc import Iterable
from typing import Any

from prometheus_client.core import Metric

from actors.chat import Chat
from actors.ports import Clock
from protocol.jobs import BRIDGE_JOBS, JobKind
from server.bridges.arrivals import Arrivals
from server.bridges.bridge import Bridge
from server.bridges.deliverer import Deliverer
from server.bridges.table import MAKERS, Materials
from server.bridges.telegram_inbox import TelegramInbox
from server.bridges.twilio_inbox import TwilioInbox
from server.metrics import counter
from server.public_urls import own_url
from server.settings import Settings
from storage.accounts import Accounts
from storage.attachments import Attachments
from storage.deliveries import Deliveries
from storage.engine import Database
from storage.phones import Phones
from storage.telegram_links import TelegramLinks


class Switchboard:
    """Made without I/O. `open` before anybody is let in, `close` when nobody is left."""

    def __init__(self, settings: Settings, database: Database, chat: Chat, clock: Clock) -> None:
        self._settings = settings
        self._chat = chat
        self._clock = clock
        self._deliveries = Deliveries(database)
        self.phones = Phones(database)
        links = TelegramLinks(database)
        self.arrivals = Arrivals(chat, Accounts(database), Attachments(database), clock)
        self.twilio = TwilioInbox(self.arrivals, self.phones, self._deliveries, chat, clock)
        self.telegram = TelegramInbox(self.arrivals, links, clock)
        materials = Materials(settings, self.phones, self._deliveries, links, clock)
        self.bridges: list[Bridge] = [bridge for make in MAKERS for bridge in make(materials)]

    def named(self, name: str) -> Any:
        """The bridge of this name. LookupError when it is not turned on."""
        found = next((bridge for bridge in self.bridges if bridge.name == name), None)
        if found is None:
            raise LookupError(f"{name} is not turned on")
        return found

    def open(self) -> None:
        """Begin to deliver what is due."""
        for kind in dict.fromkeys(BRIDGE_JOBS[bridge.name] for bridge in self.bridges):
            self._chat.outboxes.employ(self._deliverer(kind))

    def measured(self) -> Iterable[Metric]:
        """For `/metrics`."""
        about = "Messages from people elsewhere whom nobody here knows."
        yield counter("parley_unknown_senders", about, "bridge", self.arrivals.unknown)

    async def close(self) -> None:
        for bridge in self.bridges:
            await bridge.close()

    def _deliverer(self, kind: JobKind) -> Deliverer:
        bridges = {bridge.name: bridge for bridge in self.bridges if BRIDGE_JOBS[bridge.name] == kind}
        return Deliverer(
            kind,
            bridges,
            self._chat,
            self._deliveries,
            self._clock,
            public_url=own_url(self._settings),
        )
