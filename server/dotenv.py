"""Reads `.env` files: one NAME=value a line, `#` comments, and quotes where a value needs them."""

import re
from pathlib import Path
from typing import Final

from server.setting_kinds import SettingsError

ASSIGNMENT: Final = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")
QUOTED: Final = re.compile(r"""(?:'(?P<literal>[^']*)'|"(?P<escaped>(?:[^"\\]|\\.)*)")\s*(?:#.*)?""")
ESCAPES: Final = {"n": "\n", "r": "\r", "t": "\t"}


def read_dotenv(path: Path) -> dict[str, str]:
    """The variables of the file; none when there is no file. Later lines win.

    Single quotes keep everything as it is, double quotes know `\\n`, `\\"` and `\\\\`. SettingsError
    names a line that cannot be read, not what is in it: that may be a secret.
    """
    if not path.is_file():
        return {}
    variables: dict[str, str] = {}
    for number, line in enumerate(path.read_text("utf-8-sig").splitlines(), start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        assignment = ASSIGNMENT.fullmatch(text)
        value = assignment and _value(assignment[2])
        if assignment is None or value is None:
            raise SettingsError(f"{path} line {number}: takes NAME=value, and the same quote at both ends")
        variables[assignment[1]] = value
    return variables


def _value(text: str) -> str | None:
    if not text.startswith(("'", '"')):
        return re.sub(r"(^|\s+)#.*", "", text)
    quoted = QUOTED.fullmatch(text)
    if quoted is None:
        return None
    if quoted["literal"] is not None:
        return quoted["literal"]
    return re.sub(r"\\(.)", lambda escape: ESCAPES.get(escape[1], escape[1]), quoted["escaped"])
