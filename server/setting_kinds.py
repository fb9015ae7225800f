"""The kinds of setting there are: how each is read from text, and how its values are described to people."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from sqlalchemy.exc import ArgumentError

from protocol.rates import Rate
from storage.urls import driver_url

SECRET_KEY_MIN_BYTES: Final = 32
SECONDS_IN: Final[Mapping[str, int]] = {"s": 1, "min": 60, "h": 3600, "day": 86400}
TRUE_WORDS: Final = frozenset({"1", "on", "true", "yes"})
FALSE_WORDS: Final = frozenset({"0", "false", "no", "off"})


class SettingsError(Exception):
    """A setting Parley cannot start with. Its text is one line: the variable, what it got, what it takes."""


@dataclass(frozen=True)
class Takes:
    """What a variable takes, in words, and how its text is read: `parse` raises ValueError for all else."""

    words: str
    parse: Callable[[str], object]
    secret: bool = False

    def shown(self, text: str) -> str:
        """The text as an error may show it: of a secret only its length."""
        return f"{len(text.encode())} bytes" if self.secret else repr(text)


def whole(least: int, most: int | None = None) -> Callable[[str], int]:
    def parse(text: str) -> int:
        number = int(text)
        if number < least or (most is not None and number > most):
            raise ValueError(text)
        return number

    return parse


def above_zero(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise ValueError(text)
    return number


def yes_or_no(text: str) -> bool:
    word = text.lower()
    if word not in TRUE_WORDS | FALSE_WORDS:
        raise ValueError(text)
    return word in TRUE_WORDS


def one_of(*words: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text.lower() not in words:
            raise ValueError(text)
        return text.lower()

    return parse


def url(*schemes: str) -> Callable[[str], str]:
    """A reader of URLs of these schemes, which takes a slash at the end away."""

    def parse(text: str) -> str:
        parts = urlsplit(text)
        if parts.scheme not in schemes or not parts.hostname or parts.port == 0:
            raise ValueError(text)
        return text.rstrip("/")

    return parse


def rate(text: str) -> Rate | None:
    if text.lower() == "off":
        return None
    match = re.fullmatch(r"(\d+)/(s|min|h|day):(\d+)", text)
    if match is None or not (int(match[1]) and int(match[3])):
        raise ValueError(text)
    return Rate(per_s=int(match[1]) / SECONDS_IN[match[2]], burst=int(match[3]))


def listed(parse_item: Callable[[str], object]) -> Callable[[str], tuple[object, ...]]:
    def parse(text: str) -> tuple[object, ...]:
        return tuple(parse_item(item.strip()) for item in text.split(",") if item.strip())

    return parse


def origin(text: str) -> str:
    """`*`, or scheme, host and port as a browser sends them in `Origin` (RFC 6454, section 7)."""
    if text == "*":
        return text
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or text.rstrip("/") != f"{parts.scheme}://{parts.netloc}":
        raise ValueError(text)
    return text.rstrip("/").lower()


def database_url(text: str) -> str:
    try:
        driver_url(text)
    except ArgumentError as error:
        raise ValueError(text) from error
    return text


def domain_or_url(text: str) -> str:
    parse = url("http", "https")
    return parse(text) if "://" in text else parse(f"https://{text}").removeprefix("https://")


def domain(text: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?", text) is None:
        raise ValueError(text)
    return text.lower()


def secret_key(text: str) -> str:
    if len(text.encode()) < SECRET_KEY_MIN_BYTES:
        raise ValueError(text)
    return text


def audience(text: str) -> str:
    """`off` is what one is used to write."""
    return "nobody" if text.lower() == "off" else one_of("nobody", "local", "all")(text)


Text = Annotated[str, Takes("text", str)]
Secret = Annotated[str, Takes("text", str, secret=True)]
SecretKey = Annotated[str, Takes(f"at least {SECRET_KEY_MIN_BYTES} bytes", secret_key, secret=True)]
File = Annotated[Path, Takes("a path", Path)]
Switch = Annotated[bool, Takes("true or false", yes_or_no)]
Port = Annotated[int, Takes("a port from 0 to 65535", whole(0, 65535))]
Count = Annotated[int, Takes("a whole number from 1", whole(1))]
Budget = Annotated[int, Takes("a whole number from 0", whole(0))]
FrameBytes = Annotated[int, Takes("a whole number of bytes from 1024", whole(1024))]
BcryptRounds = Annotated[int, Takes("a whole number from 4 to 16", whole(4, 16))]
Duration = Annotated[float, Takes("a number above 0", above_zero)]
MaybeRate = Annotated[
    Rate | None, Takes("count/unit:burst with unit s, min, h or day, for example 20/s:40, or off", rate)
]
DatabaseUrl = Annotated[
    str, Takes("sqlite:///path/to/file.db or postgresql://user@host/name", database_url, secret=True)
]
WebUrl = Annotated[str, Takes("a URL that starts with http:// or https://", url("http", "https"))]
NatsUrl = Annotated[str, Takes("a URL that starts with nats:// or tls://", url("nats", "tls"), secret=True)]
Domain = Annotated[str, Takes("a domain such as chat.example.org", domain)]
DomainOrUrl = Annotated[str, Takes("a domain, or a URL that starts with http:// or https://", domain_or_url)]
Origins = Annotated[
    tuple[str, ...], Takes("origins such as https://example.org, with commas between, or *", listed(origin))
]
Networks = Annotated[
    tuple[IPv4Network | IPv6Network, ...],
    Takes("addresses or networks such as 10.0.0.0/8, with commas between", listed(ip_network)),
]
LogFormat = Annotated[Literal["text", "json"], Takes("text or json", one_of("text", "json"))]
LogLevel = Annotated[
    Literal["debug", "info", "warning", "error"],
    Takes("debug, info, warning or error", one_of("debug", "info", "warning", "error")),
]
MetricsAudience = Annotated[Literal["nobody", "local", "all"], Takes("nobody, local or all", audience)]
