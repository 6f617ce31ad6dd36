"""Checks that no other user can write to the data directory: a token put there would be accepted."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from orchestration.domain.errors import CountersignError

# Files that nobody else may even read.
PRIVATE: Final = frozenset({"secret", "signing-keys.json", "tokens.toml"})
OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH


class DataDirError(CountersignError):
    """The data directory, or a file in it, is open to other users."""


def check(path: Path) -> None:
    """Raises `DataDirError` naming the path, what is wrong with it, and what to do."""
    fault = next(faults(path), None)
    if fault is not None:
        raise DataDirError(f"COUNTERSIGN_DATA_DIR: {fault}")


def check_given(file: Path, setting: str) -> None:
    """Checks one file outside the data directory in the same way. `setting` names it; it may be a link, as in mounts.

    The permissions of its directory are not checked: whoever sets the file is responsible for its place.
    """
    try:
        found = file.stat()
    except OSError as error:
        raise DataDirError(
            f"{setting}: {file} cannot be read ({error.strerror}); give a file that this user can read."
        ) from error
    if fault := changeable(file, found):
        raise DataDirError(f"{setting}: {fault}")


def changeable(file: Path, found: os.stat_result) -> str | None:
    """Returns a sentence that says what is wrong if others can change the file; None if they cannot."""
    if _is_ours(found) and not found.st_mode & OTHERS_WRITE:
        return None
    return (
        f"{file} can be changed by other users (uid {found.st_uid}, mode {stat.S_IMODE(found.st_mode):04o}); see "
        "that it was not changed, then make it this user's or root's, mode 0640 at most."
    )


def faults(path: Path) -> Iterator[str]:
    """Yields each fault as a sentence: the path, what is wrong with it, and what to do. Raises `OSError`."""
    found = path.stat()
    if not _is_ours(found):
        yield (
            f"{path} belongs to another user (uid {found.st_uid}), who can change what is in it; "
            "give a directory of the user that runs Countersign."
        )
    if found.st_mode & OTHERS:
        yield (
            f"{path} is open to other users (mode {stat.S_IMODE(found.st_mode):04o}). "
            f"See that nothing in it was changed, then run: chmod 700 {path}. "
            "Where the mode is not yours to set, as on a mounted volume, name a directory "
            "inside it that is not there yet."
        )
    for file in sorted(path.iterdir()):
        yield from _faults_of_file(file)


def _faults_of_file(file: Path) -> Iterator[str]:
    found = file.lstat()
    if not _is_ours(found):
        yield (
            f"{file} belongs to another user (uid {found.st_uid}); "
            "remove it, or chown it once you know what it holds."
        )
    if stat.S_ISLNK(found.st_mode):
        if file.name in PRIVATE:
            yield f"{file} is a symbolic link; put the file itself there, or give it by its setting."
        return
    open_to_others = OTHERS if file.name in PRIVATE else OTHERS_WRITE
    if found.st_mode & open_to_others:
        yield (
            f"{file} is open to other users (mode {stat.S_IMODE(found.st_mode):04o}). See that it was not changed, "
            f"then run: chmod {'700' if stat.S_ISDIR(found.st_mode) else '600'} {file}"
        )


def _is_ours(found: os.stat_result) -> bool:
    """Root can change everything anyway."""
    return found.st_uid in {os.geteuid(), 0}
