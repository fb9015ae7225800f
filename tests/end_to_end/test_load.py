"""`parley load` as people use it: on a server of its own, and on one that runs."""

import argparse
import asyncio
import json
from pathlib import Path

import pytest

from loadtest import run as run_module
from loadtest.options import configure, run
from loadtest.own_server import OwnServer


def load(*arguments: str) -> int:
    parser = argparse.ArgumentParser(prog="parley load")
    configure(parser)
    return run(parser.parse_args(["--duration", "0.5", "--warmup", "0.1", "--quiet", *arguments]))


def test_a_server_of_its_own_is_loaded_and_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "result.json"
    assert load("--serve", "--users", "6", "--channels", "2", "--rate", "200", "--json", str(file)) == 0
    result = json.loads(file.read_text())
    assert result["check"] == {
        "ok": True,
        "acknowledged": result["check"]["acknowledged"],
        "delivered": 3 * result["check"]["acknowledged"],
        "wrong": {},
        "examples": [],
    }
    assert result["acknowledged_per_s"] == pytest.approx(200, rel=0.3)
    assert result["server"]["rss_bytes"] > 10 * 2**20
    assert "check        passed" in capsys.readouterr().out


def test_silent_users_are_weighed(
    capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_module, "MEMORY_SETTLES_S", 0.1)
    assert load("--serve", "--scenario", "idle", "--users", "20", "--channels", "10", "--json", "-") == 0
    said = capsysbinary.readouterr()
    result = json.loads(said.out)
    assert result["idle"]["users"] == 20
    assert result["idle"]["bytes_per_user"] > 0
    assert b"KiB per user" in said.err


def test_a_server_that_runs_is_loaded_again_and_again(
    tmp_path: Path, sqlite_url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = OwnServer(tmp_path / "server", sqlite_url, {"BCRYPT_ROUNDS": "4", "COMMAND_RATE": "off"})
    tokens = str(tmp_path / "tokens.jsonl")
    asyncio.run(server.command("user", "create", "crowd", "--count", "8", "--tokens", tokens))
    with asyncio.Runner() as runner:
        runner.run(server.start())
        try:
            target = ("--url", server.url, "--users", "8", "--channels", "2", "--rate", "0")
            assert load(*target, "--tokens", tokens) == 0
            assert load(*target, "--tokens", tokens, "--processes", "2") == 0
            assert load(*target) == 0
            capsys.readouterr()
            monkeypatch.setattr(run_module, "CONNECT_WITHIN_S", -1.0)
            assert load(*target, "--tokens", tokens) == 1
            assert "only 0 of 8 clients came in" in capsys.readouterr().err
        finally:
            runner.run(server.stop())
