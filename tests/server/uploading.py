"""How tests upload files and download them."""

from pathlib import Path

import aiohttp
import msgspec

from tests.server.rest.client import Api, Json, Running


def form(data: bytes = b"hello", name: str = "a.txt", field: str = "file") -> aiohttp.FormData:
    made = aiohttp.FormData(quote_fields=False)
    made.add_field(field, data, filename=name, content_type="text/html")
    return made


async def upload(person: Api, data: bytes = b"hello", name: str = "a.txt") -> Json:
    return await person.post("/files", data=form(data, name))


class Download(msgspec.Struct):
    status: int
    headers: dict[str, str]
    body: bytes


async def download(person: Api, file: Json, **headers: str) -> Download:
    sent = {"Authorization": f"Bearer {person.token}"} | headers
    async with person.session.get(file["url"], headers=sent) as answer:
        return Download(answer.status, dict(answer.headers), await answer.read())


def stored(running: Running) -> list[Path]:
    folder = running.context.settings.data_folder / "files"
    return [each for each in folder.rglob("*") if each.is_file()]
