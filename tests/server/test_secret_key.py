import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from server.secret_key import load_secret_key
from server.settings import Settings, SettingsError


def test_a_given_key_is_used_and_nothing_is_written(tmp_path: Path) -> None:
    settings = Settings(secret_key="k" * 32, data_folder=tmp_path / "data")
    assert load_secret_key(settings) == b"k" * 32
    assert not settings.data_folder.exists()


def test_without_one_a_key_is_made_once_and_kept_for_its_owner_only(tmp_path: Path) -> None:
    settings = Settings(data_folder=tmp_path / "deep" / "data")
    key = load_secret_key(settings)
    assert len(key) >= 32
    assert load_secret_key(settings) == key
    kept = settings.data_folder / "secret.key"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert list(settings.data_folder.iterdir()) == [kept]
    assert load_secret_key(Settings(data_folder=tmp_path / "another")) != key


def test_servers_that_start_at_once_agree_on_one_key(tmp_path: Path) -> None:
    settings = [Settings(data_folder=tmp_path / str(round_)) for round_ in range(20) for _ in range(8)]
    with ThreadPoolExecutor(8) as executor:
        keys = list(executor.map(load_secret_key, settings))
    assert len(set(keys)) == 20


def test_the_key_of_a_faster_server_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret.key").write_text("f" * 40 + "\n")
    monkeypatch.setattr(Path, "exists", lambda _: False)
    assert load_secret_key(Settings(data_folder=tmp_path)) == b"f" * 40
    assert [path.name for path in tmp_path.iterdir()] == ["secret.key"]


def test_a_kept_key_that_is_too_short_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "secret.key").write_text("short\n")
    with pytest.raises(SettingsError, match=r"secret\.key: got 5 bytes, takes at least 32"):
        load_secret_key(Settings(data_folder=tmp_path))
