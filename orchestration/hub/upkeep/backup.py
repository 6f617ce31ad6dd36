"""Copies a hub's file while the hub serves it. The copy has everything that was acknowledged before it began."""

import os
import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Final

from orchestration.hub.errors import HubError
from orchestration.hub.storage import file
from orchestration.hub.upkeep import check

# Pages copied at a time: 1 MiB, written to disk before the next, with a pause. One large flush at the end would
# delay the fsyncs of the hub on the same disk.
_PAGES: Final = 256
_PAUSE_S: Final = 0.005


def backup(path: Path, target: Path) -> check.Report:
    """Copy the file at `path` to `target`, which must not exist; returns the report of a check of the copy.

    The copy shows one moment of the file, however long it takes. It delays no writer, but the hub's log grows
    until it is made. `target` appears only once it is on disk and found whole, readable by its owner only. Run it
    in another process than the hub. Raises HubError.
    """
    try:
        if target.exists():
            raise _exists(target)
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    except OSError as error:
        raise HubError(f"The backup cannot be written to {target}: {error.strerror}.") from error
    partial = Path(name)
    try:
        _copy(path, partial, handle)
        report = check.check(partial)
        report.path = target
        if not report.count:
            _publish(partial, target, handle)
    except sqlite3.Error as error:
        raise HubError(f"{path} cannot be copied: {error}.") from error
    except FileExistsError:
        raise _exists(target) from None
    except OSError as error:
        raise HubError(f"The backup cannot be written to {target}: {error.strerror}.") from error
    finally:
        os.close(handle)
        partial.unlink(missing_ok=True)
    if report.count:
        raise HubError(f"{path} is damaged, and its copy would be too, so none was made. `check` says more.")
    return report


def _exists(target: Path) -> HubError:
    return HubError(f"{target} exists, and a backup overwrites nothing. Name another file.")


def _copy(path: Path, partial: Path, handle: int) -> None:
    def pause(_status: int, _remaining: int, _total: int) -> None:
        os.fsync(handle)
        time.sleep(_PAUSE_S)

    # The snapshot is one transaction. Without it, each step would see what was written since the last step and
    # start again, so that on a busy hub the copy would never end.
    source, _ = file.snapshot(path)
    with closing(source), closing(sqlite3.connect(partial, isolation_level=None)) as copy:
        copy.execute("PRAGMA journal_mode = OFF")
        copy.execute("PRAGMA synchronous = OFF")
        source.backup(copy, pages=_PAGES, progress=pause)
        # This makes the copy one file that needs no log. A hub that finds another file's log beside its file refuses to
        # start.
        copy.execute("PRAGMA journal_mode = DELETE")


def _publish(partial: Path, target: Path, handle: int) -> None:
    os.fsync(handle)
    # A link fails if `target` has appeared meanwhile; a rename would overwrite it.
    os.link(partial, target)
    partial.unlink()
    directory = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
