"""Logs that no process writes any more, such as that of a server which was taken out of use."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bot.records.chain import ENTRIES, LOCK
from bot.records.entries import read_line


@dataclass(frozen=True)
class IdleLog:
    """One of them, which nobody else opens meanwhile."""

    folder: Path

    @property
    def id(self) -> str:
        """The log's ID."""
        return self.folder.name

    def lines(self, after: int) -> Iterator[tuple[int, bytes]]:
        """Yields the number of each later entry, with all bytes that belong to it. A torn end is left out."""
        gathered = b""
        with (self.folder / ENTRIES).open("rb") as file:
            for line in file:
                gathered += line
                entry = read_line(line.removesuffix(b"\n")) if line.endswith(b"\n") else None
                if entry is not None:
                    if entry.place.sequence > after:
                        yield entry.place.sequence, gathered
                    gathered = b""


@contextmanager
def idle_logs(records: Path) -> Iterator[list[IdleLog]]:
    """Yields the idle logs in the folder `records`. A process that starts meanwhile uses another log."""
    with ExitStack() as locks:
        yield [
            IdleLog(folder)
            for folder in sorted(path for path in records.iterdir() if (path / ENTRIES).is_file())
            if _locked(folder, locks)
        ]


def _locked(folder: Path, locks: ExitStack) -> bool:
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    with suppress(OSError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        locks.callback(os.close, lock)
        return True
    os.close(lock)
    return False
