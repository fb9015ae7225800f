"""Where log lines go: rotating files for four loggers, stderr for all else, through one writing thread."""

import atexit
import logging
import queue
import sys
from collections.abc import Mapping
from logging.handlers import QueueHandler, QueueListener, RotatingFileHandler
from pathlib import Path
from typing import Final

from typing_extensions import override

from server.log_lines import JsonLines, TextLines
from server.settings import Settings, SettingsError

FILES: Final[Mapping[str, str]] = {
    "auth": "auth.log",
    "twilio_logger": "twilio_webhook.log",
    "messages_logger": "messages.log",
    "reports": "reports.log",
}
# Libraries speak up from warnings on, whatever the level: their debug lines show statements and secrets.
OURS: Final = (*FILES, "orchestrator", "actors", "loadtest", "server", "storage")
FILE_MAX_BYTES: Final = 1_000_000
FILES_KEPT: Final = 50
QUEUE_MAX_LINES: Final = 10_000


class LineQueue(QueueHandler):
    """Makes each line where its caller is and leaves it to the thread; lines past the limit are counted."""

    queue: "queue.SimpleQueue[logging.LogRecord]"

    def __init__(self, lines: logging.Formatter) -> None:
        super().__init__(queue.SimpleQueue())
        self.setFormatter(lines)
        self._lost = 0

    @override
    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        line = self.format(record)
        return logging.LogRecord(record.name, record.levelno, "", 0, line, None, None)

    @override
    def enqueue(self, record: logging.LogRecord) -> None:
        if self.queue.qsize() >= QUEUE_MAX_LINES:
            self._lost += 1
            return
        if self._lost:
            self.queue.put(self.prepare(_losses(self._lost)))
            self._lost = 0
        self.queue.put(record)


class Logs:
    """The configured logs. They are closed once, at the end, which writes out what still waits."""

    def __init__(self, lines: LineQueue, writers: list[logging.Handler]) -> None:
        self._lines = lines
        self._writers = writers
        self._listener = QueueListener(lines.queue, *writers)
        self._listener.start()
        logging.getLogger().addHandler(lines)
        atexit.register(self.close)

    def close(self) -> None:
        atexit.unregister(self.close)
        logging.getLogger().removeHandler(self._lines)
        self._listener.stop()
        for handler in (self._lines, *self._writers):
            handler.close()


def configure_logs(settings: Settings) -> Logs:
    """Send every logger's lines where they belong, from now until the returned logs are closed.

    SettingsError when the logs folder cannot be written. One process may write to one folder.
    """
    logging.getLogger().setLevel(logging.WARNING)
    for name in OURS:
        logging.getLogger(name).setLevel(settings.log_level.upper())
    lines = LineQueue(JsonLines() if settings.log_format == "json" else TextLines())
    return Logs(lines, [*_files(settings.logs_folder), _stderr()])


def _files(folder: Path) -> list[logging.Handler]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return [_file(folder / file, logger) for logger, file in FILES.items()]
    except OSError as error:
        raise SettingsError(
            f"AI_MESSAGE_LOGS_FOLDER: got '{folder}' ({error.strerror}), takes a folder to write to"
        ) from error


def _file(path: Path, logger: str) -> logging.Handler:
    handler = RotatingFileHandler(path, maxBytes=FILE_MAX_BYTES, backupCount=FILES_KEPT, encoding="utf-8")
    handler.addFilter(logging.Filter(logger))
    return handler


def _stderr() -> logging.Handler:
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(lambda record: record.name.partition(".")[0] not in FILES)
    return handler


def _losses(lines: int) -> logging.LogRecord:
    text = "%d log lines were lost: they came faster than they could be written"
    return logging.LogRecord(__name__, logging.WARNING, "", 0, text, (lines,), None)
