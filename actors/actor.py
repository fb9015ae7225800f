"""An actor, its mailbox and its turns.

Mail schedules one turn if none is scheduled; the turn takes everything that has arrived. Because a turn never
awaits, it is atomic: an actor's state needs no lock, and load turns into bigger batches by itself.
"""

from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Protocol

from protocol.errors import Code, Refusal

Address = tuple[str, int]
"""Kind and key of an actor: `("channel", 7)`. The same actor whether it is awake or not."""

BROKEN = Refusal(Code.INTERNAL, "Something went wrong here. Try again.", retry_after_ms=1000)


class Actor:
    """Base of all actors. `cell` is set before the first mail."""

    __slots__ = ("cell",)

    cell: "Cell"

    def receive(self, mail: Any) -> None:
        """Handle one piece of mail. It must not block and cannot await; waiting is done by `cell.run`."""
        raise NotImplementedError

    def end_turn(self) -> None:
        """All mail of this turn was received."""

    def abandon(self, refusal: Refusal) -> None:
        """This activation ends in trouble: answer everybody who is still waiting with `refusal`."""

    def sleep(self) -> None:
        """This activation ends because it is idle; the next mail starts another."""

    @property
    def is_idle(self) -> bool:
        """Whether nothing would be lost if this activation ended now."""
        return True


class Host(Protocol):
    """What a cell needs of the system that it lives in."""

    def schedule(self, turn: Callable[[], None]) -> None: ...

    def run(self, name: str, work: Coroutine[Any, Any, Any], done: Callable[[Any], None]) -> None: ...

    def failed(self, cell: "Cell", mail: Any, error: Exception) -> None: ...

    def end(self, cell: "Cell") -> None: ...

    def monotonic(self) -> float: ...


class Cell:
    """One activation of an actor: its mailbox, and whether a turn is coming."""

    __slots__ = (
        "_host",
        "_is_scheduled",
        "_mailbox",
        "actor",
        "address",
        "is_alive",
        "last_turn_s",
        "max_mail",
    )

    def __init__(self, address: Address, actor: Actor, host: Host, max_mail: int) -> None:
        self.address = address
        self.actor = actor
        self.is_alive = True
        self.last_turn_s = host.monotonic()
        self._host = host
        self.max_mail = max_mail
        self._mailbox: deque[Any] = deque()
        self._is_scheduled = False
        actor.cell = self

    @property
    def name(self) -> str:
        return f"{self.address[0]}:{self.address[1]}"

    def offer(self, mail: Any) -> bool:
        """Put client mail in the mailbox; False when it is full, so that the sender can say so at once."""
        if len(self._mailbox) >= self.max_mail:
            return False
        self.put(mail)
        return True

    def put(self, mail: Any) -> None:
        """Put mail that is never refused: results of what the actor itself started, and revocations."""
        if not self.is_alive:
            return
        self._mailbox.append(mail)
        if not self._is_scheduled:
            self._is_scheduled = True
            self._host.schedule(self._turn)

    def run(
        self, work: Coroutine[Any, Any, Any], wrap: Callable[[Any], Any], *, at_once: bool = False
    ) -> None:
        """Wait for something outside of turns; its result, or its exception, comes back as `wrap(result)`.

        `at_once`: it begins a turn itself, and does not queue behind whatever came meanwhile.
        """
        deliver = self._interrupt if at_once else self.put
        self._host.run(self.name, work, lambda result: deliver(wrap(result)))

    def _interrupt(self, mail: Any) -> None:
        """Take a turn now; no other is under way where results come back."""
        if self.is_alive:
            self._mailbox.append(mail)
            self._turn()

    def end(self) -> None:
        """End this activation: whoever waits was answered, and unread mail goes to a fresh one."""
        self._host.end(self)

    def take_mail(self) -> list[Any]:
        """Empty the mailbox."""
        mail = list(self._mailbox)
        self._mailbox.clear()
        return mail

    @property
    def waiting(self) -> int:
        """How much mail is unread."""
        return len(self._mailbox)

    @property
    def is_quiet(self) -> bool:
        return not self._mailbox and self.actor.is_idle

    def _turn(self) -> None:
        self._is_scheduled = False
        if not self._mailbox:
            # A result has come before this turn, which took the mail along.
            return
        self.last_turn_s = self._host.monotonic()
        mailbox, receive = self._mailbox, self.actor.receive
        mail: Any = None
        for _ in range(len(mailbox)):
            mail = mailbox.popleft()
            try:
                receive(mail)
            except Exception as error:
                refuse([mail], BROKEN)
                self._host.failed(self, mail, error)
                return
            if not self.is_alive:
                return
        self._finish(mail)

    def _finish(self, last_mail: Any) -> None:
        try:
            if self.is_alive:
                self.actor.end_turn()
        except Exception as error:
            self._host.failed(self, last_mail, error)


def refuse(mailbox: Iterable[Any], refusal: Refusal) -> None:
    """Answer every asker in a mailbox that nobody will read any more."""
    for mail in mailbox:
        answer = getattr(mail, "answer", None)
        if answer is not None:
            answer(refusal)
