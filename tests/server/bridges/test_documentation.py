"""`docs/bridges.md` adds a fourth bridge: it is run as it stands, on a copy of the tree."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "bridges.md").read_text()
FOLDERS = ("actors", "loadtest", "migrations", "protocol", "server", "storage")
SCENARIO = Path(__file__).parent / "signal_scenario.py"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def change(tree: Path, diff: str) -> None:
    """Each run of lines that go is there once, and gives way to those that come behind it."""
    for file in re.split(r"^--- ", diff, flags=re.MULTILINE)[1:]:
        name, _, lines = file.partition("\n")
        path = tree / name
        text = path.read_text()
        for old, new in re.findall(r"((?:^-.*\n)+)((?:^\+.*\n)+)", lines, re.MULTILINE):
            gone, come = (re.sub(r"^[-+]", "", part, flags=re.MULTILINE) for part in (old, new))
            assert text.count(gone) == 1, (name, gone)
            text = text.replace(gone, come)
        path.write_text(text)


def test_the_bridge_of_the_page_works(sqlite_url: str, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, tree / folder, ignore=shutil.ignore_patterns("__pycache__"))
    bridge, routes = blocks("python")
    (tree / "server" / "bridges" / "signal.py").write_text(bridge)
    (tree / "server" / "rest" / "signal.py").write_text(routes)
    (diff,) = blocks("diff")
    change(tree, diff)
    paths = os.pathsep.join([str(tree), str(ROOT)])
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-P", str(SCENARIO), sqlite_url, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": paths},
        cwd=tree,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
