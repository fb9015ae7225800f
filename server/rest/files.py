"""Files: uploaded first, then sent with a message by their id, and downloaded by those who may read it."""

import asyncio
import logging
from typing import Final

from protocol.errors import Code, Refusal, Refused
from protocol.resources import Attachment
from server.calls import Call
from server.fields import AFileId, In
from server.file_answers import FileAnswer, disposition
from server.routing import Routes
from server.sniffing import TEXT, Sniffed, sniff
from server.uploads import Upload
from storage.attachments import NewAttachment, TooMuchUnsent

LOG: Final = logging.getLogger("server.http")

files = Routes("Files")

IMAGE_MAX_PIXELS: Final = 100_000_000
UNSENT_MAX_UPLOADS: Final = 40
"""How many of the largest uploads somebody may have waiting to be sent, in bytes together."""
SHOWN_BY_BROWSERS: Final = frozenset({"image/png", "image/gif", "image/webp", "image/jpeg"})
NO_FILE: Final = Refusal(Code.NOT_FOUND, "There is no such file for you.")
TOO_MUCH_UNSENT: Final = Refusal(
    Code.CONFLICT, "Too much that you have uploaded is not sent yet: send it, or wait a day."
)
BOMB: Final = Refusal(
    Code.INVALID, f"A picture may have {IMAGE_MAX_PIXELS} pixels: send a smaller one.", field="file"
)


class FileCreate(In, frozen=True, kw_only=True):
    file: Upload


@files.post("/files", status=201, refuses=(Code.CONFLICT,), spends_budget=True, pays_first=True)
async def upload_file(call: Call, body: FileCreate) -> Attachment:
    """Upload a file, to send it with a message within a day; what it is, its bytes say."""
    context, upload = call.context, body.file
    sniffed = await asyncio.to_thread(sniff, upload.blob.path)
    if is_bomb(sniffed):
        raise Refused(BOMB)
    await context.blobs.keep(upload.blob)
    new = NewAttachment(
        owner_id=call.user_id,
        name=upload.name,
        content_type=sniffed.content_type,
        size=upload.blob.size,
        sha256=upload.blob.sha256,
    )
    unsent_max_bytes = UNSENT_MAX_UPLOADS * context.settings.upload_max_bytes
    added = await context.attachments.add(new, context.clock.now(), unsent_max_bytes=unsent_max_bytes)
    if isinstance(added, TooMuchUnsent):
        raise Refused(TOO_MUCH_UNSENT)
    return added


@files.get("/files/{file_id}", also=(206, 304, 412, 416), refuses=(Code.NOT_FOUND,), media_type="*/*")
async def download_file(call: Call, file_id: AFileId) -> FileAnswer:
    """Download a file of yours, or one that was sent to a channel you are in; `Range` asks for a part."""
    stored = await call.context.attachments.find(file_id, call.user_id)
    if stored is None:
        raise Refused(NO_FILE)
    path = call.context.blobs.path(stored.sha256)
    if not await asyncio.to_thread(path.is_file):
        LOG.error("the bytes of a file are gone", extra={"file_id": file_id, "sha256": stored.sha256})
        raise Refused(NO_FILE)
    headers = {
        "Content-Disposition": disposition(stored.name, inline=stored.content_type in SHOWN_BY_BROWSERS),
        # Asked for again each time, if not sent again: some may not have it any more.
        "Cache-Control": "private, no-cache",
    }
    content_type = f"{TEXT}; charset=utf-8" if stored.content_type == TEXT else stored.content_type
    return FileAnswer(path=path, content_type=content_type, headers=headers)


def is_bomb(sniffed: Sniffed) -> bool:
    """Whether showing it would take more memory than anybody has for a picture."""
    return sniffed.image is not None and sniffed.image.pixels > IMAGE_MAX_PIXELS
