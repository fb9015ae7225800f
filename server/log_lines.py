"""One log line for one event: time, level, logger, request id, what happened, and its fields."""

import logging
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Final

import msgspec
from typing_extensions import override

REQUEST_ID: Final[ContextVar[str | None]] = ContextVar("request_id", default=None)
STANDARD_ATTRIBUTES: Final = frozenset(logging.makeLogRecord({}).__dict__) | {
    "message",
    "asctime",
    "taskName",
}
BREAKS: Final = {ord(mark): repr(mark)[1:-1] for mark in "\n\r\x0b\x0c\x1b\x85\u2028\u2029"}


class TextLines(logging.Formatter):
    """`2026-01-31T09:30:00.123Z INFO auth 01J… logged in user_id=7`; line breaks are written as `\\n`."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        fields = "".join(f" {name}={value}" for name, value in _fields(record).items())
        line = (
            f"{_time(record)} {record.levelname} {record.name} {REQUEST_ID.get() or '-'}"
            f" {record.getMessage()}{fields}{_failure(record, before=' ')}"
        )
        return line.translate(BREAKS)


class JsonLines(logging.Formatter):
    """The same as one JSON object, the fields beside `time`, `level`, `logger`, `request_id`, `message`."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = _fields(record) | {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "request_id": REQUEST_ID.get(),
            "message": record.getMessage(),
        }
        if failure := _failure(record):
            line["exception"] = failure
        return msgspec.json.encode(line, enc_hook=str).decode()


def _time(record: logging.LogRecord) -> str:
    return (
        datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    )


def _fields(record: logging.LogRecord) -> dict[str, object]:
    """What the caller passed as `extra`."""
    return {name: value for name, value in record.__dict__.items() if name not in STANDARD_ATTRIBUTES}


def _failure(record: logging.LogRecord, before: str = "") -> str:
    if not record.exc_info:
        return ""
    return before + logging.Formatter().formatException(record.exc_info)
