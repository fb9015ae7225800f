"""The certificate that the server shows, where there is one."""

import ssl

from server.settings import Settings, SettingsError


def has_tls(settings: Settings) -> bool:
    """Whether both files are there."""
    return settings.ssl_cert.exists() and settings.ssl_key.exists()


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    """None without the files. Raises SettingsError for files that cannot be used."""
    if not has_tls(settings):
        return None
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        tls.load_cert_chain(settings.ssl_cert, settings.ssl_key)
    except OSError as error:
        raise SettingsError(
            f"AI_MESSAGE_SSL_CERT, AI_MESSAGE_SSL_KEY: got {settings.ssl_cert} and {settings.ssl_key} "
            f"({error.strerror or error}), take a PEM certificate chain and its key"
        ) from None
    return tls
