"""Every bridge that there is: a new one is a class, and a word here."""

from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Struct

from actors.ports import Clock
from server.bridges.bridge import Bridge
from server.bridges.telegram import TelegramBridge, api_of
from server.bridges.twilio import NAMES, TwilioAccount, TwilioBridge
from server.settings import Settings
from storage.deliveries import Deliveries
from storage.phones import Phones
from storage.telegram_links import TelegramLinks


class Materials(Struct, frozen=True):
    """What bridges are made of."""

    settings: Settings
    phones: Phones
    deliveries: Deliveries
    links: TelegramLinks
    clock: Clock


def twilio_bridges(of: Materials) -> Sequence[Bridge]:
    if not of.settings.twilio_account_sid:
        return ()
    account = TwilioAccount(of.settings)
    return [TwilioBridge(name, account, of.phones, of.deliveries, of.settings, of.clock) for name in NAMES]


def telegram_bridges(of: Materials) -> Sequence[Bridge]:
    if not of.settings.telegram_bot_token:
        return ()
    return [TelegramBridge(api_of(of.settings), of.links)]


MAKERS: Final[Sequence[Callable[[Materials], Sequence[Bridge]]]] = (twilio_bridges, telegram_bridges)
"""Each makes bridges without I/O, or none where the settings do not turn them on."""
