"""Plain database URLs, `sqlite:///…` and `postgresql://…`, and the drivers they stand for."""

from sqlalchemy import URL, make_url

_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "postgresql": "postgresql+asyncpg",
    "postgres": "postgresql+asyncpg",
}


def driver_url(url: str) -> URL:
    """The URL with the asynchronous driver of its database. ValueError when Parley does not run on it."""
    parsed = make_url(url)
    driver = _DRIVERS.get(parsed.drivername.partition("+")[0])
    if driver is None:
        raise ValueError(f"database {parsed.drivername!r} is not known: use sqlite:///… or postgresql://…")
    if driver.startswith("sqlite") and parsed.database in (None, "", ":memory:"):
        raise ValueError("an SQLite database must be a file, for example sqlite:///./backend.db")
    return _as_asyncpg_expects(parsed.set(drivername=driver))


def _as_asyncpg_expects(url: URL) -> URL:
    """`sslmode` is libpq's name for what asyncpg calls `ssl`."""
    mode = url.query.get("sslmode")
    if mode is None:
        return url
    return url.difference_update_query(["sslmode"]).update_query_dict({"ssl": mode})
