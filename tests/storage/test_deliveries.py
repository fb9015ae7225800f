"""Deliveries as bridges ask for them."""

from msgspec import structs

from protocol.deliveries import delivery_of
from protocol.facts import DeliveryChanged, PartDelivery
from protocol.ids import ChannelId, MessageId, Seq
from protocol.resources import DeliveryPart
from storage.deliveries import Deliveries, DeliveryRow, Place
from storage.engine import Database
from tests.storage.people import LATER, Chat, delete, get


async def note(chat: Chat, room: ChannelId, message_id: MessageId, *parts: PartDelivery) -> None:
    message = await get(chat, room, message_id)
    shown = delivery_of("twilio", [DeliveryPart(part.state) for part in parts])
    fact = DeliveryChanged(
        at=LATER,
        seq=chat.next_seq(room),
        message=structs.replace(message, delivery=shown),
        transport="twilio",
        parts=parts,
    )
    await chat.write(room, fact)


async def test_a_message_is_loaded_with_its_parts_in_order(database: Database) -> None:
    chat = await Chat.of(database, "ann", "bob")
    room = await chat.direct()
    message_id = await chat.say(room, "hello")
    deliveries = Deliveries(database)
    due = await deliveries.load(room, Seq(2))
    assert due is not None
    assert (due.message.id, due.message.content, due.parts) == (message_id, "hello", ())
    await note(chat, room, message_id, PartDelivery(0, "sending"), PartDelivery(1, "sending"))
    await note(chat, room, message_id, PartDelivery(1, "queued", None, "SM2", 1))
    await note(chat, room, message_id, PartDelivery(1, "sent"))
    due = await deliveries.load(room, Seq(2))
    assert due is not None
    assert due.parts == (DeliveryRow("sending", None), DeliveryRow("sent", "SM2"))
    assert await deliveries.load(room, Seq(9)) is None


async def test_news_find_their_message_and_part(database: Database) -> None:
    chat = await Chat.of(database, "ann", "bob")
    room = await chat.direct()
    await note(chat, room, await chat.say(room, "one"), PartDelivery(0, "queued", None, "SM1"))
    two = await chat.say(room, "two")
    await note(
        chat, room, two, PartDelivery(0, "queued", None, "SM2"), PartDelivery(1, "queued", None, "SM3")
    )
    deliveries = Deliveries(database)
    assert await deliveries.find({"twilio", "whatsapp"}, "SM3") == Place(chat.ids[0], room, two, 1)
    assert await deliveries.find({"telegram"}, "SM3") is None
    assert await deliveries.find({"twilio"}, "SM4") is None
    assert await deliveries.place(two, 1) == Place(chat.ids[0], room, two, 1)
    assert await deliveries.place(MessageId(404), 0) is None


async def test_ids_of_other_messages_and_parts_are_recorded_elsewhere(database: Database) -> None:
    chat = await Chat.of(database, "ann", "bob")
    room = await chat.direct()
    one, two = await chat.say(room, "one"), await chat.say(room, "two")
    await note(chat, room, one, PartDelivery(0, "queued", None, "SM1"))
    await note(
        chat, room, two, PartDelivery(0, "queued", None, "SM2"), PartDelivery(1, "queued", None, "SM3")
    )
    deliveries, ids = Deliveries(database), ["SM1", "SM2", "SM3", "SM4"]
    assert await deliveries.recorded_elsewhere(ids, two, 1) == {"SM1", "SM2"}
    assert await deliveries.recorded_elsewhere(ids, one, 0) == {"SM2", "SM3"}
    assert await deliveries.recorded_elsewhere(ids, MessageId(404), 0) == {"SM1", "SM2", "SM3"}


async def test_a_deleted_message_shows_no_delivery(database: Database) -> None:
    chat = await Chat.of(database, "ann", "bob")
    room = await chat.direct()
    message_id = await chat.say(room, "one")
    await note(chat, room, message_id, PartDelivery(0, "queued", None, "SM1"))
    assert (await get(chat, room, message_id)).delivery is not None
    await delete(chat, room, message_id)
    assert (await get(chat, room, message_id)).delivery is None


async def test_the_last_nonce_is_that_of_the_newest_message_that_came_this_way(database: Database) -> None:
    chat = await Chat.of(database, "ann", "bob")
    room = await chat.direct()
    deliveries = Deliveries(database)
    assert await deliveries.last_nonce(room, chat.ids[0], "twilio", Seq(99)) is None
    for nonce, via in (("1", "twilio"), ("2", "twilio"), ("3", "web")):
        await chat.say(room, nonce, nonce=nonce, via=via)
    await chat.say(room, "4", by=1, nonce="4", via="twilio")
    nonces = [await deliveries.last_nonce(room, chat.ids[0], "twilio", Seq(seq)) for seq in (2, 3, 4, 99)]
    assert nonces == [None, "1", "2", "2"]
