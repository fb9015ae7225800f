"""Writes `vectors.json` anew: `python -m tests.protocol.golden`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from protocol.codec import JSON, MSGPACK
from tests.protocol.golden.examples import COMMANDS, EVENTS

VECTORS = Path(__file__).parent / "vectors.json"


def vectors_of(examples: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    return {
        name: {"json": JSON.encode(example).decode(), "msgpack": MSGPACK.encode(example).hex()}
        for name, example in examples.items()
    }


if __name__ == "__main__":
    both = {"commands": vectors_of(COMMANDS), "events": vectors_of(EVENTS)}
    VECTORS.write_text(json.dumps(both, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(f"{len(COMMANDS)} commands and {len(EVENTS)} events in {VECTORS}")
