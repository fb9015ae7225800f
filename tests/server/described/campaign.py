"""All checks of schemathesis against a real server: `python -m tests.server.described.campaign --seed 7`.

The server and its database are the run's own. With more `--examples` it searches longer.
"""

import argparse
import asyncio
import os
import sys
import tempfile
from pathlib import Path
from typing import Final

from msgspec import Struct

from loadtest.own_server import OwnServer

ROOT: Final = Path(__file__).parents[3]
CONFIG: Final = Path(__file__).with_name("schemathesis.toml")
SCENARIOS_FOR_EXAMPLE: Final = 20
"""Of requests one after another: they are for all operations together, examples are for each."""


class Outcome(Struct, frozen=True):
    """What schemathesis said. `has_found` is whether there is anything to mend."""

    has_found: bool
    text: str


async def campaign(folder: Path, *, seed: int, examples: int, only: str = ".*") -> Outcome:
    """Search for requests that are not answered as described. `only` is a pattern of operations."""
    database = folder / "parley.db"
    server = OwnServer(folder / "server", f"sqlite:///{database}", SETTINGS)
    await server.start()
    try:
        return await _search(server.url, database, seed=seed, examples=examples, only=only)
    finally:
        await server.stop()


async def _search(url: str, database: Path, *, seed: int, examples: int, only: str) -> Outcome:
    config = database.with_name("schemathesis.toml")
    await asyncio.to_thread(config.write_text, config_of(examples))
    arguments = ["--seed", str(seed), "--include-name-regex", only]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "--no-color", "--config-file", str(config)),
        *("run", f"{url}/openapi.json", *arguments),
        cwd=database.parent,
        env=os.environ | {"PARLEY_URL": url, "PARLEY_DATABASE": str(database), "PYTHONPATH": str(ROOT)},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return Outcome(process.returncode != 0, output.decode(errors="replace"))


def config_of(examples: int) -> str:
    scenarios = SCENARIOS_FOR_EXAMPLE * examples
    return (
        f"{CONFIG.read_text()}generation = {{ max-examples = {scenarios} }}\n\n"
        f"[phases.fuzzing]\ngeneration = {{ max-examples = {examples} }}\n"
    )


SETTINGS: Final = {
    "BCRYPT_ROUNDS": "4",
    "COMMAND_RATE": "off",
    "LOGIN_FAILURE_RATE": "off",
    "REGISTRATION_RATE": "off",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--examples", type=int, default=100, help="for each operation")
    parser.add_argument("--only", default=".*", metavar="PATTERN", help="such as '^POST /channels/'")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        outcome = asyncio.run(
            campaign(Path(folder), seed=options.seed, examples=options.examples, only=options.only)
        )
    print(outcome.text)
    sys.exit(outcome.has_found)


if __name__ == "__main__":
    main()
