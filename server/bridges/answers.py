"""What other services answer over HTTP, and what is known when they do not."""

from typing import Final

import aiohttp

UNREACHABLE: Final = (
    aiohttp.ClientConnectorError,
    aiohttp.ClientSSLError,
    aiohttp.ConnectionTimeoutError,
)
"""Nothing was sent: there was no connection to send it by."""


async def read_body(answer: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    """ValueError when it is longer: no more than that is read."""
    body = bytearray()
    async for chunk in answer.content.iter_any():
        body += chunk
        if len(body) > max_bytes:
            raise ValueError("the answer is too long")
    return bytes(body)
