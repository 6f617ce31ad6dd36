"""A folder of this machine as a place of documents. No link in it is followed."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from bot.documents.names import is_document, is_plain
from bot.documents.place import CHUNK, DocumentChangedError, PlacedDocument, PlaceError, Sink

# What a file system says that has no hard links.
_NO_LINKS: Final = frozenset({errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EMLINK})
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class DocumentFolder:
    """See `DocumentPlace`. Every name is looked up in the opened folder, so that no renamed parent leads elsewhere."""

    def __init__(self, path: str) -> None:
        self.address = path

    def entries(self) -> list[PlacedDocument]:
        """The documents that are there now."""
        with self._opened() as folder, os.scandir(folder) as found:
            return [
                entry
                for one in found
                if is_document(one.name) and (entry := _entry(one.name, folder)) is not None and entry.size
            ]

    def entry(self, name: str) -> PlacedDocument | None:
        """A link, a folder or a pipe is no document."""
        with self._opened() as folder:
            return _entry(name, folder) if is_plain(name) else None

    def read(self, entry: PlacedDocument, sink: Sink) -> str:
        """What is opened is looked at, and not what had the name a moment before."""
        sha256 = hashlib.sha256()
        with self._opened() as folder:
            try:
                file = os.open(entry.name, _READ, dir_fd=folder)
            except OSError as error:
                if error.errno in {errno.ELOOP, errno.ENXIO, errno.EISDIR}:
                    raise DocumentChangedError from error
                raise
            with os.fdopen(file, "rb") as reading:
                if _stamped(entry.name, os.fstat(file)) != entry:
                    raise DocumentChangedError
                left = entry.size
                while piece := reading.read(min(CHUNK, left + 1)):
                    left -= len(piece)
                    if left < 0:
                        raise DocumentChangedError
                    sha256.update(piece)
                    sink(piece)
                if left or _stamped(entry.name, os.fstat(file)) != entry:
                    raise DocumentChangedError
        return sha256.hexdigest()

    def add(self, name: str, path: Path) -> bool:
        """Written under a hidden name, forced to disk, and only then given its own. A kill may leave the hidden one."""
        hidden = f".countersign-{secrets.token_hex(8)}.part"
        with self._opened() as folder:
            if _taken(name, folder):
                return False
            try:
                _copy(path, hidden, folder)
                added = _give_name(hidden, name, folder)
                os.fsync(folder)
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(hidden, dir_fd=folder)
        return added

    def remove(self, entry: PlacedDocument) -> bool:
        """Between the last look and the removal there are microseconds in which a change would be lost."""
        with self._opened() as folder:
            there = _entry(entry.name, folder)
            if there is None:
                return True
            if there != entry:
                return False
            os.unlink(entry.name, dir_fd=folder)
            os.fsync(folder)
        return True

    def fault(self) -> str | None:
        """Documents are read in it, put into it, and removed from it."""
        try:
            with self._opened() as folder:
                allowed = os.access(".", os.R_OK | os.W_OK | os.X_OK, dir_fd=folder)
        except PlaceError as error:
            return str(error)
        return None if allowed else f"{self.address} cannot be written to by this user; give it the right to"

    @contextmanager
    def _opened(self) -> Iterator[int]:
        try:
            folder = os.open(self.address, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise PlaceError(f"there is no folder {self.address}; make it, or correct its path") from error
        except NotADirectoryError as error:
            raise PlaceError(f"{self.address} is no folder; give the path of one") from error
        except PermissionError as error:
            raise PlaceError(f"{self.address} cannot be read by this user; give it the right to") from error
        try:
            yield folder
        finally:
            os.close(folder)


def _entry(name: str, folder: int) -> PlacedDocument | None:
    try:
        return _stamped(name, os.stat(name, dir_fd=folder, follow_symlinks=False))
    except FileNotFoundError:
        return None


def _stamped(name: str, found: os.stat_result) -> PlacedDocument | None:
    """Who writes a file can set its time back, but not that of its last change of any kind (ctime)."""
    if not stat.S_ISREG(found.st_mode):
        return None
    return PlacedDocument(name, found.st_size, f"{found.st_ino}-{found.st_mtime_ns}-{found.st_ctime_ns}")


def _taken(name: str, folder: int) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _copy(path: Path, name: str, folder: int) -> None:
    how = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with path.open("rb") as source, os.fdopen(os.open(name, how, 0o666, dir_fd=folder), "wb") as target:
        while piece := source.read(CHUNK):
            target.write(piece)
        target.flush()
        os.fsync(target.fileno())


def _give_name(hidden: str, name: str, folder: int) -> bool:
    """A hard link is made only where nothing has the name, whoever else writes there at the same moment."""
    try:
        os.link(hidden, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if _taken(name, folder):
            return False
        os.rename(hidden, name, src_dir_fd=folder, dst_dir_fd=folder)
    return True
