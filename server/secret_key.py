"""The key that tokens are signed with: given by the operator, or made at the first start and kept."""

import os
import secrets
from pathlib import Path
from typing import Final

from server.setting_kinds import SECRET_KEY_MIN_BYTES, SettingsError
from server.settings import Settings

FILE_NAME: Final = "secret.key"


def load_secret_key(settings: Settings) -> bytes:
    """The signing key, 32 bytes or more. Makes and keeps one when none is given and none is kept yet.

    Servers that start at once on one data folder end up with the same key. SettingsError when the key
    that is kept is too short; OSError when the folder cannot be read or written.
    """
    if settings.secret_key:
        return settings.secret_key.encode()
    path = settings.data_folder / FILE_NAME
    if not path.exists():
        _keep(path, secrets.token_urlsafe(48))
    key = path.read_bytes().strip()
    if len(key) < SECRET_KEY_MIN_BYTES:
        raise SettingsError(f"{path}: got {len(key)} bytes, takes at least {SECRET_KEY_MIN_BYTES}")
    return key


def _keep(path: Path, key: str) -> None:
    """Put the key there, whole and on disk, unless another process was faster: then its key stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(key + "\n")
            file.flush()
            os.fsync(file.fileno())
        path.hardlink_to(draft)
    except FileExistsError:
        pass
    finally:
        draft.unlink(missing_ok=True)
