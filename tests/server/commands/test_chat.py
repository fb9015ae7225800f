"""`parley chat` as a command: its options, its ends, and what scripts can rely on."""

import asyncio
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from loadtest.own_server import SOURCE
from protocol.events import AnyEvent, NewMessage
from server.commands import chat
from server.terminal.chat import Chat
from tests.server.commands.conftest import Run
from tests.server.commands.test_serve import listening, serving

PASSWORD = "a password for tests"


@pytest.fixture
def url(migrated_folder: Path) -> Iterator[str]:
    """A server that runs."""
    with serving("--port", "0") as process:
        yield f"http://127.0.0.1:{listening(process)}"


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("PARLEY_PASSWORD", PASSWORD)


def test_lines_of_a_script_are_sent_and_acknowledged(parley: Run, url: str) -> None:
    register = ("chat", "--url", url, "--user", "alice", "--register", "--email", "alice@example.org")
    said = parley(*register, "--channel", "builds", typed="one\ntwo\n")
    assert said.code == 0
    assert [line[6:] for line in said.out.splitlines() if "alice: " in line] == [
        "#builds alice: one",
        "#builds alice: two",
    ]
    listed = parley("chat", "--url", url, "--user", "alice", typed="/quit\nnever sent\n")
    assert (listed.code, "   #builds" in listed.out, "never" in listed.out) == (0, True, False)
    alone = parley("chat", "--url", url, "--user", "alice", "--dm", "nobody", typed="")
    assert (alone.code, "there is no user nobody" in alone.out) == (1, True)
    (Path.cwd() / "password").write_text("wrong\n")
    refused = parley("chat", "--url", url, "--user", "alice", "--password-file", "password")
    assert (refused.code, refused.err) == (1, "parley chat: The user name or the password is wrong.\n")


def test_what_is_not_acknowledged_in_time_ends_with_1(
    parley: Run, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*_: object) -> None:
        """The connection is lost at the worst time."""

    monkeypatch.setattr(chat, "SETTLE_WITHIN_S", 0.05)
    monkeypatch.setattr("server.terminal.connection.Connection.send", never)
    register = ("chat", "--url", url, "--user", "alice", "--register", "--email", "alice@example.org")
    said = parley(*register, "--channel", "builds", typed="one\n")
    assert (said.code, said.err) == (1, "parley chat: 1 messages were not acknowledged\n")


def test_what_is_refused_for_good_ends_with_1(parley: Run, url: str) -> None:
    register = ("chat", "--url", url, "--user", "alice", "--register", "--email", "alice@example.org")
    said = parley(*register, "--channel", "builds", typed="x" * 17_000 + "\nshort\n")
    assert (said.code, said.err) == (1, "parley chat: refused: 1 of what was typed\n")
    assert "#builds alice: short" in said.out
    nowhere = parley("chat", "--url", url, "--user", "alice", typed="hello?\n/dance\n")
    assert (nowhere.code, nowhere.err) == (1, "parley chat: refused: 2 of what was typed\n")


def test_the_last_lines_are_shown_however_late_they_come(
    parley: Run, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hear = Chat.hear

    async def hear_late(self: Chat, event: AnyEvent) -> None:
        if isinstance(event, NewMessage):
            late = asyncio.create_task
            asyncio.get_running_loop().call_later(0.05, lambda: late(hear(self, event)))
        else:
            await hear(self, event)

    monkeypatch.setattr(Chat, "hear", hear_late)
    register = ("chat", "--url", url, "--user", "alice", "--register", "--email", "alice@example.org")
    assert "#builds alice: one" in parley(*register, "--channel", "builds", typed="one\n").out


def test_it_ends_quietly_when_nobody_reads(url: str) -> None:
    command = [sys.executable, "-m", "server", "chat", "--url", url, "--user", "alice"]
    command += ["--register", "--email", "alice@example.org"]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.wait(timeout=20) == 1
        assert process.stderr.read() == b""


def test_a_server_that_does_not_let_us_in_in_time_ends_with_1(
    parley: Run, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat, "CONNECT_WITHIN_S", 0.0)
    register = ("chat", "--url", url, "--user", "alice", "--register", "--email", "alice@example.org")
    assert parley(*register).err == "parley chat: no connection within 0 s\n"


def test_a_server_that_is_not_there_ends_with_1(parley: Run) -> None:
    said = parley("chat", "--url", "http://127.0.0.1:1", "--user", "alice")
    assert said.code == 1
    assert said.err.startswith("parley chat: http://127.0.0.1:1 cannot be reached: ")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--url", "ws://x"], "--url: got 'ws://x', takes a URL"),
        ([], "give --user NAME"),
        (["--user", "a", "--register"], "give --email ADDRESS"),
        (["--user", "a", "--password-file", "missing"], "missing: No such file"),
        (["--user", "a", "--password-file", sys.executable], "is not UTF-8"),
    ],
)
def test_what_is_missing_ends_with_2(parley: Run, arguments: list[str], words: str) -> None:
    said = parley("chat", *arguments)
    assert said.code == 2
    assert words in said.err


def test_without_a_terminal_the_password_must_be_given(parley: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PARLEY_PASSWORD")
    said = parley("chat", "--user", "alice")
    assert (said.code, "PARLEY_PASSWORD or with --password-file" in said.err) == (2, True)


class Person:
    """Somebody at a terminal, who types when asked."""

    def __init__(self, terminal: int) -> None:
        self._terminal = terminal
        self.seen = b""

    def answers(self, prompt: bytes, line: bytes) -> None:
        self.sees(prompt)
        os.write(self._terminal, line + b"\n")

    def sees(self, prompt: bytes) -> None:
        while prompt not in self.seen:
            self.seen += os.read(self._terminal, 1000)
        self.seen = self.seen.partition(prompt)[2]


def test_people_are_asked_for_what_is_missing(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PARLEY_PASSWORD")
    terminal, theirs = pty.openpty()
    command = [sys.executable, "-m", "server", "chat", "--url", url, "--register"]
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        person = Person(terminal)
        person.answers(b"User name: ", b"alice")
        person.answers(b"E-mail address: ", b"alice@example.org")
        person.answers(b"Password: ", PASSWORD.encode())
        person.answers(b"> ", b"/join general")
        person.answers(b"you talk in #general", b"hello")
        person.answers(b"alice: hello", b"/quit")
        assert process.wait(timeout=20) == 0
    os.close(terminal)


def test_one_interruption_is_enough_at_a_prompt() -> None:
    terminal, theirs = pty.openpty()
    command = [sys.executable, "-m", "server", "chat"]
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        person = Person(terminal)
        person.sees(b"User name: ")
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 130
    os.close(terminal)


def test_leaving_at_a_prompt_is_an_interruption(parley: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def leave(prompt: str) -> str:
        raise EOFError

    monkeypatch.setattr(chat, "_ask", lambda prompt, option: leave(prompt))
    assert parley("chat").code == 130
