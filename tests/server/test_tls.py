"""The certificate: used where both files are there, and refused with a word where it cannot be."""

import ssl
from pathlib import Path

import pytest

from server.settings import Settings, SettingsError
from server.tls import has_tls, tls_context
from tests.server.certificates import make_certificate


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(ssl_cert=tmp_path / "cert.pem", ssl_key=tmp_path / "key.pem")


def test_without_either_file_there_is_no_tls(settings: Settings) -> None:
    settings.ssl_key.write_text("a key alone")
    assert (has_tls(settings), tls_context(settings)) == (False, None)


def test_a_certificate_and_its_key_are_used(settings: Settings) -> None:
    make_certificate(settings.ssl_cert.parent)
    assert isinstance(tls_context(settings), ssl.SSLContext)


def test_files_that_cannot_be_used_are_named_with_their_settings(settings: Settings) -> None:
    for file in (settings.ssl_cert, settings.ssl_key):
        file.write_text("no PEM")
    with pytest.raises(SettingsError, match=r"AI_MESSAGE_SSL_CERT, AI_MESSAGE_SSL_KEY: got .*cert.pem"):
        tls_context(settings)
