"""What a client may ask over the socket: one tagged union, decoded strictly.

`validate` holds what a type cannot say. Next on a message's path: `session.py` lets a command through or not,
and `actors/user.py` takes it.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

CONTENT_MAX_CHARS = 16_000
MAX_INT = 2**53

Id = Annotated[int, Meta(ge=1, le=MAX_INT)]
Position = Annotated[int, Meta(ge=0, le=MAX_INT)]
RequestId = Annotated[str, Meta(max_length=64)]
Nonce = Annotated[str, Meta(min_length=1, max_length=64)]
Content = Annotated[str, Meta(min_length=1, max_length=CONTENT_MAX_CHARS)]
Limit = Annotated[int, Meta(ge=1, le=MAX_INT)]
Code = Annotated[str, Meta(min_length=1, max_length=64)]
Whole = Annotated[int, Meta(ge=-MAX_INT, le=MAX_INT)]
# The bounds keep out NaN too, which no answer in JSON could echo.
Real = Annotated[float, Meta(ge=-MAX_INT, le=MAX_INT)]


class Command(
    Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    forbid_unknown_fields=True,
    omit_defaults=True,
    tag_field="type",
):
    """Base of all commands. `id` is the client's own request id; whatever answers echoes it as `reply_to`."""

    id: RequestId | None = None


class Cursor(Struct, frozen=True, forbid_unknown_fields=True):
    """Where a client stands in one channel: the last `seq` that it has applied."""

    channel_id: Id
    seq: Position


class Hello(Command, frozen=True, tag="hello"):
    """`epoch` is the one of the `ready` that the cursors in `resume` come from."""

    token: str
    resume: Annotated[list[Cursor], Meta(max_length=1000)] = []
    epoch: str | None = None


class Send(Command, frozen=True, tag="send"):
    """Exactly one of `channel_id` and `recipient_id` is given."""

    content: Content
    nonce: Nonce
    channel_id: Id | None = None
    recipient_id: Id | None = None
    parent_id: Id | None = None
    attachments: Annotated[list[Id], Meta(max_length=10)] = []

    def __post_init__(self) -> None:
        if (self.channel_id is None) == (self.recipient_id is None):
            raise ValueError("Give either channel_id or recipient_id - at `$.channel_id`")


class EditCommand(Command, frozen=True, tag="edit"):
    message_id: Id
    channel_id: Id
    content: Content


class Delete(Command, frozen=True, tag="delete"):
    message_id: Id
    channel_id: Id


class React(Command, frozen=True, tag="react"):
    message_id: Id
    channel_id: Id
    code: Code


class Unreact(Command, frozen=True, tag="unreact"):
    message_id: Id
    channel_id: Id
    code: Code


class Read(Command, frozen=True, tag="read"):
    channel_id: Id
    seq: Position


class Typing(Command, frozen=True, tag="typing"):
    channel_id: Id


class History(Command, frozen=True, tag="history"):
    channel_id: Id
    before: Position | None = None
    after: Position | None = None
    limit: Limit = 50


class Sync(Command, frozen=True, tag="sync", rename={"from_": "from"}):
    channel_id: Id
    from_: Position
    epoch: str | None = None


class Presence(Command, frozen=True, tag="presence"):
    status: Literal["online", "away", "invisible"]


class Join(Command, frozen=True, tag="join"):
    """Exactly one of `channel_id` and `join_code` is given."""

    channel_id: Id | None = None
    join_code: Annotated[str, Meta(min_length=1, max_length=64)] | None = None

    def __post_init__(self) -> None:
        if (self.channel_id is None) == (self.join_code is None):
            raise ValueError("Give either channel_id or join_code - at `$.channel_id`")


class Leave(Command, frozen=True, tag="leave"):
    channel_id: Id


class Cancel(Command, frozen=True, tag="cancel"):
    stream_id: Annotated[str, Meta(min_length=1, max_length=64)]


class Auth(Command, frozen=True, tag="auth"):
    token: str


class Ping(Command, frozen=True, tag="ping"):
    t: Whole | Real | None = None


AnyCommand = (
    Hello
    | Send
    | EditCommand
    | Delete
    | React
    | Unreact
    | Read
    | Typing
    | History
    | Sync
    | Presence
    | Join
    | Leave
    | Cancel
    | Auth
    | Ping
)
