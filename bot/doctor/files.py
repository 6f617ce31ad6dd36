"""Checks the disk: the data directory and its content, files that hold secrets, and free space."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Final

from bot.doctor.finding import DoctorFinding, error, ok, warning
from bot.doctor.subject import Subject, files_of
from bot.security import data_dir
from bot.security.keys import FILE as KEYS
from bot.security.tokens import TokenError, TokenFile

MEBIBYTE: Final = 1024 * 1024
LITTLE: Final = 1024 * MEBIBYTE
TOO_LITTLE: Final = 100 * MEBIBYTE
# A platform may mount a secret so that the group of the server reads it.
OTHERS: Final = stat.S_IRWXO | stat.S_IWGRP


async def check(subject: Subject) -> AsyncGenerator[DoctorFinding, None]:
    """Checks everything on the disk except the policy file and the hub's file."""
    place = subject.settings.data_dir
    for finding in [*_data_dir(place), *_secret_files(subject)]:
        yield finding
    yield room(place, shutil.disk_usage(_nearest(place)).free)
    for finding in _tokens(subject.settings.tokens):
        yield finding
    for finding in _keys(subject):
        yield finding


def room(place: Path, free: int) -> DoctorFinding:
    """The finding for so many free bytes."""
    left = f"{free // MEBIBYTE:,} MiB are free where {place} is"
    if free < TOO_LITTLE:
        return error("disk.room", f"{left}; make room, as a full disk records nothing.")
    if free < LITTLE:
        return warning("disk.room", f"{left}; make room before it is full.")
    return ok("disk.room", f"{left}.")


def _data_dir(place: Path) -> Iterator[DoctorFinding]:
    name = "COUNTERSIGN_DATA_DIR"
    try:
        if not place.exists():
            parent = _nearest(place)
            if os.access(parent, os.W_OK | os.X_OK):
                yield ok("disk.data", f"{place} is not there yet; the first start makes it.")
            else:
                yield error(
                    "disk.data",
                    f"{name}: {place} cannot be made, as this user cannot write to {parent}; give another directory.",
                )
            return
        faults = list(data_dir.faults(place))
    except OSError as failure:
        yield error(
            "disk.data",
            f"{name}: {place} cannot be read ({failure.strerror}); run this as the user that runs the server.",
        )
        return
    for fault in faults:
        yield error("disk.data", f"{name}: {fault.rstrip('.')}.")
    if not os.access(place, os.W_OK | os.X_OK):
        yield error(
            "disk.data",
            f"{name}: {place} cannot be written to by this user; give a directory that can.",
        )
    elif not faults:
        yield ok("disk.data", f"{place} and what is in it is this user's alone.")


def _secret_files(subject: Subject) -> Iterator[DoctorFinding]:
    for name, file in files_of(subject.environment).items():
        try:
            mode = stat.S_IMODE(file.stat().st_mode)
        except OSError:
            continue  # reading it as a setting failed too, and that is reported there
        if mode & OTHERS:
            yield warning(
                "disk.secrets",
                f"{name}: {file} is open to other users (mode {mode:04o}), and holds secrets; run: chmod 600 {file}.",
            )


def _tokens(place: Path) -> Iterator[DoctorFinding]:
    try:
        good = [token for token in TokenFile(place).all() if token.revoked_at is None]
    except TokenError as failure:
        yield error("tokens", str(failure))
    except OSError:
        return  # another finding says that the data directory cannot be read
    else:
        yield ok("tokens", f"{len(good)} API tokens are in force.")


def _keys(subject: Subject) -> Iterator[DoctorFinding]:
    if subject.keys is not None:
        signing = [kid for kid, retired in subject.keys.listed() if retired is None]
        yield ok("keys", f"The key {signing[0]} signs receipts; {len(signing)} in all verify them.")
    elif not subject.settings.signing_key and not os.path.exists(subject.settings.data_dir / KEYS):  # noqa: PTH110 - it takes a folder that nobody may read for one that is not there
        yield ok("keys", "There is no key that signs receipts yet; the first start makes one.")


def _nearest(place: Path) -> Path:
    """The directory itself, or its nearest parent that exists."""
    return next(path for path in (place, *place.parents) if os.path.exists(path))  # noqa: PTH110 - as above
