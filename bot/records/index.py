"""Finds entries of a log by request. It can be rebuilt from the log, and knows how far the log was written."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bot.records.entries import FIRST, Entry, Kind

log = logging.getLogger(__name__)

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS entries (
    sequence INTEGER PRIMARY KEY,
    starts INTEGER NOT NULL,
    ends INTEGER NOT NULL,
    hash TEXT NOT NULL,
    kind TEXT NOT NULL,
    request TEXT NOT NULL,
    nonce TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS entries_by_request ON entries (request, nonce) WHERE request <> '';
"""
# Where the entries of one kind about one start of a request are, in order.
FIND: Final = (
    "SELECT sequence, starts, ends, hash FROM entries "
    "WHERE request = ? AND nonce = ? AND request <> '' AND kind = ? ORDER BY sequence"
)
# Seconds to wait for another program that has it locked. What could not be written is tried again later.
_LOCK_S: Final = 1.0
_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


@dataclass(frozen=True)
class Indexed:
    """Where the line of an entry is in the file, in bytes, without its end; and the hash of it."""

    sequence: int
    starts: int
    ends: int
    hash: str


BEGINNING: Final = Indexed(0, 0, 0, FIRST)


class Index:
    """An SQLite file beside the log. Not to be shared between threads without a lock."""

    def __init__(self, path: Path) -> None:
        """Creates the index if there is none or it is from another release.

        One that only cannot be opened now is kept: nothing else knows how long the log was.
        """
        self._path = path
        try:
            self._db = _open(path)
        except sqlite3.DatabaseError as error:
            if _code(error) not in {*_DAMAGED, sqlite3.SQLITE_ERROR}:  # the last: it has other columns
                raise
            self._make_again()

    def clear_if(self, error: sqlite3.DatabaseError) -> None:
        """Replaces a damaged index with an empty one. Raises the error if it does not mean damage."""
        if _code(error) not in _DAMAGED:
            raise error
        with suppress(sqlite3.Error):
            self._db.close()
        self._make_again()

    def _make_again(self) -> None:
        log.error(
            "ALARM the index %s cannot be read, and is made again from the log. Whether the log was cut meanwhile is "
            "known only elsewhere: run countersign audit verify with heads and receipts that others have kept.",
            self._path,
        )
        for suffix in ("", "-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
        self._db = _open(self._path)

    def last(self) -> Indexed:
        """The last entry that is in it."""
        row = self._db.execute(
            "SELECT sequence, starts, ends, hash FROM entries ORDER BY sequence DESC LIMIT 1"
        ).fetchone()
        return Indexed(*row) if row else BEGINNING

    def add(self, entry: Entry, starts: int, ends: int) -> None:
        """Adds an entry that is on disk."""
        self._db.execute(
            "INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?)",
            (entry.place.sequence, starts, ends, entry.hash, entry.kind, entry.request, entry.nonce),
        )

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Adds many entries in one transaction: all of them, or none where it ends in an error."""
        self._db.execute("BEGIN")
        try:
            yield
        except BaseException:
            if self._db.in_transaction:  # SQLite ends it by itself where the disk fails
                self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def find(self, request: str, nonce: str, kind: Kind) -> list[Indexed]:
        """The entries of that kind about that start of the request, in order."""
        return [Indexed(*row) for row in self._db.execute(FIND, (request, nonce, kind))]

    def at(self, sequence: int) -> Indexed | None:
        """The entry of that number."""
        row = self._db.execute(
            "SELECT sequence, starts, ends, hash FROM entries WHERE sequence = ?", (sequence,)
        ).fetchone()
        return Indexed(*row) if row else None

    def close(self) -> None:
        """Writes what is still to be written."""
        self._db.close()


def _code(error: sqlite3.DatabaseError) -> int:
    """Returns the error's primary code, the last byte of an extended code. Errors of Python's own have none."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _open(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, _LOCK_S, isolation_level=None, check_same_thread=False)
    try:
        # A commit need not reach the disk: lost index entries are read from the log again.
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.executescript(_SCHEMA)
        db.execute("SELECT count(*) FROM (SELECT 1 FROM entries LIMIT 1)")
    except BaseException:
        db.close()
        raise
    return db
