"""The harness's command line: what it takes, what it refuses, and its exit codes."""

import argparse
from pathlib import Path

import pytest

from loadtest.options import configure, options_of, run
from loadtest.run import LoadOptions


def parsed(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="parley load")
    configure(parser)
    return parser.parse_args(arguments)


def options(*arguments: str) -> LoadOptions:
    return options_of(parsed(*arguments))


def test_a_chat_has_each_user_in_one_channel() -> None:
    asked = options("--serve", "--users", "200", "--channels", "20", "--rate", "0", "--window", "8")
    assert (asked.url, asked.users, asked.channels, asked.each) == (None, 200, 20, 1)
    assert (asked.rate, asked.window) == (0.0, 8)


def test_there_are_no_more_channels_and_processes_than_users() -> None:
    asked = options("--serve", "--users", "3", "--processes", "9")
    assert (asked.channels, asked.processes) == (3, 3)


def test_idle_users_are_in_five_channels_and_say_nothing() -> None:
    asked = options("--serve", "--scenario", "idle", "--users", "100", "--channels", "500")
    assert (asked.channels, asked.each, asked.rate, asked.window) == (500, 5, 0.0, 0)
    assert asked.is_idle


def test_settings_of_the_server_may_be_given() -> None:
    assert options("--serve", "--set", "LOG_LEVEL=info", "--set", "A=b=c").settings == {
        "LOG_LEVEL": "info",
        "A": "b=c",
    }


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--serve", "--url", "http://x"],
        ["--serve", "--users", "0"],
        ["--serve", "--users", "many"],
        ["--serve", "--rate", "-1"],
        ["--serve", "--rate", "nan"],
        ["--serve", "--set", "nothing"],
        ["--serve", "--scenario", "storm"],
    ],
)
def test_wrong_arguments_end_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parsed(*arguments)
    assert ended.value.code == 2
    assert "parley load: error:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--url", "ftp://x"], "is not the URL of a server"),
        (["--url", "http://x", "--kills", "1"], "--kills"),
        (["--url", "http://x", "--database", "sqlite:///x"], "--database"),
        (["--url", "http://x", "--set", "A=b"], "--set"),
        (["--serve", "--tokens", "x"], "--tokens is for --url"),
    ],
)
def test_what_does_not_fit_together_ends_with_2(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(parsed(*arguments)) == 2
    error = capsys.readouterr().err
    assert error.startswith("parley load: ")
    assert words in error


def test_a_run_that_cannot_be_made_ends_with_1_and_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = str(tmp_path / "missing")
    assert run(parsed("--url", "http://127.0.0.1:1", "--users", "1", "--tokens", missing)) == 1
    assert capsys.readouterr().err == f"parley load: {missing}: No such file or directory\n"
