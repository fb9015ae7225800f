"""Which Parley this is."""

from importlib import metadata

import pytest

from server.version import version


def test_the_version_is_the_installed_one() -> None:
    assert version() == metadata.version("parley")


def test_a_tree_that_was_never_installed_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr("server.version.installed_version", missing)
    assert version.__wrapped__() == "0.0.0"
