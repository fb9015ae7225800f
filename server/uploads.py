"""Multipart bodies: text fields, and files that are on disk before the handler sees them.

A handler takes a struct with a field of type `Upload` for each file. Nothing that the sender says about a
file is believed but its name, which is cleaned. Next on an upload's path: the handler keeps it in `blobs.py`.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import msgspec
from aiohttp import (
    BadContentDispositionHeader,
    BadContentDispositionParam,
    BodyPartReader,
    MultipartReader,
    web,
)
from aiohttp.http_exceptions import HttpProcessingError

from protocol.errors import Code, Refusal, Refused
from server.blobs import Blob, Blobs
from server.decoding import decode_strings

CHUNK_BYTES: Final = 256 * 1024
TEXT_MAX_BYTES: Final = 64 * 1024
ENVELOPE_MAX_BYTES: Final = 64 * 1024
"""What a body may have beside its files: boundaries, headers and texts."""
SILENT_MAX_S: Final = 20.0
UPLOAD_MAX_S: Final = 900.0
NAME_MAX_CHARS: Final = 255
NAMELESS: Final = "file"
# Control characters, lone surrogates, and the marks that turn the direction of text: "gnp.exe" is no picture.
UNFIT_IN_NAMES: Final = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
PLAIN_ENCODINGS: Final = frozenset({"identity", "7bit", "8bit", "binary"})
ENCODINGS: Final = ("Content-Encoding", "Content-Transfer-Encoding")


class Upload:
    """A file of a body, received and gone after the request unless it is kept."""

    __slots__ = ("blob", "name")

    def __init__(self, name: str, blob: Blob) -> None:
        self.name = name
        self.blob = blob


def upload_fields(body: Any) -> frozenset[str]:
    """The fields of a body's struct that are files; a body that has none is JSON."""
    if not isinstance(body, type) or not issubclass(body, msgspec.Struct):
        return frozenset()
    return frozenset(field.encode_name for field in msgspec.structs.fields(body) if field.type is Upload)


async def discard_uploads(body: Any, blobs: Blobs) -> None:
    """Forget the files of a body that were not kept."""
    for name in upload_fields(type(body)):
        await blobs.discard(getattr(body, name).blob)


async def read_form(request: web.Request, kind: Any, blobs: Blobs, file_max_bytes: int) -> Any:
    """The body as the struct `kind`. Raises Refused, and Unavailable when the disk does not take it.

    A file is cut at its first byte too many. A body must not be silent for long, nor go on for ever.
    """
    if request.content_type != "multipart/form-data":
        raise Refused(Refusal(Code.UNSUPPORTED, "Send the body as multipart/form-data."))
    _refuse_encodings(request.headers)
    if (request.content_length or 0) > file_max_bytes + ENVELOPE_MAX_BYTES:
        raise _too_large(file_max_bytes)
    form = _Form(kind, blobs, file_max_bytes)
    try:
        await _read_parts(request, form)
        return decode_strings(form.values, kind)
    except BaseException:
        for value in form.values.values():
            if isinstance(value, Upload):
                await blobs.discard(value.blob)
        raise


async def _read_parts(request: web.Request, form: "_Form") -> None:
    try:
        async with asyncio.timeout(UPLOAD_MAX_S):
            await form.read(await request.multipart())
    except TimeoutError:
        raise Refused(Refusal(Code.MALFORMED, "The body did not arrive in time.")) from None
    except NOT_MULTIPART:
        raise Refused(Refusal(Code.MALFORMED, "The body is not valid multipart/form-data.")) from None


class _Form:
    """The fields of one body, as they come."""

    def __init__(self, kind: Any, blobs: Blobs, file_max_bytes: int) -> None:
        self.values: dict[str, Any] = {}
        self._files = upload_fields(kind)
        self._known = frozenset(field.encode_name for field in msgspec.structs.fields(kind))
        self._blobs = blobs
        self._file_max_bytes = file_max_bytes

    async def read(self, parts: MultipartReader) -> None:
        while (part := await _soon(parts.next())) is not None:
            if not isinstance(part, BodyPartReader):
                raise Refused(Refusal(Code.UNSUPPORTED, "Send a form without forms inside."))
            name = self._name_of(part)
            self.values[name] = await (self._upload(part) if name in self._files else _text(part, name))

    def _name_of(self, part: BodyPartReader) -> str:
        name = part.name
        if name is None:
            raise ValueError("a field without a name")
        _refuse_encodings(part.headers, name)
        if name not in self._known:
            raise Refused(Refusal(Code.INVALID, f"Object contains unknown field `{name}`", field=name))
        if name in self.values:
            raise Refused(Refusal(Code.INVALID, f"`{name}` is given more than once.", field=name))
        return name

    async def _upload(self, part: BodyPartReader) -> Upload:
        blob = await self._blobs.receive(_chunks(part), self._file_max_bytes)
        if blob is None:
            raise _too_large(self._file_max_bytes)
        return Upload(clean_name(part.filename), blob)


def _refuse_encodings(headers: Mapping[str, str], field: str | None = None) -> None:
    if any(headers.get(name, "identity").lower() not in PLAIN_ENCODINGS for name in ENCODINGS):
        raise Refused(Refusal(Code.UNSUPPORTED, "Send everything as it is, without encoding.", field=field))


async def _chunks(part: BodyPartReader) -> AsyncIterator[bytes]:
    while not part.at_eof():
        if chunk := await _soon(part.read_chunk(CHUNK_BYTES)):
            yield chunk


async def _text(part: BodyPartReader, name: str) -> str:
    text = bytearray()
    async for chunk in _chunks(part):
        text += chunk
        if len(text) > TEXT_MAX_BYTES:
            message = f"`{name}` may have {TEXT_MAX_BYTES} bytes."
            raise Refused(Refusal(Code.TOO_LARGE, message, field=name))
    return text.decode()


async def _soon(step: Any) -> Any:
    async with asyncio.timeout(SILENT_MAX_S):
        return await step


def clean_name(given: str | None) -> str:
    """The last part of a file's name, without what would mislead people or programs."""
    # Forms escape quotes and line breaks in names (WHATWG HTML, multipart/form-data encoding algorithm).
    unescaped = (given or "").replace("%22", '"').replace("%0D", "").replace("%0A", "")
    last = re.split(r"[/\\]", unescaped)[-1]
    name = UNFIT_IN_NAMES.sub("", last).strip(" .")
    if len(name) <= NAME_MAX_CHARS:
        return name or NAMELESS
    stem, dot, ending = name.rpartition(".")
    if not stem or len(ending) >= NAME_MAX_CHARS // 2:
        return name[:NAME_MAX_CHARS]
    return stem[: NAME_MAX_CHARS - len(ending) - 1] + dot + ending


def _too_large(file_max_bytes: int) -> Refused:
    return Refused(Refusal(Code.TOO_LARGE, f"A file may have {file_max_bytes} bytes."))


# A client that leaves amid its body is among them: nobody hears that answer.
NOT_MULTIPART: Final = (
    ValueError,
    RuntimeError,
    HttpProcessingError,
    web.RequestPayloadError,
    ConnectionError,
    # Warnings, where those are errors.
    BadContentDispositionHeader,
    BadContentDispositionParam,
)
