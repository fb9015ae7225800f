"""Mailboxes and turns."""

from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from typing_extensions import override

from actors.actor import BROKEN, Actor, Cell, refuse
from protocol.errors import Refusal


class Mail:
    """Something that is asked."""

    def __init__(self, name: str = "mail") -> None:
        self.name = name
        self.answers: list[Refusal] = []

    def answer(self, refusal: Refusal) -> None:
        self.answers.append(refusal)


class Recorder(Actor):
    def __init__(self) -> None:
        self.received: list[Any] = []
        self.turns = 0
        self.on_mail: Callable[[Any], None] = lambda _: None

    @override
    def receive(self, mail: Any) -> None:
        self.received.append(mail)
        self.on_mail(mail)

    @override
    def end_turn(self) -> None:
        self.turns += 1


class Stage:
    """A host that runs turns when a test says so."""

    def __init__(self) -> None:
        self.turns: list[Callable[[], None]] = []
        self.failures: list[tuple[Any, Exception]] = []
        self.left: list[Any] = []
        self.now_s = 0.0

    def schedule(self, turn: Callable[[], None]) -> None:
        self.turns.append(turn)

    def run(self, name: str, work: Coroutine[Any, Any, Any], done: Callable[[Any], None]) -> None:
        work.close()
        done(name)

    def failed(self, cell: Cell, mail: Any, error: Exception) -> None:
        self.failures.append((mail, error))
        cell.is_alive = False
        self.left += cell.take_mail()

    def end(self, cell: Cell) -> None:
        cell.is_alive = False
        self.left += cell.take_mail()

    def monotonic(self) -> float:
        return self.now_s

    def turn(self) -> None:
        turns, self.turns = self.turns, []
        for turn in turns:
            turn()


async def nothing() -> None:
    """Work that a host never begins."""


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def cell(stage: Stage, recorder: Recorder) -> Cell:
    return Cell(("channel", 7), recorder, stage, max_mail=3)


def test_mail_schedules_one_turn_that_takes_all_that_arrived(
    stage: Stage, cell: Cell, recorder: Recorder
) -> None:
    for number in range(3):
        cell.put(number)
    assert len(stage.turns) == 1
    stage.turn()
    assert (recorder.received, recorder.turns) == ([0, 1, 2], 1)
    assert stage.turns == []


def test_mail_that_arrives_during_a_turn_waits_for_the_next(
    stage: Stage, cell: Cell, recorder: Recorder
) -> None:
    recorder.on_mail = lambda mail: cell.put("later") if mail == "first" else None
    cell.put("first")
    stage.turn()
    assert recorder.received == ["first"]
    stage.turn()
    assert recorder.received == ["first", "later"]


def test_a_full_mailbox_refuses_clients_but_not_results(cell: Cell) -> None:
    assert [cell.offer(number) for number in range(4)] == [True, True, True, False]
    cell.put("result")
    assert cell.take_mail() == [0, 1, 2, "result"]


def test_a_turn_notes_when_it_was(stage: Stage, cell: Cell) -> None:
    stage.now_s = 5.0
    cell.put("mail")
    stage.turn()
    assert cell.last_turn_s == 5.0


def test_results_of_waiting_come_back_as_mail(stage: Stage, cell: Cell, recorder: Recorder) -> None:
    cell.run(nothing(), lambda result: ("done", result))
    stage.turn()
    assert recorder.received == [("done", "channel:7")]


def test_an_exception_ends_the_activation_and_answers_whose_mail_it_was(
    stage: Stage, cell: Cell, recorder: Recorder
) -> None:
    good, bad, unread = Mail("good"), Mail("bad"), Mail("unread")

    def fail_on_bad(mail: Any) -> None:
        if mail is bad:
            raise ValueError(mail.name)

    recorder.on_mail = fail_on_bad
    for mail in (good, bad, unread):
        cell.put(mail)
    stage.turn()
    assert [mail for mail, _ in stage.failures] == [bad]
    assert (bad.answers, stage.left, recorder.turns) == ([BROKEN], [unread], 0)


def test_an_exception_at_the_end_of_a_turn_ends_the_activation(
    stage: Stage, cell: Cell, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Recorder) -> None:
        raise ValueError

    monkeypatch.setattr(Recorder, "end_turn", fail)
    mail = Mail()
    cell.put(mail)
    stage.turn()
    assert [failed for failed, _ in stage.failures] == [mail]
    assert mail.answers == []


def test_what_an_ended_activation_has_not_read_is_not_received_by_it(
    stage: Stage, cell: Cell, recorder: Recorder
) -> None:
    recorder.on_mail = lambda _: cell.end()
    cell.put("last")
    cell.put("unread")
    stage.turn()
    assert (recorder.received, recorder.turns, stage.left) == (["last"], 0, ["unread"])


def test_an_ended_activation_takes_no_mail_and_no_turns(stage: Stage, cell: Cell, recorder: Recorder) -> None:
    cell.put("mail")
    cell.end()
    cell.put("late")
    stage.turn()
    assert (recorder.received, recorder.turns, cell.take_mail()) == ([], 0, [])


def test_a_cell_is_quiet_when_its_actor_is_idle_and_nothing_waits(cell: Cell) -> None:
    assert cell.is_quiet
    cell.put("mail")
    assert not cell.is_quiet


def test_only_askers_are_answered_when_mail_is_refused() -> None:
    mail = Mail()
    refuse(["a result", mail], BROKEN)
    assert mail.answers == [BROKEN]


def test_an_actor_has_nothing_to_do_by_itself() -> None:
    actor = Actor()
    actor.end_turn()
    actor.abandon(BROKEN)
    actor.sleep()
    assert actor.is_idle
    with pytest.raises(NotImplementedError):
        actor.receive("mail")


async def test_a_result_that_is_wanted_at_once_begins_a_turn_with_all_mail(
    stage: Stage, cell: Cell, recorder: Recorder
) -> None:
    cell.put("before")
    cell.run(nothing(), lambda result: result, at_once=True)
    assert (recorder.received, recorder.turns) == (["before", "channel:7"], 1)
    stage.turn()
    assert recorder.turns == 1
    cell.put("after")
    stage.turn()
    assert (recorder.received[2:], recorder.turns) == (["after"], 2)


async def test_a_result_that_comes_too_late_is_nobodys(stage: Stage, cell: Cell, recorder: Recorder) -> None:
    cell.end()
    cell.run(nothing(), lambda result: result, at_once=True)
    assert recorder.received == []
