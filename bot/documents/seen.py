"""Remembers on disk what a watcher has seen, so that an unchanged document is not read again.

It is a cache. The task hub alone knows which reviews there are: without this file each document is read once more, and
its review is found by its idempotency key.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bot.documents.place import PlacedDocument

FILE: Final = "documents.sqlite"
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS seen (
    policy     TEXT NOT NULL,
    place      TEXT NOT NULL,
    name       TEXT NOT NULL,
    size       INTEGER NOT NULL,
    stamp      TEXT NOT NULL,
    sha256     TEXT NOT NULL,
    request_id TEXT NOT NULL,
    ended      INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (policy, place, name)
) WITHOUT ROWID
"""


@dataclass(frozen=True)
class Seen:
    """A document as it was when its newest review was asked. `ended` says that nobody decides it any more."""

    entry: PlacedDocument
    sha256: str
    request_id: str
    ended: bool = False


class SeenDocuments:
    """Those of all places. Safe to share between threads. Raises `sqlite3.Error`."""

    def __init__(self, data_dir: Path) -> None:
        """Makes the file anew where it is none of ours: nothing is lost with it."""
        self._lock = threading.Lock()
        path = data_dir / FILE
        try:
            self._open(path)
        except sqlite3.OperationalError:  # such as a full disk
            raise
        except sqlite3.DatabaseError:
            path.unlink(missing_ok=True)
            self._open(path)

    def _open(self, path: Path) -> None:
        self._file = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        path.chmod(0o600)
        self._file.execute(_SCHEMA)

    def close(self) -> None:
        """Closes the file, once whoever uses it has done so."""
        with self._lock:
            self._file.close()

    def all(self, policy: str, place: str) -> dict[str, Seen]:
        """By name."""
        with self._lock:
            rows = self._file.execute(
                "SELECT name, size, stamp, sha256, request_id, ended FROM seen WHERE policy = ? AND place = ?",
                (policy, place),
            ).fetchall()
        return {
            row[0]: Seen(PlacedDocument(row[0], row[1], row[2]), row[3], row[4], bool(row[5])) for row in rows
        }

    def put(self, policy: str, place: str, seen: Seen) -> None:
        """Stores a document, and replaces what was known of that name."""
        entry = seen.entry
        row = (policy, place, entry.name, entry.size, entry.stamp, seen.sha256, seen.request_id, seen.ended)
        with self._lock:
            self._file.execute("INSERT OR REPLACE INTO seen VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)

    def forget(self, policy: str, place: str, names: Collection[str]) -> None:
        """Removes documents that are not there any more."""
        rows = [(policy, place, name) for name in names]
        with self._lock:
            self._file.executemany("DELETE FROM seen WHERE policy = ? AND place = ? AND name = ?", rows)
