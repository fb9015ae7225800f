"""A seeded history of a channel: commands that are decided on what a store says, as its actor would.

Two stores that are given the same script must answer the same at every step.
"""

from datetime import datetime, timedelta
from random import Random
from typing import Any

from actors.channel_commands import (
    ChangeChannel,
    ChannelCommand,
    CreateInvite,
    DeleteMessage,
    EditMessage,
    Identity,
    JoinChannel,
    LeaveChannel,
    MoveMarker,
    OnMessage,
    PostMessage,
    ReactTo,
    RemoveMember,
    RevokeInvite,
    SetPrivacy,
    SetRole,
)
from actors.channel_state import DECIDERS, apply, restore
from actors.message_state import MESSAGE_DECIDERS
from protocol.errors import Refusal
from protocol.facts import AnyFact, Part
from protocol.ids import ChannelId, MessageId, Seq
from protocol.resources import PublicProfile
from tests.contract.stages import NAMES, START, Stage

CODES = ("thumbsup", "thumbsdown")


Said = tuple[int, ChannelCommand]
"""A command, and the number of whoever gives it."""


class Script:
    """Draws the next command; `run` has one store decide and commit it."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._count = 0

    @property
    def now(self) -> datetime:
        return START + timedelta(seconds=self._count)

    def next(self, people: list[PublicProfile], messages: int) -> list[Said]:
        """A few commands by persons of these numbers, for one part of a commit."""
        count = self._random.choice((1, 1, 2, 4))
        return [(self._random.randrange(len(people)), self._command(people, messages)) for _ in range(count)]

    def _command(self, people: list[PublicProfile], messages: int) -> ChannelCommand:
        self._count += 1
        random, count = self._random, self._count
        message_id = MessageId(random.randint(1, max(1, messages)))
        makers: list[Any] = [
            lambda: PostMessage(
                content=f"text {count} {self._names()}",
                nonce=random.choice((None, f"n{count}")),
                via=random.choice(("web", "web", "twilio", "telegram")),
            ),
            lambda: PostMessage(
                content=f"reply {count}", nonce=f"n{count}", parent_id=self._parent(messages)
            ),
            lambda: EditMessage(message_id=message_id, content=f"edited {count} {self._names()}"),
            lambda: DeleteMessage(message_id=message_id),
            lambda: self._reaction(message_id),
            lambda: JoinChannel(join_code=random.choice((None, f"code-{count - 3}", f"code-{count - 1}"))),
            LeaveChannel,
            lambda: RemoveMember(member=random.choice(people)),
            lambda: SetRole(member=random.choice(people), role=random.choice(("member", "admin", "owner"))),
            lambda: ChangeChannel(description=f"about {count}", name=f"Naïve {count}"),
            lambda: SetPrivacy(is_private=random.random() < 0.5, join_code=f"code-{count}"),
            lambda: CreateInvite(join_code=f"code-{count}", expires_at=None, max_uses=2),
            lambda: RevokeInvite(join_code=f"code-{count - 2}"),
            lambda: MoveMarker(seq=Seq(random.randint(0, 60))),
        ]
        weights = [8, 2, 4, 1, 5, 4, 1, 1, 1, 1, 0.5, 1, 0.5, 2]
        command: ChannelCommand = random.choices(makers, weights)[0]()
        return command

    def _names(self) -> str:
        """Nobody, one or both of these, who may be members or not."""
        return " ".join(f"@{name}" for name in NAMES if self._random.random() < 0.4)

    def _reaction(self, message_id: MessageId) -> ReactTo:
        number = self._random.randrange(len(CODES))
        return ReactTo(
            message_id=message_id,
            reaction_id=number + 1,
            code=CODES[number],
            image_url=None,
            added=self._random.random() < 0.7,
        )

    def _parent(self, messages: int) -> MessageId | None:
        return MessageId(self._random.randint(1, messages)) if messages else None


async def decide(
    stage: Stage, channel_id: ChannelId, said: list[tuple[int, ChannelCommand]], now: datetime
) -> Part:
    """The part that these commands make of what the store says now; refused ones make nothing."""
    snapshot = await stage.channels.load_channel(channel_id)
    assert snapshot is not None
    state = restore(snapshot)
    expected, facts, drafts = state.last_seq, list[AnyFact](), dict[MessageId, Any]()
    for number, command in said:
        by = Identity(stage.people[number])
        if isinstance(command, OnMessage):
            found = await stage.channels.load_messages(channel_id, [command.message_id])
            message = drafts.get(command.message_id) or (found[0] if found else None)
            if message is None:
                continue
            decision = MESSAGE_DECIDERS[type(command)](state, by, command, message, now)
        else:
            decision = DECIDERS[type(command)](state, by, command, now)
        for fact in [] if isinstance(decision, Refusal) else decision:
            state = apply(state, fact)
            drafts.update({fact.message.id: fact.message} if hasattr(fact, "message") else {})
            facts.append(fact)
    return Part(channel_id, expected, state.last_seq, tuple(facts))
