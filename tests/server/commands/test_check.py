"""`parley check`: nothing is changed, and whatever is broken comes with its mend."""

import gc
import socket
from argparse import Namespace
from pathlib import Path

import pytest

from server.commands import check
from tests.server.certificates import make_certificate
from tests.server.commands.conftest import Run


def line_of(out: str, what: str) -> str:
    return next(line for line in out.splitlines() if line[8:].startswith(what))


def test_a_fresh_folder_is_in_order_and_stays_as_it_is(parley: Run, folder: Path) -> None:
    said = parley("check")
    assert said.code == 0
    assert said.out.endswith("Nothing is broken.\n")
    assert line_of(said.out, "database").startswith("ok ")
    assert line_of(said.out, "SMS").startswith("off ")
    assert list(folder.iterdir()) == []


def test_a_database_that_is_there_is_asked(parley: Run, migrated_folder: Path) -> None:
    out = parley("check").out
    assert "sqlite answers in" in line_of(out, "database")
    assert "up to date" in line_of(out, "schema")


def test_the_database_is_closed_in_order_when_nobody_reads_the_rest(
    migrated_folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def show(finding: check.Finding) -> str:
        if finding.what == "database":
            raise BrokenPipeError
        return finding.what

    monkeypatch.setattr(check, "_line", show)
    with pytest.raises(BrokenPipeError):
        check.run(Namespace())
    gc.collect()
    assert caplog.records == []


def test_an_older_schema_is_told(
    parley: Run, empty_database_url: str, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_database_url)
    said = parley("check")
    if empty_database_url.startswith("sqlite"):
        assert said.code == 0
        Path(empty_database_url.removeprefix("sqlite:///")).touch()
        assert "will be brought up to date" in line_of(parley("check").out, "schema")
    else:
        assert said.code == 1
        assert line_of(said.out, "schema").endswith("run `parley migrate`")


def test_a_database_that_does_not_answer_is_broken(parley: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://x:hidden@localhost:1/y")
    said = parley("check")
    assert said.code == 1
    assert line_of(said.out, "database").startswith("broken ")
    assert said.out.endswith("1 broken.\n")
    assert "hidden" not in said.out


def test_a_folder_that_cannot_be_written_is_broken(
    parley: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "occupied").write_text("")
    monkeypatch.setenv("DATA_FOLDER", "occupied")
    said = parley("check")
    assert said.code == 1
    assert line_of(said.out, "data folder").endswith("make it writable, or set DATA_FOLDER")


def test_a_full_disk_is_broken(parley: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "FREE_BYTES", 2**80)
    assert "less than" in line_of(parley("check").out, "logs folder")


def test_a_key_that_is_too_short_is_broken(parley: Run, folder: Path) -> None:
    (folder / "data").mkdir()
    (folder / "data" / "secret.key").write_text("short")
    assert line_of(parley("check").out, "signing key").startswith("broken ")
    (folder / "data" / "secret.key").write_text("long enough" * 5)
    assert line_of(parley("check").out, "signing key").startswith("ok ")


def test_tls_needs_a_certificate_and_its_key(parley: Run, folder: Path) -> None:
    ssl = folder / "ssl"
    ssl.mkdir()
    make_certificate(ssl)
    assert line_of(parley("check").out, "TLS").startswith("ok ")
    (ssl / "key.pem").write_text("no key")
    assert line_of(parley("check").out, "TLS").startswith("broken ")
    (ssl / "key.pem").unlink()
    assert "only ssl/cert.pem is there" in line_of(parley("check").out, "TLS")


def test_a_neighbour_that_listens_works_and_one_that_does_not_is_broken(
    parley: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LITELLM_MODEL", "some-model")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        monkeypatch.setenv("LITELLM_BASEURL", f"http://127.0.0.1:{listener.getsockname()[1]}")
        assert line_of(parley("check").out, "model").startswith("ok ")
    said = parley("check")
    assert said.code == 1
    assert line_of(said.out, "model").endswith("start it, or correct its URL")
