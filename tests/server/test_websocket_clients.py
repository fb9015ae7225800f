"""Other people's clients: those of aiohttp and websockets, and one that vanishes."""

from typing import Any

import aiohttp
import pytest
import websockets

from protocol.codec import JSON, MSGPACK, Codec
from tests.server.talking import Place

CODECS = pytest.mark.parametrize("codec", [JSON, MSGPACK], ids=["json", "msgpack"])


@CODECS
async def test_the_client_of_aiohttp_talks_and_leaves(home: Place, codec: Codec) -> None:
    alice = await home.person("alice")
    headers = {"Authorization": f"Bearer {alice.token}"}
    async with alice.session.ws_connect("/ws", headers=headers, protocols=[codec.subprotocol]) as socket:
        message = await socket.receive(timeout=10)
        assert message.type is (aiohttp.WSMsgType.TEXT if codec is JSON else aiohttp.WSMsgType.BINARY)
        await socket.ping(b"there?")
        await socket.close(code=1000)
    assert socket.close_code == 1000
    await home.deserted()


@pytest.mark.parametrize("compression", ["deflate", None])
async def test_the_client_of_websockets_talks_and_leaves(home: Place, compression: Any) -> None:
    alice = await home.person("alice")
    protocols = [websockets.Subprotocol("parley.v1.json")]
    async with websockets.connect(
        f"ws://127.0.0.1:{home.port}/ws",
        additional_headers={"Authorization": f"Bearer {alice.token}"},
        subprotocols=protocols,
        compression=compression,
        proxy=None,
    ) as socket:
        assert '"ready"' in await socket.recv()
        await (await socket.ping())
        await socket.send('{"type":"ping"}')
        assert '"pong"' in await socket.recv()
    assert (socket.close_code, socket.protocol.close_rcvd_then_sent) == (1000, False)
    await home.deserted()


async def test_a_client_that_vanishes_leaves_nothing_behind(home: Place) -> None:
    alice = await home.person("alice")
    talks = [await home.live(alice), await home.upgraded()]
    for talk in talks:
        talk.wire.transport.abort()
    await home.deserted()
    assert home.context.chat.fanout.connections_of(alice.user["id"]) == ()
