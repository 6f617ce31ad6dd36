"""Files: what the app uploads, to be shown in messages."""

import secrets
from dataclasses import dataclass

from bot.simulator.workspace.store import Store


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """A file. `data` is None until its bytes have come."""

    id: str
    name: str
    length: int
    data: bytes | None


class UploadedFiles:
    """Reads and writes files."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def announce(self, name: str, length: int) -> tuple[str, str]:
        """Register a file of `length` bytes. Returns its ID, and the secret in the address that receives it."""
        made, secret = f"F{secrets.token_hex(5).upper()}", secrets.token_urlsafe(24)
        self._store.execute("INSERT INTO file VALUES (?, ?, ?, ?, NULL)", made, secret, name, length)
        return made, secret

    def receive(self, secret: str, data: bytes) -> bool:
        """Store the bytes of a file; False when no file with this secret and length was announced."""
        return bool(
            self._store.execute(
                "UPDATE file SET data = ? WHERE secret = ? AND length = ?", data, secret, len(data)
            )
        )

    def get(self, file_id: str) -> UploadedFile | None:
        """Return a file, or None."""
        row = self._store.one("SELECT id, name, length, data FROM file WHERE id = ?", file_id)
        return UploadedFile(row["id"], row["name"], row["length"], row["data"]) if row else None
