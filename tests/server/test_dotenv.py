from pathlib import Path

import pytest

from server.dotenv import read_dotenv
from server.setting_kinds import SettingsError


@pytest.fixture
def dotenv(tmp_path: Path) -> Path:
    return tmp_path / ".env"


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=b", "b"),
        ("  A = b  ", "b"),
        ("export A=b", "b"),
        ("A=", ""),
        ("A=# nothing", ""),
        ("A=b c # a comment", "b c"),
        ("A=b#c", "b#c"),
        ("A=it's", "it's"),
        ("A='b # c' # a comment", "b # c"),
        (r"A='b\n'", r"b\n"),
        (r'A="b\n\"c\" \\ \d"', 'b\n"c" \\ d'),
        ("A=x=y", "x=y"),
        ("A=ü", "ü"),
        ("A=1\nA=2", "2"),
    ],
)
def test_a_line_sets_a_variable(dotenv: Path, line: str, value: str) -> None:
    dotenv.write_text(f"# first\n\n{line}\n  # last\n", "utf-8")
    assert read_dotenv(dotenv) == {"A": value}


@pytest.mark.parametrize(
    "line", ["hunter2", "1A=hunter2", "A='hunter2", 'A="hunter2', "A='a' hunter2", "A B=c"]
)
def test_a_line_that_cannot_be_read_is_named_but_not_shown(dotenv: Path, line: str) -> None:
    dotenv.write_text(f"B=1\n{line}\n")
    with pytest.raises(SettingsError, match=r"\.env line 2: takes NAME=value") as raised:
        read_dotenv(dotenv)
    assert "hunter2" not in str(raised.value)


def test_without_a_file_there_are_no_variables(dotenv: Path) -> None:
    assert read_dotenv(dotenv) == {}


def test_a_byte_order_mark_is_no_part_of_the_first_name(dotenv: Path) -> None:
    dotenv.write_bytes(b"\xef\xbb\xbfA=b\r\n")
    assert read_dotenv(dotenv) == {"A": "b"}
