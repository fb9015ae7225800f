import asyncio
import logging
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from server.log_lines import REQUEST_ID
from server.logs import FILES, OURS, QUEUE_MAX_LINES, Logs, configure_logs
from server.settings import Settings, SettingsError

Configure = Callable[..., Logs]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "logs"


@pytest.fixture
def configured(folder: Path) -> Iterator[Configure]:
    """Configures logs with these settings; levels are put back afterwards."""
    levels = {name: logging.getLogger(name).level for name in (*OURS, None)}
    yield lambda **settings: configure_logs(Settings(logs_folder=folder, **settings))
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


@pytest.mark.parametrize(("logger", "file"), FILES.items())
def test_each_of_the_four_loggers_writes_to_its_own_file_only(
    configured: Configure, folder: Path, capsys: pytest.CaptureFixture[str], logger: str, file: str
) -> None:
    with closing(configured()):
        logging.getLogger(logger).info("something happened")
    written = {path.name: path.read_text() for path in folder.iterdir()}
    assert "something happened" in written.pop(file)
    assert set(written.values()) == {""}
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "logger", ["orchestrator", "server.app", "actors.system", "storage", "aiohttp.server"]
)
def test_everybody_else_writes_to_stderr(
    configured: Configure, folder: Path, capsys: pytest.CaptureFixture[str], logger: str
) -> None:
    with closing(configured()):
        logging.getLogger(logger).warning("something happened")
    assert f" WARNING {logger} - something happened\n" in capsys.readouterr().err
    assert all(path.read_text() == "" for path in folder.iterdir())


def test_a_line_has_time_level_logger_and_request_id_and_fields(configured: Configure, folder: Path) -> None:
    with closing(configured()):
        token = REQUEST_ID.set("req-1")
        logging.getLogger("auth").info("logged in as %s", "ann", extra={"user_id": 7})
        REQUEST_ID.reset(token)
    line = (folder / "auth.log").read_text()
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO auth req-1 logged in as ann user_id=7\n", line
    )


def test_json_lines_have_the_same_and_are_told_apart_by_the_format(
    configured: Configure, folder: Path
) -> None:
    with closing(configured(log_format="json")):
        token = REQUEST_ID.set("req-1")
        logging.getLogger("auth").error("logged\nin", extra={"user_id": 7, "path": Path("x")})
        REQUEST_ID.reset(token)
        logging.getLogger("auth").info("again", extra={"level": "not this one"})
    first, second = (_decoded(line) for line in (folder / "auth.log").read_text().splitlines())
    assert first.pop("time").endswith("Z")
    assert first == {
        "level": "error",
        "logger": "auth",
        "request_id": "req-1",
        "message": "logged\nin",
        "user_id": 7,
        "path": "x",
    }
    assert second["request_id"] is None
    assert second["level"] == "info"


async def test_the_request_id_follows_the_task_that_serves_the_request(
    configured: Configure, folder: Path
) -> None:
    async def serve(request_id: str) -> None:
        REQUEST_ID.set(request_id)
        await asyncio.sleep(0)
        logging.getLogger("auth").info("served %s", request_id)

    with closing(configured()):
        await asyncio.gather(serve("a"), serve("b"))
    lines = (folder / "auth.log").read_text().splitlines()
    assert sorted(line.partition(" auth ")[2] for line in lines) == ["a served a", "b served b"]


def test_an_event_is_one_line_whatever_is_in_it(configured: Configure, folder: Path) -> None:
    with closing(configured()):
        logging.getLogger("auth").info(
            "name %s", "ann\nINFO auth - forged\r\x1b[2K\u2028", extra={"a": "b\nc"}
        )
    text = (folder / "auth.log").read_text()
    assert text.count("\n") == 1
    assert text.endswith(r"- name ann\nINFO auth - forged\r\x1b[2K\u2028 a=b\nc" + "\n")


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_failure_is_told_with_its_traceback_on_the_same_line(
    configured: Configure, folder: Path, log_format: str
) -> None:
    with closing(configured(log_format=log_format)):
        try:
            raise ValueError("the reason")
        except ValueError:
            logging.getLogger("reports").exception("it failed")
    text = (folder / "reports.log").read_text()
    assert text.count("\n") == 1
    assert "it failed" in text
    assert "Traceback" in text
    assert "ValueError: the reason" in text


def test_lines_below_the_level_are_left_out_and_libraries_speak_from_warnings_on(
    configured: Configure, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(configured(log_level="debug")):
        logging.getLogger("server.socket").debug("ours in detail")
        logging.getLogger("aiosqlite").info("theirs in detail")
    with closing(configured(log_level="error")):
        logging.getLogger("server.socket").warning("ours unheard")
    shown = capsys.readouterr().err
    assert "ours in detail" in shown
    assert "theirs in detail" not in shown
    assert "ours unheard" not in shown


def test_files_turn_over_at_one_megabyte_and_fifty_are_kept(configured: Configure, folder: Path) -> None:
    line = "x" * 499_900
    with closing(configured()):
        for number in range(2 * 52 + 1):
            logging.getLogger("messages_logger").info("%d %s", number, line)
    files = list(folder.glob("messages.log*"))
    assert len(files) == 51
    assert max(file.stat().st_size for file in files) <= 1_000_000
    assert " 104 x" in (folder / "messages.log").read_text()[:80]
    assert " 4 x" in (folder / "messages.log.50").read_text()[:80]


def test_a_log_that_cannot_be_written_holds_nobody_up_and_lost_lines_are_counted(
    configured: Configure, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = StalledStream()
    monkeypatch.setattr("sys.stderr", stream)
    logger = logging.getLogger("server")
    with closing(configured()):
        logger.info("first")
        stream.reached.wait()
        for _ in range(QUEUE_MAX_LINES + 3):
            logger.info("more")
        stream.resume.set()
        stream.wait_for(QUEUE_MAX_LINES)
        logger.info("after")
    assert stream.lines[-2].endswith("3 log lines were lost: they came faster than they could be written")
    assert stream.lines[-1].endswith("after")


def test_a_folder_that_cannot_be_written_stops_the_start_with_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(
        SettingsError, match=r"^AI_MESSAGE_LOGS_FOLDER: got '.*/file' .*, takes a folder to write to$"
    ):
        configure_logs(Settings(logs_folder=tmp_path / "file"))


def test_closing_leaves_no_thread_and_no_handler(configured: Configure) -> None:
    threads, handlers = threading.active_count(), list(logging.getLogger().handlers)
    with closing(configured()):
        assert threading.active_count() == threads + 1
    assert threading.active_count() == threads
    assert logging.getLogger().handlers == handlers


class StalledStream:
    """A stream that takes nothing until it may resume."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.resume = threading.Event()
        self.lines: list[str] = []
        self._grown = threading.Condition()

    def write(self, text: str) -> None:
        self.reached.set()
        self.resume.wait()
        with self._grown:
            self.lines += text.splitlines()
            self._grown.notify()

    def flush(self) -> None:
        pass

    def wait_for(self, count: int) -> None:
        with self._grown:
            assert self._grown.wait_for(lambda: len(self.lines) >= count, timeout=30)


def _decoded(line: str) -> dict[str, Any]:
    decoded: dict[str, Any] = msgspec.json.decode(line)
    return decoded
