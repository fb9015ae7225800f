"""Removes uploads that nobody needs: first their rows, then the contents that no row is about any more."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from server.context import Context
from server.reaction_images import find_pictures

UNSENT_KEPT: Final = timedelta(hours=24)
"""How long an uploaded file waits to be sent."""


async def forget_unsent_files(context: Context) -> int:
    """How many rows of files went: never sent, or their message was deleted."""
    return await context.attachments.sweep_unsent(context.clock.now() - UNSENT_KEPT)


async def sweep_blobs(context: Context) -> int:
    """How many contents went: of files that were forgotten, and of reactions that were deleted."""

    async def is_kept(hashes: Sequence[str]) -> set[str]:
        sent = await context.attachments.find_kept(hashes)
        return sent.union(await find_pictures(context.reactions, hashes))

    return await context.blobs.sweep(is_kept)
