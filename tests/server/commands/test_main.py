"""The command line: help for everybody, one line for every failure, and codes for scripts."""

import importlib
import os
import subprocess
import sys
from argparse import Namespace
from pathlib import Path
from types import SimpleNamespace

import pytest

from loadtest.own_server import SOURCE
from server.__main__ import COMMANDS
from tests.server.commands.conftest import Run


def test_help_names_every_command(parley: Run) -> None:
    said = parley("--help")
    assert said.code == 0
    assert all(f"    {name} " in said.out for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_and_says_how_it_ends(parley: Run, name: str) -> None:
    said = parley(name, "--help")
    assert said.code == 0
    assert said.out.startswith(f"usage: parley {name}")
    if name not in {"openapi", "asyncapi"}:
        assert "exit code: 0 " in said.out


def test_the_version_is_told(parley: Run) -> None:
    said = parley("--version")
    assert (said.code, said.out.split()[0]) == (0, "parley")


@pytest.mark.parametrize(
    "arguments", [[], ["dance"], ["serve", "--port", "http"], ["serve", "--port", "70000"]]
)
def test_wrong_usage_ends_with_2(parley: Run, arguments: list[str]) -> None:
    said = parley(*arguments)
    assert said.code == 2
    assert "error: " in said.err


@pytest.mark.parametrize("name", ["serve", "migrate", "user list", "check", "openapi"])
def test_a_bad_setting_is_one_line_that_names_it(
    parley: Run, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BCRYPT_ROUNDS", "99")
    command = name.split()
    said = parley(*command)
    assert said.code == 2
    assert said.err == f"parley {command[0]}: BCRYPT_ROUNDS: got '99', takes a whole number from 4 to 16\n"


def run_instead(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Let every command do nothing but fail."""

    def fail(_: Namespace) -> int:
        raise error

    module = SimpleNamespace(configure=lambda parser: None, run=fail)
    monkeypatch.setattr(importlib, "import_module", lambda name: module)


def test_a_bug_is_one_line_too(parley: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run_instead(monkeypatch, ZeroDivisionError("oh\nno"))
    said = parley("check")
    assert said.code == 1
    assert said.err == "parley check: internal error, ZeroDivisionError: oh no (LOG_LEVEL=debug tells more)\n"


def test_whoever_debugs_gets_the_traceback(parley: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run_instead(monkeypatch, ZeroDivisionError())
    monkeypatch.setenv("LOG_LEVEL", "debug")
    assert "Traceback" in parley("check").err


def test_an_interruption_ends_with_130(parley: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run_instead(monkeypatch, KeyboardInterrupt())
    said = parley("check")
    assert (said.code, said.err) == (130, "parley check: interrupted\n")


@pytest.mark.parametrize("name", ["check", "openapi", "asyncapi"])
def test_a_reader_who_has_had_enough_is_no_reason_to_complain(migrated_folder: Path, name: str) -> None:
    # Unbuffered, for a line to be refused while the command is at work.
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "server", *name.split()]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 1


def test_help_imports_nothing_that_takes_time(folder: Path) -> None:
    program = (
        "import sys; from server.__main__ import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "sys.exit(' '.join({'aiohttp', 'sqlalchemy', 'msgspec', 'asyncio'} & sys.modules.keys()) or 0)"
    )
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, env=environment, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_server_imports_no_load_harness_and_no_test_tools(folder: Path) -> None:
    program = (
        "import sys, server.commands.serve\n"
        "sys.exit(' '.join({'loadtest', 'pytest', 'alembic', 'server.terminal'} & sys.modules.keys()) or 0)"
    )
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, env=environment, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
