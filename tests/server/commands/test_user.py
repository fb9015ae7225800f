"""`parley user`: users made and changed in the database, one by one and in bulk."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import bcrypt
import pytest
from sqlalchemy import create_engine, text

from server.commands import bulk_users
from server.tokens import AccessTokens, Grant
from tests.server.commands.conftest import Run, Said

PASSWORD = "correct horse battery"


def create(parley: Run, name: str = "alice", *more: str, typed: str = PASSWORD) -> Said:
    return parley(
        "user",
        "create",
        name,
        "--email",
        f"{name}@example.org",
        "--password-stdin",
        *more,
        typed=f"{typed}\n",
    )


def rows(folder: Path, query: str) -> list[Any]:
    engine = create_engine(f"sqlite:///{folder}/backend.db")
    with engine.connect() as connection:
        found = [tuple(row) for row in connection.execute(text(query))]
    engine.dispose()
    return found


@pytest.fixture(autouse=True)
def migrated(migrated_folder: Path) -> None:
    """Every test here has a database."""


def test_a_user_is_made(parley: Run, folder: Path) -> None:
    said = create(parley, "alice", "--superuser")
    assert (said.code, said.out) == (0, "User alice has the id 1.\n")
    ((name, hashed, is_superuser),) = rows(
        folder, "SELECT username, hashed_password, is_superuser FROM users"
    )
    assert (name, is_superuser) == ("alice", 1)
    assert bcrypt.checkpw(PASSWORD.encode(), str(hashed).encode())


def test_a_taken_name_is_told(parley: Run) -> None:
    create(parley)
    said = create(parley, "ALICE")
    assert (said.code, said.err) == (1, "parley user: the username is taken: choose another\n")


@pytest.mark.parametrize(
    ("arguments", "typed", "words"),
    [
        (["alice"], "", "give --email ADDRESS"),
        (
            ["al ice", "--email", "a@b.c", "--password-stdin"],
            PASSWORD,
            "NAME: expected 1 to 100 of letters, digits",
        ),
        (["alice", "--email", "nobody", "--password-stdin"], PASSWORD, "--email: expected an e-mail address"),
        (["alice", "--email", "a@b.c", "--password-stdin"], "short", "8 to 72 bytes"),
        (["alice", "--email", "a@b.c", "--password-stdin"], "", "no password on standard input"),
        (["alice", "--email", "a@b.c", "--password-stdin"], "\udce9t\udce9", "is not UTF-8"),
        (["alice", "--email", "a@b.c"], PASSWORD, "give --password-stdin"),
        (["alice", "--email", "a@b.c", "--tokens", "x"], "", "are for --count"),
        (["a", "--count", "5"], "", "--tokens FILE"),
        (["a", "--count", "0", "--tokens", "x"], "", "a number from 1"),
        (["a", "--count", "5", "--tokens", "x", "--superuser"], "", "no --superuser"),
        (["a" * 99, "--count", "50", "--tokens", "x"], "", "NAME: expected `str` of length <= 100"),
    ],
)
def test_what_cannot_be_a_user_ends_with_2(
    parley: Run, arguments: list[str], typed: str, words: str, folder: Path
) -> None:
    said = parley("user", "create", *arguments, typed=typed)
    assert said.code == 2
    assert said.err.startswith("parley user: ")
    assert words in said.err
    assert rows(folder, "SELECT COUNT(*) FROM users") == [(0,)]
    assert not (folder / "x").exists()


def test_users_are_listed_for_people_and_for_programs(parley: Run) -> None:
    create(parley, "alice", "--superuser")
    create(parley, "bob")
    parley("user", "disable", "bob")
    lines = parley("user", "list").out.splitlines()
    assert [line.split() for line in lines] == [
        ["2", "bob", "bob@example.org", "disabled"],
        ["1", "alice", "alice@example.org", "superuser"],
    ]
    listed = [json.loads(line) for line in parley("user", "list", "--json").out.splitlines()]
    assert [(user["username"], user["is_active"]) for user in listed] == [("bob", False), ("alice", True)]
    assert "password" not in parley("user", "list", "--json").out


def test_a_long_list_is_whole(parley: Run, folder: Path) -> None:
    parley("user", "create", "u", "--count", "450", "--tokens", "tokens.jsonl")
    assert len(parley("user", "list").out.splitlines()) == 450


def test_a_disabled_user_may_be_enabled_again(parley: Run, folder: Path) -> None:
    create(parley)
    assert parley("user", "disable", "alice@example.org").code == 0
    assert rows(folder, "SELECT is_active FROM users") == [(0,)]
    assert parley("user", "enable", "alice").code == 0
    assert rows(folder, "SELECT is_active FROM users") == [(1,)]


def test_a_running_server_is_told_of_a_disabled_user(parley: Run, folder: Path) -> None:
    create(parley)
    revocations = "SELECT value FROM server_state WHERE key = 'revocations'"
    before = rows(folder, revocations)
    parley("user", "disable", "alice")
    assert rows(folder, revocations) != before


def test_a_superuser_is_made_and_unmade(parley: Run, folder: Path) -> None:
    create(parley, "root", "--superuser")
    create(parley, "alice")
    said = parley("user", "promote", "alice")
    assert (said.code, said.out) == (0, "User alice is a superuser.\n")
    assert rows(folder, "SELECT is_superuser FROM users") == [(1,), (1,)]
    said = parley("user", "demote", "root")
    assert (said.code, said.out) == (0, "User root is no superuser.\n")
    assert rows(folder, "SELECT is_superuser FROM users") == [(0,), (1,)]


def test_a_deleted_user_is_gone_and_the_name_is_free(parley: Run, folder: Path) -> None:
    create(parley)
    said = parley("user", "delete", "alice")
    assert said.code == 0
    assert said.out.startswith("User alice is deleted, and every session ended.")
    assert parley("user", "list").out == ""
    assert parley("user", "delete", "alice").err == 'parley user: there is no user "alice"\n'
    assert create(parley).out == "User alice has the id 2.\n"


def test_what_is_done_here_is_in_the_audit_log(parley: Run, folder: Path) -> None:
    create(parley)
    parley("user", "password", "alice", "--password-stdin", typed="another horse\n")
    for action in ("disable", "enable", "promote"):
        parley("user", action, "alice")
    assert parley("user", "delete", "alice").code == 1
    log = rows(folder, "SELECT action, actor_id, target_id, ip_address FROM audit_log ORDER BY id")
    assert log == [
        (action, None, "1", None)
        for action in (
            "user.created",
            "user.password_set",
            "user.disabled",
            "user.enabled",
            "user.promoted",
        )
    ]


@pytest.mark.parametrize("action", ["disable", "demote", "delete"])
def test_the_last_superuser_stays(parley: Run, action: str) -> None:
    create(parley, "root", "--superuser")
    said = parley("user", action, "root")
    assert (said.code, said.err) == (1, "parley user: root is the last superuser: make another first\n")


def test_a_password_is_replaced(parley: Run, folder: Path) -> None:
    create(parley)
    said = parley("user", "password", "alice", "--password-stdin", typed="another horse\n")
    assert said.code == 0
    ((hashed,),) = rows(folder, "SELECT hashed_password FROM users")
    assert bcrypt.checkpw(b"another horse", str(hashed).encode())
    assert parley("user", "password", "alice", "--password-stdin", typed="alice\n").code == 2


@pytest.mark.parametrize("action", ["disable", "enable", "password"])
def test_who_is_not_there_is_told(parley: Run, action: str) -> None:
    more = ["--password-stdin"] if action == "password" else []
    said = parley("user", action, "nobody", *more, typed=PASSWORD)
    assert (said.code, said.err) == (1, 'parley user: there is no user "nobody"\n')


class TestMany:
    def test_they_have_sessions_whose_tokens_are_good_and_private(self, parley: Run, folder: Path) -> None:
        said = parley(
            "user", "create", "u", "--count", "1500", "--tokens", "t.jsonl", "--token-minutes", "90"
        )
        assert (said.code, said.out) == (0, "Made 1500 users; their tokens are in t.jsonl.\n")
        file = folder / "t.jsonl"
        assert file.stat().st_mode & 0o777 == 0o600
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        assert [line["username"] for line in lines] == [f"u{number}" for number in range(1, 1501)]
        now = datetime.now(UTC)
        tokens = AccessTokens((folder / "data" / "secret.key").read_bytes().strip(), timedelta(minutes=1))
        sessions = dict(rows(folder, "SELECT id, user_id FROM sessions"))
        names = dict(rows(folder, "SELECT id, username FROM users"))
        for line in lines[::100]:
            grant = tokens.verify(line["access_token"], now)
            assert isinstance(grant, Grant)
            assert (grant.user_id, names[grant.user_id]) == (line["user_id"], line["username"])
            assert sessions[grant.session_id] == grant.user_id
            assert timedelta(minutes=89) < grant.expires_at - now < timedelta(minutes=91)

    def test_without_a_password_they_cannot_log_in(self, parley: Run, folder: Path) -> None:
        parley("user", "create", "u", "--count", "2", "--tokens", "t.jsonl")
        assert rows(folder, "SELECT hashed_password FROM users") == [(None,), (None,)]

    def test_they_share_one_hash(self, parley: Run, folder: Path) -> None:
        arguments = ("user", "create", "u", "--count", "3", "--tokens", "t.jsonl", "--password-stdin")
        assert parley(*arguments, typed=PASSWORD).code == 0
        assert rows(folder, "SELECT COUNT(*), COUNT(DISTINCT hashed_password) FROM users") == [(3, 1)]

    def test_a_file_that_was_there_is_replaced_and_made_private(self, parley: Run, folder: Path) -> None:
        file = folder / "t.jsonl"
        file.write_text("old\n" * 1000)
        file.chmod(0o644)
        parley("user", "create", "u", "--count", "1", "--tokens", "t.jsonl")
        assert file.stat().st_mode & 0o777 == 0o600
        assert len(file.read_text().splitlines()) == 1

    def test_a_taken_name_is_told_and_leaves_no_file(self, parley: Run, folder: Path) -> None:
        create(parley, "u2")
        said = parley("user", "create", "u", "--count", "5", "--tokens", "t.jsonl")
        assert (said.code, said.err) == (1, "parley user: there is a user u… already: choose another NAME\n")
        assert rows(folder, "SELECT username FROM users") == [("u2",)]
        assert not (folder / "t.jsonl").exists()

    def test_a_file_that_cannot_be_written_is_told_before_anybody_is_made(
        self, parley: Run, folder: Path
    ) -> None:
        said = parley("user", "create", "u", "--count", "5", "--tokens", "missing/t.jsonl")
        assert (said.code, said.err) == (
            1,
            "parley user: missing/t.jsonl cannot be written: No such file or directory\n",
        )
        assert rows(folder, "SELECT username FROM users") == []

    def test_a_signing_key_that_cannot_be_used_is_told(self, parley: Run, folder: Path) -> None:
        (folder / "data").mkdir()
        (folder / "data" / "secret.key").write_text("short")
        said = parley("user", "create", "u", "--count", "1", "--tokens", "t.jsonl")
        assert said.code == 1
        assert "secret.key: got 5 bytes, takes at least 32" in said.err

    def test_people_see_how_far_it_is(
        self, parley: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(bulk_users, "IN_ONE_TRANSACTION", 2)
        monkeypatch.setattr(bulk_users, "_is_watched", lambda: True)
        said = parley("user", "create", "u", "--count", "3", "--tokens", "t.jsonl")
        assert said.err == ("\rusers [################........] 2/3\rusers [########################] 3/3\n")
