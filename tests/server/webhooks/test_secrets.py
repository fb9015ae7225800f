"""Secrets are read again by whoever has the key, for the channel they are of."""

from standardwebhooks.webhooks import Webhook

from protocol.ids import ChannelId
from server.webhooks.secrets import Sealer, new_hook_secret, new_signing_secret

ONE, OTHER = ChannelId(1), ChannelId(2)


def test_a_sealed_secret_opens_with_its_key_and_channel_only() -> None:
    sealer = Sealer(b"k" * 32)
    secret = new_signing_secret()
    sealed = sealer.seal(secret, ONE)
    assert secret not in sealed
    assert sealer.seal(secret, ONE) != sealed
    assert Sealer(b"k" * 32).open(sealed, ONE) == secret
    assert sealer.open(sealed, OTHER) is None
    assert Sealer(b"x" * 32).open(sealed, ONE) is None


def test_secrets_are_new_each_time_and_fit_the_scheme() -> None:
    assert new_hook_secret() != new_hook_secret()
    assert new_signing_secret() != new_signing_secret()
    Webhook(new_signing_secret())
