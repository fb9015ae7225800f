"""The root, health, readiness and descriptions."""

import re
from pathlib import Path

from openapi_spec_validator import validate

from server.readiness import Phase
from server.settings import Settings
from server.version import version
from tests.databases import Postgres, migrate
from tests.server.rest.client import Running, serving, settings_for


async def test_the_root_says_hello(sqlite_running: Running) -> None:
    hello = await sqlite_running.nobody.get("/")
    assert hello == {"message": "Hello World", "name": "Parley", "version": version()}


async def test_a_browser_is_sent_to_the_web_client(sqlite_running: Running) -> None:
    nobody = sqlite_running.nobody
    await nobody.get("/", expect=302, headers={"Accept": "text/html,application/xhtml+xml"})
    assert nobody.headers["Location"] == "/app/"


async def test_health_tells_the_version_and_how_long_it_has_been_up(sqlite_running: Running) -> None:
    health = await sqlite_running.nobody.get("/health")
    assert (health["status"], health["version"]) == ("ok", version())
    assert health["uptime_s"] >= 0


async def test_a_serving_server_is_ready(running: Running) -> None:
    assert await running.nobody.get("/ready") == {"status": "ready"}


async def test_the_database_test_makes_a_round_trip(running: Running) -> None:
    test = await running.nobody.get("/db-test")
    assert (test["status"], test["dialect"]) == ("ok", running.context.database.dialect)
    assert test["latency_ms"] > 0


async def test_before_serving_it_is_not_ready_and_says_why(sqlite_running: Running) -> None:
    sqlite_running.context.readiness.phase = Phase.STARTING
    assert await sqlite_running.nobody.refused("GET", "/ready", expect=503) == ("unavailable", "server")


async def test_while_draining_it_is_alive_but_not_ready(sqlite_running: Running) -> None:
    nobody = sqlite_running.nobody
    sqlite_running.context.readiness.drain()
    assert await nobody.refused("GET", "/ready", expect=503) == ("draining", "server")
    assert int(nobody.headers["Retry-After"]) >= 1
    assert (await nobody.get("/health"))["status"] == "ok"
    assert await nobody.refused("GET", "/users/", expect=503) == ("draining",)


async def test_a_database_that_goes_away_is_named_and_its_return_heals(
    own_postgres: Postgres, tmp_path: Path
) -> None:
    migrate(own_postgres.url())
    async with serving(settings_for(own_postgres.url(), tmp_path)) as running:
        alice = await running.nobody.newcomer()
        own_postgres.stop()
        assert await running.nobody.refused("GET", "/ready", expect=503) == ("unavailable", "database")
        assert await running.nobody.refused("GET", "/db-test", expect=503) == ("unavailable", "database")
        assert await alice.refused("GET", "/auth/me", expect=503) == ("unavailable",)
        assert (await running.nobody.get("/health"))["status"] == "ok"
        own_postgres.start()
        await running.nobody.get("/ready")
        assert (await alice.get("/auth/me"))["id"] == alice.id


async def test_a_database_file_that_is_gone_makes_the_server_unready(
    settings: Settings, tmp_path: Path
) -> None:
    async with serving(settings) as running:
        file = tmp_path / "test.db"
        file.rename(tmp_path / "elsewhere.db")
        assert await running.nobody.refused("GET", "/ready", expect=503) == ("unavailable", "database")
        (tmp_path / "elsewhere.db").rename(file)
        assert await running.nobody.get("/ready") == {"status": "ready"}


async def test_the_openapi_document_is_valid_and_names_every_route(sqlite_running: Running) -> None:
    document = await sqlite_running.nobody.get("/openapi.json")
    validate(document)
    named = {(method.upper(), path) for path, each in document["paths"].items() for method in each}
    assert {("GET", "/"), ("POST", "/auth/login"), ("PUT", "/channels/{channel_id}")} <= named


async def test_the_docs_are_one_page_without_scripts_or_other_hosts(sqlite_running: Running) -> None:
    nobody = sqlite_running.nobody
    page = await nobody.get("/docs")
    assert nobody.headers["Content-Type"].startswith("text/html")
    assert "/auth/login" in page
    assert "<script" not in page
    # Examples are text, and name other hosts.
    examples = re.findall(r"<pre>(.*?)</pre>", page, re.DOTALL)
    assert not any("<" in example for example in examples)
    without = re.sub(r"<pre>.*?</pre>", "", page, flags=re.DOTALL)
    assert "http://" not in without
    assert "https://" not in without.replace("^https?://", "")
    assert "style-src 'sha256-" in nobody.headers["Content-Security-Policy"]


async def test_paths_answer_with_and_without_a_slash_at_the_end(sqlite_running: Running) -> None:
    for path in ("/health", "/health/", "/openapi.json/"):
        await sqlite_running.nobody.get(path)


async def test_head_answers_as_get_without_the_body(sqlite_running: Running) -> None:
    nobody = sqlite_running.nobody
    assert await nobody.ask("HEAD", "/health") == ""
    assert int(nobody.headers["Content-Length"]) > 0
    assert await nobody.ask("HEAD", "/users/me", expect=401) == ""
    await nobody.ask("HEAD", "/nowhere", expect=404)


async def test_another_method_is_refused_with_those_that_are_allowed(sqlite_running: Running) -> None:
    nobody = sqlite_running.nobody
    for method, path, allowed in (
        ("DELETE", "/health", "GET,HEAD"),
        ("PATCH", "/auth/me", "GET,HEAD,PUT"),
        ("GET", "/auth/login", "POST"),
        ("PUT", "/channels/me", "GET,HEAD"),
        ("OPTIONS", "/auth/login/", "POST"),
    ):
        assert await nobody.refused(method, path, expect=405) == ("unsupported",)
        assert nobody.headers["Allow"] == allowed


async def test_an_unknown_path_is_not_found(sqlite_running: Running) -> None:
    assert await sqlite_running.nobody.refused("GET", "/nowhere", expect=404) == ("not_found",)
