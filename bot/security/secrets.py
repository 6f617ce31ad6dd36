"""The server's secrets, which sign keys in URLs and derive other keys. Made on first start unless given."""

from __future__ import annotations

import base64
import hmac
import os
import secrets
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final

from bot.security.whole_files import written_whole
from orchestration.domain.errors import CountersignError

FILE: Final = "secret"
SHORTEST: Final = 32  # bytes


class SecretError(CountersignError):
    """COUNTERSIGN_SECRET is not valid."""


class Secrets:
    """One or more secrets. The first one signs, all of them verify. Each purpose has its own derived key."""

    def __init__(self, *secrets_: bytes) -> None:
        if not secrets_ or any(len(secret) < SHORTEST for secret in secrets_):
            raise SecretError(
                f"COUNTERSIGN_SECRET: each secret needs at least {SHORTEST} bytes; "
                f"make one with `openssl rand -hex {SHORTEST}`."
            )
        self._secrets = secrets_

    @classmethod
    def load(cls, given: str | None, data_dir: Path) -> Secrets:
        """Loads the secrets from the setting (separated by spaces, newest first), else from the data directory."""
        if given:
            return cls(*(part.encode() for part in given.split()))
        path = data_dir / FILE
        if not path.exists():
            _create(path)
        found = path.read_text().split()
        if not found:
            raise SecretError(
                f"{path}: is empty. Restore it from a backup. Where this server has never run, remove the file and "
                "start again."
            )
        return cls(*(part.encode() for part in found))

    @property
    def values(self) -> tuple[bytes, ...]:
        """The secrets themselves, newest first, for code that derives keys in its own way."""
        return self._secrets

    def derive(self, purpose: str, about: str) -> bytes:
        """Derives a 32-byte key from the newest secret, which only this server can make."""
        return _derive(self._secrets[0], purpose, about)

    def derive_each(self, purpose: str, about: str) -> tuple[bytes, ...]:
        """Derives the key from every secret, newest first: to find what was made before a rotation."""
        return tuple(_derive(secret, purpose, about) for secret in self._secrets)

    def sign(self, purpose: str, about: str, *, until: datetime) -> str:
        """Returns a key for one thing, valid until a time: `EXPIRES.MAC`, URL-safe.

        EXPIRES is in seconds since 1970.
        """
        expires = str(int(until.timestamp()))
        return f"{expires}.{_mac(self._secrets[0], purpose, about, expires)}"

    def verify(self, purpose: str, about: str, key: str, *, now: datetime) -> bool:
        """Whether the key was signed for exactly this, and has not expired."""
        expires, _, mac = key.partition(".")
        if not (expires.isascii() and expires.isdigit() and len(expires) < 12) or not mac.isascii():
            return False
        signed = any(
            hmac.compare_digest(mac, _mac(secret, purpose, about, expires)) for secret in self._secrets
        )
        return signed and now.timestamp() < int(expires)


def _create(path: Path) -> None:
    """Creates the file atomically: a process that is killed midway leaves no empty file."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    with (
        written_whole(fresh, path),
        os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file,
    ):
        file.write(secrets.token_urlsafe(SHORTEST) + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        with suppress(FileExistsError):  # another process was first, and its secret is the one
            path.hardlink_to(fresh)
    finally:
        fresh.unlink()
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _derive(secret: bytes, purpose: str, about: str) -> bytes:
    return hmac.digest(hmac.digest(secret, purpose.encode(), "sha256"), about.encode(), "sha256")


def _mac(secret: bytes, purpose: str, about: str, expires: str) -> str:
    mac = _derive(secret, purpose, f"{about}\0{expires}")
    return base64.urlsafe_b64encode(mac).decode().rstrip("=")
