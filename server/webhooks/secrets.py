"""Secrets of webhooks: random; hashed where we only know them again, sealed where we sign with them."""

import base64
import secrets
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from protocol.ids import ChannelId

KEY_BYTES: Final = 32
SECRET_BYTES: Final = 32
NONCE_BYTES: Final = 12
PURPOSE: Final = b"parley: secrets of outgoing webhooks"
PREFIX: Final = "whsec_"


def new_hook_secret() -> str:
    """256 random bits, as a part of a URL."""
    return secrets.token_urlsafe(SECRET_BYTES)


def new_signing_secret() -> str:
    """As Standard Webhooks writes them: https://www.standardwebhooks.com, "Signature scheme"."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


class Sealer:
    """Seals secrets with a key that is derived from the server's own and serves nothing else.

    A sealed secret can be opened for the channel that it was sealed for, and for no other.
    """

    def __init__(self, secret_key: bytes) -> None:
        key = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=PURPOSE).derive(secret_key)
        self._cipher = AESGCM(key)

    def seal(self, secret: str, channel_id: ChannelId) -> str:
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, secret.encode(), str(channel_id).encode())
        return base64.b64encode(nonce + sealed).decode()

    def open(self, sealed: str, channel_id: ChannelId) -> str | None:
        """None when it was sealed with another key, as after `SECRET_KEY` was changed."""
        data = base64.b64decode(sealed)
        try:
            opened = self._cipher.decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], str(channel_id).encode())
        except InvalidTag:
            return None
        return opened.decode()
