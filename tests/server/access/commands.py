"""Who may command what: lines for each command of the wire. The suite fails when one lacks the other.

The callers are those of `table.py`, in its order, and so is what the braces stand for.
"""

from typing import Any, Final

from msgspec import Struct

Answers = tuple[str, str, str, str, str, str]


class Order(Struct, frozen=True):
    """What each of LET_IN is answered: the answer's type, or the code of an error.

    Nothing answers `typing`: where that is expected, others in the channel hear of it.
    """

    type: str
    answers: Answers
    fields: dict[str, Any] = {}


def inside(answer: str) -> Answers:
    """For members of the private channel; for all others it does not exist."""
    return ("not_found", "not_found", answer, answer, answer, "not_found")


def between_two(user: str, owner: str) -> Answers:
    """For `user` and the owner, who have a conversation; for all others it does not exist."""
    return (user, "not_found", "not_found", "not_found", owner, "not_found")


ACK: Final[Answers] = ("ack",) * 6
HERE: Final = {"channel_id": "{channel_id}"}
SAID: Final = HERE | {"message_id": "{message_id}"}
DIRECT: Final = {"channel_id": "{direct_channel_id}"}
WROTE: Final = DIRECT | {"message_id": "{direct_id}"}
TEXT: Final = {"content": "x"}
SMILE: Final = {"code": "thumbsup"}
AUTHOR: Final[Answers] = ("not_found", "not_found", "forbidden", "forbidden", "ack", "not_found")
MODERATOR: Final[Answers] = ("not_found", "not_found", "forbidden", "ack", "ack", "not_found")
LEAVING: Final[Answers] = ("not_found", "not_found", "ack", "ack", "owner_must_hand_over", "not_found")

ORDERS: Final = [
    Order("hello", ("invalid",) * 6, {"token": "{token}"}),
    Order("send", inside("ack"), HERE | TEXT | {"nonce": "here"}),
    Order("send", between_two("ack", "ack"), DIRECT | TEXT | {"nonce": "direct"}),
    Order("send", ACK, {"recipient_id": "{user_id}", "nonce": "new"} | TEXT),
    Order("edit", AUTHOR, SAID | TEXT),
    Order("edit", between_two("ack", "forbidden"), WROTE | TEXT),
    Order("delete", MODERATOR, SAID),
    Order("delete", between_two("ack", "forbidden"), WROTE),
    Order("react", inside("ack"), SAID | SMILE),
    Order("react", between_two("ack", "ack"), WROTE | SMILE),
    Order("unreact", inside("ack"), SAID | SMILE),
    Order("unreact", between_two("ack", "ack"), WROTE | SMILE),
    Order("read", inside("ack"), HERE | {"seq": 1}),
    Order("read", between_two("ack", "ack"), DIRECT | {"seq": 1}),
    Order("typing", inside("typing"), HERE),
    Order("typing", between_two("typing", "typing"), DIRECT),
    Order("history", inside("history"), HERE),
    Order("history", between_two("history", "history"), DIRECT),
    Order("sync", inside("sync"), HERE | {"from": 0}),
    Order("sync", between_two("sync", "sync"), DIRECT | {"from": 0}),
    Order("presence", ACK, {"status": "away"}),
    Order("join", inside("ack"), HERE),
    Order("join", ("not_found",) * 6, DIRECT),
    Order("join", ACK, {"join_code": "{code}"}),
    Order("leave", LEAVING, HERE),
    Order("leave", ("not_found",) * 6, DIRECT),
    Order("cancel", ("not_found",) * 6, {"stream_id": "nobodys"}),
    Order("auth", ACK, {"token": "{token}"}),
    Order("ping", ("pong",) * 6),
]
