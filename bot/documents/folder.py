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

# The errors of a file system without hard links.
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
        """Returns the document of that name. A link, a folder or a pipe is none."""
        with self._opened() as folder:
            return _entry(name, folder) if is_plain(name) else None

    def read(self, entry: PlacedDocument, sink: Sink) -> str:
        """Reads the document. The opened file itself is checked, as the name may have moved to another file."""
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
        """Writes a hidden file, syncs it to disk, and then gives it its name. A kill may leave the hidden file."""
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
        """Removes the document. A change in the microseconds between the last check and the removal is lost."""
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
        """Returns why documents cannot be read, added and removed here; None if they can."""
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
    """Returns a regular file as a document, else None. The stamp has ctime, which a file's writer cannot set back."""
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
    """Gives the file its name by a hard link, which fails if the name exists, even with concurrent writers."""
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
