"""The heads of a log on this machine: one a line, beside its entries."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bot.records.entries import unchecked_claims, unchecked_header
from bot.security.signatures import time_of

FILE: Final = "heads.jsonl"


@dataclass(frozen=True)
class LastHead:
    """The newest head: of which entry, by which key, and when (as it says, and in seconds since 1970)."""

    sequence: int
    kid: str
    signed_at: str
    at: float


class HeadFile:
    """Written by the process that writes the log, from one thread."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self.last: LastHead | None = None
        if self._path.exists():
            *whole, _ = self._path.read_bytes().split(b"\n")
            self.last = _read(whole[-1].decode(errors="replace")) if whole else None

    def add(self, head: str) -> None:
        """Adds a head, which is on disk when this returns. A partial head that a kill has left is removed."""
        file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            size = os.fstat(file).st_size
            whole = os.pread(file, size, 0).rfind(b"\n") + 1
            os.ftruncate(file, whole)
            os.pwrite(file, head.encode() + b"\n", whole)
            os.fsync(file)
        finally:
            os.close(file)
        self.last = _read(head)


def _read(head: str) -> LastHead | None:
    claims = unchecked_claims(head)
    at = time_of(claims.get("signed_at"))
    if at is None or not isinstance(claims.get("sequence"), int):
        return None
    return LastHead(
        claims["sequence"], str(unchecked_header(head).get("kid")), claims["signed_at"], at.timestamp()
    )
