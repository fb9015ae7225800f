"""What the house style asks of every file."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("actors", "loadtest", "migrations", "protocol", "server", "storage", "tests")
SOURCES = sorted(path.relative_to(ROOT) for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCKS = ("requirements.lock", "requirements-dev.lock")


def test_no_file_is_longer_than_400_lines() -> None:
    lengths = {str(path): len((ROOT / path).read_text().splitlines()) for path in SOURCES}
    assert {path: lines for path, lines in lengths.items() if lines > 400} == {}


def test_no_name_says_nothing() -> None:
    vague = re.compile(r"(^|[/_])(utils?|helpers?|common|misc|managers?)(\.py$|/)")
    assert [str(path) for path in SOURCES if vague.search(str(path))] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_pins_every_package_with_hashes_and_names_no_place(lock: str) -> None:
    text = (ROOT / lock).read_text()
    requirements = [line for line in re.split(r"\n(?! )", text) if line and not line.startswith("#")]
    assert len(requirements) > 20
    for requirement in requirements:
        assert re.match(r"[a-z0-9._-]+==\S+ ", requirement)
        assert "--hash=sha256:" in requirement
    assert re.search(r"://|--(index|extra|find|trusted)| @ ", text) is None


def test_what_tests_need_is_pinned_to_the_same_versions_as_what_serving_needs() -> None:
    serving, testing = (
        set(re.findall(r"^(\S+==\S+)", (ROOT / lock).read_text(), re.MULTILINE)) for lock in LOCKS
    )
    assert serving < testing


@pytest.mark.parametrize("lock", LOCKS)
def test_no_package_with_a_known_hole_is_pinned(lock: str) -> None:
    pins = dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", (ROOT / lock).read_text(), re.MULTILINE))
    assert pins["litellm"] not in {"1.82.7", "1.82.8"}, "these two were taken over by somebody"
    assert "python-jose" not in pins, "its advisories are not mended: PyJWT is what we use"
    assert tuple(map(int, pins["aiohttp"].split("."))) >= (3, 14, 4), "earlier ones let requests be smuggled"
    assert "pyjwt" in pins


def test_no_package_with_a_known_hole_may_be_installed_without_a_lock_either() -> None:
    wanted = PROJECT["project"]["dependencies"]
    least = dict(re.findall(r"^([a-z0-9-]+)\S*?>=([0-9.]+)", "\n".join(wanted), re.MULTILINE))
    assert tuple(map(int, least["litellm"].split("."))) > (1, 82, 8)
    assert tuple(map(int, least["aiohttp"].split("."))) >= (3, 14, 4)
    assert "python-jose" not in least


def test_lint_finds_a_coroutine_that_nobody_awaits_and_tests_fail_for_one() -> None:
    tools = PROJECT["tool"]
    assert tools["mypy"]["strict"]
    assert "unused-awaitable" in tools["mypy"]["enable_error_code"]
    assert "error" in tools["pytest"]["ini_options"]["filterwarnings"]
    assert "unused-awaitable" not in str(tools["mypy"]["overrides"])
