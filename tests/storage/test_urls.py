"""Plain URLs and the drivers they stand for."""

import pytest

from storage.urls import driver_url


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("sqlite:///./backend.db", "sqlite+aiosqlite:///./backend.db"),
        ("sqlite:////var/lib/parley.db", "sqlite+aiosqlite:////var/lib/parley.db"),
        ("sqlite+aiosqlite:///a.db", "sqlite+aiosqlite:///a.db"),
        ("postgresql://me:pw@db:5433/chat", "postgresql+asyncpg://me:pw@db:5433/chat"),
        ("postgres://db/chat", "postgresql+asyncpg://db/chat"),
        ("postgresql+psycopg://db/chat", "postgresql+asyncpg://db/chat"),
        ("postgresql://db/chat?sslmode=require", "postgresql+asyncpg://db/chat?ssl=require"),
    ],
)
def test_a_plain_url_gets_the_driver_of_its_database(url: str, expected: str) -> None:
    assert driver_url(url).render_as_string(hide_password=False) == expected


@pytest.mark.parametrize("url", ["mysql://db/chat", "sqlite://", "sqlite:///:memory:"])
def test_a_database_that_cannot_serve_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="sqlite:///"):
        driver_url(url)
