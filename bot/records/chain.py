"""One log: a file that only grows, of entries that each name the hash of the one before.

An entry is on disk (fsync) before anything depends on it. No written line is removed: a line that a kill has cut short
stays, and the next entry says that it is no entry.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from bot.records.entries import Entry, Kind, Place, read_line, unchecked_claims
from bot.records.index import Index, Indexed
from orchestration.domain.errors import CountersignError

ENTRIES: Final = "entries.jsonl"
INDEX: Final = "index.db"
LOCK: Final = "lock"

# Signs the claims of an entry that is no receipt, for its place.
SignClaims = Callable[[Place, dict[str, Any]], str]


class DamagedLogError(CountersignError):
    """The log is not as this server left it."""


class LogInUseError(CountersignError):
    """Another process writes this log."""


class Chain:
    """The log in one folder, whose name is the log's ID. One process has it open. Not to be shared between threads."""

    def __init__(self, folder: Path, sign: SignClaims) -> None:
        """Opens the log, or begins one in an empty folder, and mends what a kill has left.

        Raises `LogInUseError`, `DamagedLogError`, `OSError` or `sqlite3.Error`.
        """
        self.id = folder.name
        self.folder = folder
        self._sign = sign
        self._lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            raise LogInUseError from error
        self._doubtful = True
        try:
            self._file = os.open(folder / ENTRIES, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError:
            os.close(self._lock)
            raise
        self._index: Index | None = None
        try:
            _sync_folder(folder)
            self._index = Index(folder / INDEX)
            self._settle()
        except BaseException:
            self.close()
            raise

    @property
    def last(self) -> Indexed:
        """The last entry; its sequence is 0 where there is none."""
        return self._known.last()

    def append(self, kind: Kind, make: Callable[[Place], str], request: str = "", nonce: str = "") -> Entry:
        """Adds an entry, and returns it once it is on disk. `make` signs it for its place.

        Raises `OSError`, `sqlite3.Error` or `DamagedLogError`. After an error the entry may still be in the log: look
        with `find`.
        """
        self._settle()
        try:
            return self._write(kind, make, request, nonce)
        except sqlite3.Error:  # a damaged index is rebuilt before the next attempt
            self._doubtful = True
            raise

    def find(self, request: str, nonce: str, kind: Kind) -> list[Entry]:
        """Returns the entries of that kind about that start of the request, in order. Raises `DamagedLogError`."""
        self._settle()
        try:
            places = self._known.find(request, nonce, kind)
        except sqlite3.DatabaseError as error:
            self._replace_index(error)
            places = self._known.find(request, nonce, kind)
        return [self._read(place) for place in places]

    def lines(self, after: int = 0) -> Iterator[tuple[Entry, bytes]]:
        """Yields the entries after that number, each with its bytes and any torn line before it.

        Raises `DamagedLogError`.
        """
        before = self._known.at(after)
        starts = before.ends + 1 if before else 0
        while (place := self._known.at(after + 1)) is not None:
            entry = self._read(place)
            yield entry, os.pread(self._file, place.ends + 1 - starts, starts)
            after, starts = place.sequence, place.ends + 1

    def close(self) -> None:
        """Closes the log, so that another process can open it."""
        if self._index is not None:
            with suppress(sqlite3.Error):
                self._index.close()
            self._index = None  # later calls must not read another file that has got the same descriptor
        os.close(self._file)
        os.close(self._lock)

    @property
    def _known(self) -> Index:
        if self._index is None:
            raise AssertionError("the log is open")
        return self._index

    def _read(self, place: Indexed) -> Entry:
        line = os.pread(self._file, place.ends - place.starts, place.starts)
        entry = read_line(line)
        if entry is None or entry.hash != place.hash:
            raise DamagedLogError(f"{self._path}: entry {place.sequence} was changed after it was written.")
        return entry

    # ---- writing -----------------------------------------------------------------------------------------

    def _write(
        self, kind: Kind, make: Callable[[Place], str], request: str = "", nonce: str = "", lead: bytes = b""
    ) -> Entry:
        last = self.last
        place = Place(self.id, last.sequence + 1, last.hash)
        entry = Entry(place, kind, request, nonce, make(place))
        size = os.fstat(self._file).st_size
        try:
            _write_all(self._file, lead + entry.line() + b"\n")
            os.fsync(self._file)
        except OSError:
            self._undo(size)
            raise
        starts = size + len(lead)
        try:
            self._known.add(entry, starts, starts + len(entry.line()))
        except sqlite3.Error:  # the entry is on record all the same, and a later `find` has to find it
            self._doubtful = True
            raise
        return entry

    def _undo(self, size: int) -> None:
        """Removes a line that this process has just written in part.

        If that fails, the next call checks the file again.
        """
        try:
            os.ftruncate(self._file, size)
        except OSError:  # such as for a file that may only grow
            self._doubtful = True

    def _settle(self) -> None:
        """Indexes entries that are only on disk, and mends the file's end. Raises `DamagedLogError` or `OSError`."""
        if not self._doubtful:
            return
        os.fsync(self._file)
        try:
            torn = self._catch_up()
        except sqlite3.DatabaseError as error:
            self._known.clear_if(error)
            torn = self._catch_up()
        if torn:
            self._mend()
        self._doubtful = False

    def _replace_index(self, error: sqlite3.DatabaseError) -> None:
        """Rebuilds the index if the error says that it is damaged. Otherwise raises the error."""
        self._known.clear_if(error)
        self._doubtful = True
        self._settle()

    def _mend(self) -> None:
        """Ends the line that was cut short, and adds an entry which says that this line is none."""
        starts, size = _behind(self.last), os.fstat(self._file).st_size
        torn = os.pread(self._file, size - starts, starts)
        lead = b"" if torn.endswith(b"\n") else b"\n"
        self._write(
            Kind.MENDED,
            lambda place: self._sign(place, {"kind": Kind.MENDED, **torn_claims(torn + lead)}),
            lead=lead,
        )

    # ---- opening -----------------------------------------------------------------------------------------

    @property
    def _path(self) -> Path:
        return self.folder / ENTRIES

    def _catch_up(self) -> bool:
        """Indexes the entries after the last indexed one. Returns whether the file ends in a line that was cut short.

        Raises `DamagedLogError`.

        An entry that is in the index was on disk. So if the log ends before that entry, somebody has cut it; a kill
        cannot do that.
        """
        last = self.last
        if last.sequence:
            if os.fstat(self._file).st_size <= last.ends:
                raise DamagedLogError(f"{self._path}: was cut; it had {last.sequence} entries.")
            self._read(last)
        with open(self._file, "rb", closefd=False) as file, self._known.at_once():
            file.seek(_behind(last))
            return self._take_lines(file)

    def _take_lines(self, lines: Iterable[bytes]) -> bool:
        last, torn, at = self.last, b"", _behind(self.last)
        for line in lines:
            entry = read_line(line.removesuffix(b"\n"))
            if entry is None:
                torn += line
                at += len(line)
                continue
            if not self._follows(entry, last, torn):
                raise DamagedLogError(
                    f"{self._path}: entry {entry.place.sequence} does not follow entry {last.sequence}."
                )
            if not line.endswith(b"\n"):  # the whole entry was written except its line break
                _write_all(self._file, b"\n")
                os.fsync(self._file)
            ends = at + len(entry.line())
            self._known.add(entry, at, ends)
            last, torn, at = self.last, b"", ends + 1
        return bool(torn)

    def _follows(self, entry: Entry, last: Indexed, torn: bytes) -> bool:
        if entry.place != Place(self.id, last.sequence + 1, last.hash):
            return False
        return not torn or is_mended(entry, torn)


def torn_claims(torn: bytes) -> dict[str, Any]:
    """Returns the claims about a line that was cut short: its length and hash. The next entry signs them."""
    return {"torn_bytes": len(torn), "torn_sha256": hashlib.sha256(torn).hexdigest()}


def is_mended(entry: Entry, torn: bytes) -> bool:
    """Whether this entry says that those bytes before it are no entry."""
    if entry.kind is not Kind.MENDED:
        return False
    return torn_claims(torn).items() <= unchecked_claims(entry.jws).items()


def _behind(place: Indexed) -> int:
    """Where the next line starts, in bytes."""
    return place.ends + 1 if place.sequence else 0


def _write_all(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]


def _sync_folder(folder: Path) -> None:
    """Syncs the folder: a new file survives a crash only once its folder is on disk."""
    for path in (folder, folder.parent):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
