"""The pictures of custom reactions: which are taken, and their addresses, which name their content."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from protocol.errors import Code, Refusal
from server.sniffing import Sniffed
from storage.reactions import Reactions

REACTION_SIDE_MAX: Final = 1024
ENDINGS: Final[Mapping[str, str]] = {"image/png": "png", "image/gif": "gif", "image/webp": "webp"}
CONTENT_TYPES: Final[Mapping[str, str]] = {ending: kind for kind, ending in ENDINGS.items()}
NO_PICTURE: Final = Refusal(Code.INVALID, "The image must be a PNG, GIF or WebP.", field="image")
TOO_LARGE: Final = Refusal(
    Code.INVALID, f"The image may be {REACTION_SIDE_MAX} pixels wide and high.", field="image"
)


def image_name(sha256: str, sniffed: Sniffed) -> str | Refusal:
    """Under which name a picture is kept, or why it is not taken."""
    ending, image = ENDINGS.get(sniffed.content_type), sniffed.image
    if ending is None or image is None:
        return NO_PICTURE
    if max(image.width, image.height) > REACTION_SIDE_MAX:
        return TOO_LARGE
    return f"{sha256}.{ending}"


def image_url(name: str) -> str:
    return f"/reactions/images/{name}"


def hash_of(name: str) -> str:
    return name.partition(".")[0]


def content_type_of(name: str) -> str:
    return CONTENT_TYPES[name.rpartition(".")[2]]


async def find_pictures(reactions: Reactions, hashes: Sequence[str]) -> Collection[str]:
    """Those of these contents that a reaction looks like."""
    names = {f"{sha256}.{ending}": sha256 for sha256 in hashes for ending in CONTENT_TYPES}
    urls = {image_url(name): sha256 for name, sha256 in names.items()}
    return {urls[url] for url in await reactions.find_images(list(urls))}
