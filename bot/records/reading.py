"""Reads logs from a data directory, an export or a store. Each has a folder for each log.

In it are the entries, as `entries*.jsonl` in the order of their names, and the log's heads, as `heads*.jsonl`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from fsspec.core import url_to_fs

from orchestration.domain.errors import CountersignError

ENTRIES: Final = "entries"
HEADS: Final = "heads"
SUFFIX: Final = ".jsonl"
PIECE: Final = 1024 * 1024  # bytes read at once
LONGEST: Final = 16 * 1024 * 1024  # bytes; a request has no outcome that is nearly as long


class LogsUnreadableError(CountersignError):
    """The logs cannot be read."""


class Logs:
    """The logs at one place: a path, or an address that fsspec knows, such as `s3://bucket/records`."""

    def __init__(self, place: str) -> None:
        """Raises `LogsUnreadableError` where there is none."""
        self.place = place
        try:
            self._files, root = url_to_fs(place)
            self._folders = {
                _name(folder): sorted(_name(file) for file in self._listed(folder, "file"))
                for folder in self._listed(root, "directory")
            }
            self._root = root
        except (OSError, ImportError, ValueError) as error:
            raise LogsUnreadableError(f"{place} cannot be read ({error}).") from error
        self._folders = {
            log: files
            for log, files in self._folders.items()
            if any(file.startswith(ENTRIES) for file in files)
        }
        if not self._folders:
            raise LogsUnreadableError(f"{place} has no logs: no folder in it has an {ENTRIES}{SUFFIX}.")

    def ids(self) -> list[str]:
        """The IDs of the logs, in order."""
        return sorted(self._folders)

    def lines(self, log: str) -> Iterator[bytes]:
        """The lines of its entries, without their ends. The last one may be cut short. Raises `LogsUnreadableError`."""
        return self._lines(log, ENTRIES)

    def heads(self, log: str) -> Iterator[str]:
        """Its heads, each a signed statement. Raises `LogsUnreadableError`."""
        for line in self._lines(log, HEADS, ended=True):
            if line.strip():
                yield line.decode(errors="replace").strip()

    def _of(self, log: str, kind: str) -> list[str]:
        return [file for file in self._folders[log] if file.startswith(kind) and file.endswith(SUFFIX)]

    def _lines(self, log: str, kind: str, *, ended: bool = False) -> Iterator[bytes]:
        """Yields the lines. `ended`: leave out a torn line at the end of a file."""
        rest = b""
        for file in self._of(log, kind):
            with self._open(log, file) as opened:
                try:
                    while piece := opened.read(PIECE):
                        *lines, rest = (rest + piece).split(b"\n")
                        yield from lines
                        if len(rest) > LONGEST:
                            raise LogsUnreadableError(
                                f"{log}/{file} is no log: a line has over {LONGEST} bytes."
                            )
                except OSError as error:
                    raise LogsUnreadableError(f"{log}/{file} cannot be read ({error}).") from error
            rest = b"" if ended else rest
        if rest:
            yield rest

    def _open(self, log: str, file: str) -> Any:
        try:
            return self._files.open(f"{self._root}/{log}/{file}", "rb")
        except OSError as error:
            raise LogsUnreadableError(f"{log}/{file} cannot be read ({error}).") from error

    def _listed(self, folder: str, type_: str) -> list[str]:
        self._files.invalidate_cache()
        return [str(one["name"]) for one in self._files.ls(folder, detail=True) if one["type"] == type_]


def _name(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]
