"""The moments around the hand-over of a connection from HTTP."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from protocol.errors import Refusal
from server.auth import Caller
from server.settings import Settings
from server.socket import Socket
from tests.server.talking import Place, place, upgrade_request


class SlowLookUp:
    """A server that takes as long to look up a token as a test wants."""

    def __init__(self, home: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        self._authenticate = home.context.authenticator.authenticate
        self._may_answer = asyncio.Event()
        self.begun = asyncio.Event()
        self.answered = asyncio.Event()
        monkeypatch.setattr(home.context.authenticator, "authenticate", self._slowly)

    async def _slowly(self, token: str) -> Caller | Refusal:
        self.begun.set()
        await self._may_answer.wait()
        result = await self._authenticate(token)
        self.answered.set()
        return result

    def answer(self) -> None:
        self._may_answer.set()


async def test_a_client_that_leaves_before_its_answer_leaves_nothing_behind(
    home: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    alice = await home.person("alice")
    look_up = SlowLookUp(home, monkeypatch)
    wire = await home.wire()
    wire.write(upgrade_request(alice.token))
    await look_up.begun.wait()
    wire.transport.abort()
    await home.nobody.get("/health")
    with caplog.at_level(logging.WARNING):
        look_up.answer()
        await look_up.answered.wait()
        await home.nobody.get("/health")
    complaints = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert (len(home.registry), complaints) == (0, [])


async def test_hello_that_was_looked_up_too_late_opens_nothing(
    home: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = await home.person("alice")
    look_up = SlowLookUp(home, monkeypatch)
    talk = await home.upgraded()
    talk.say({"type": "hello", "token": alice.token})
    await look_up.begun.wait()
    home.seconds_pass(76)
    assert await talk.ended() == 4408
    await home.deserted()
    look_up.answer()
    await look_up.answered.wait()
    await home.nobody.get("/health")
    assert home.context.chat.fanout.connections_of(alice.user["id"]) == ()


async def test_nothing_of_http_outlives_the_upgrade(home: Place) -> None:
    alice = await home.person("alice")
    talk = await home.live(alice)
    (socket,) = home.registry.all()
    assert isinstance(socket, Socket)
    transport = socket._transport
    assert transport is not None
    assert transport.get_protocol() is socket
    gc.collect()
    live = [each for each in gc.get_objects() if isinstance(each, aiohttp.web.Request)]
    assert [request.path for request in live if request.path == "/ws"] == []
    assert await talk.is_well()


async def test_a_socket_that_has_ended_is_forgotten(home: Place) -> None:
    alice = await home.person("alice")
    for talk in (await home.live(alice), await home.resumed(alice), await home.upgraded()):
        talk.say(b"")
        await talk.ended()
    await home.deserted()
    await home.nobody.get("/health")
    gc.collect()
    assert [each for each in gc.get_objects() if isinstance(each, Socket)] == []


# TLS.


@pytest.fixture
async def secure(quick_settings: Settings, tmp_path: Path) -> AsyncIterator[Place]:
    """A server with a certificate of its own making."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    (tmp_path / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (tmp_path / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    paths = {"ssl_cert": tmp_path / "cert.pem", "ssl_key": tmp_path / "key.pem"}
    async with place(quick_settings, **paths) as secure:
        yield secure


async def test_over_tls_a_socket_opens_talks_and_is_closed_with_a_reason(secure: Place) -> None:
    assert secure.server.urls[0].startswith("https://")
    alice = await secure.person("alice")
    headers = {"Authorization": f"Bearer {alice.token}"}
    async with alice.session.ws_connect("/ws", headers=headers) as socket:
        assert (await socket.receive_json(timeout=10))["type"] == "ready"
        await socket.send_str('{"type":"ping"}')
        assert (await socket.receive_json(timeout=10))["type"] == "pong"
        await socket.send_str("{")
        assert (await socket.receive_json(timeout=10))["code"] == "malformed"
        await socket.receive(timeout=10)
        assert socket.close_code == 4400
    await secure.deserted()


async def test_over_tls_a_slow_reader_loses_nothing(secure: Place) -> None:
    alice, bob = await secure.person("alice"), await secure.person("bob")
    channel_id = await secure.channel(alice, bob)
    headers = {"Authorization": f"Bearer {bob.token}"}
    async with bob.session.ws_connect("/ws", headers=headers) as socket:
        assert (await socket.receive_json(timeout=10))["type"] == "ready"
        for number in range(20):
            body = {"content": "x" * 16_000, "nonce": str(number)}
            await alice.post(f"/channels/{channel_id}/messages", body)
        seqs = list[int]()
        while len(seqs) < 20:
            event = await socket.receive_json(timeout=10)
            seqs += [event["seq"]] if event["type"] == "new_message" else []
        assert seqs == list(range(3, 23))
