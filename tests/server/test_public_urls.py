"""What the server calls itself to the outside."""

from pathlib import Path

import pytest
from msgspec import structs

from server.public_urls import own_origins, own_url
from server.settings import Settings


def of(**changes: object) -> Settings:
    return structs.replace(Settings(ssl_cert=Path("/nowhere"), ssl_key=Path("/nowhere")), **changes)


def with_tls(folder: Path, **changes: object) -> Settings:
    files = {"ssl_cert": folder / "cert.pem", "ssl_key": folder / "key.pem"}
    for file in files.values():
        file.touch()
    return of(**files, **changes)


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        (of(), ""),
        (of(domain="chat.example"), "http://chat.example:8000"),
        (of(domain="chat.example", port=80), "http://chat.example"),
        (of(domain="chat.example", port=0), "http://chat.example"),
        (of(public_url="https://x.example/chat"), "https://x.example/chat"),
        (of(public_url="https://x.example/chat", domain="chat.example"), "https://x.example/chat"),
    ],
)
def test_the_url_is_the_public_one_or_else_made_of_the_domain(settings: Settings, url: str) -> None:
    assert own_url(settings) == url


def test_with_tls_the_url_says_so(tmp_path: Path) -> None:
    assert own_url(with_tls(tmp_path, domain="chat.example")) == "https://chat.example:8000"
    assert own_url(with_tls(tmp_path, domain="chat.example", port=443)) == "https://chat.example"


@pytest.mark.parametrize(
    ("settings", "origins"),
    [
        (of(), set()),
        (of(public_url="https://x.example:8443/chat"), {"https://x.example:8443"}),
        (
            of(domain="chat.example"),
            {"http://chat.example", "https://chat.example", "http://chat.example:8000"},
        ),
        (
            of(domain="chat.example", public_url="https://chat.example/x"),
            {"http://chat.example", "https://chat.example"},
        ),
    ],
)
def test_own_pages_come_from_the_url_and_the_domain(settings: Settings, origins: set[str]) -> None:
    assert own_origins(settings) == origins
