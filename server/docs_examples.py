"""Examples of the API's description, as text for people."""

from collections.abc import Mapping
from typing import Any

import msgspec

Json = Mapping[str, Any]


def example_of(body: Json, components: Json) -> Any:
    """The first example of a media type, None when it has none. Named ones are among the components."""
    for example in body.get("examples", {}).values():
        name = example["$ref"].rpartition("/")[2]
        return components[name]["value"]
    return body.get("example")


def compact(example: Any) -> str:
    """On one line."""
    return msgspec.json.encode(example).decode()


def indented(example: Any) -> str:
    """Over several lines; text as it is."""
    if isinstance(example, str):
        return example
    return msgspec.json.format(msgspec.json.encode(example), indent=2).decode()
