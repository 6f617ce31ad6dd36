"""How an operator accepts the machine's clock: by a file beside the hub's, made by the hub's user or root.

No call does it, so no client of the hub can turn its clock.
"""

import os
import stat
import time
from contextlib import closing
from pathlib import Path
from typing import Final

from orchestration.hub.errors import HubError
from orchestration.hub.protocol import wire
from orchestration.hub.storage import file
from orchestration.hub.storage.clock import HOUR, SECOND
from orchestration.hub.storage.machine import TimeSource
from orchestration.hub.storage.sql import Q

# How far the wall clock may be from the time that the operator accepted, in microseconds. If it is farther, it may have
# been set again.
_VALID: Final = HOUR


def _file(path: Path) -> Path:
    return path.with_name(path.name + ".accept-clock")


# A running hub looks every second.
PATIENCE_S: Final = 10.0
_PAUSE_S: Final = 0.1


def accept(path: Path, source: TimeSource, patience_s: float = PATIENCE_S) -> str:
    """Have the hub on the file at `path` take the wall clock's time; returns what became of it, as a line for a person.

    A running hub is waited for so many seconds. Where none is running, the next one takes it. Raises HubError where it
    is not a hub's file, or this user may not write beside it.
    """
    file.snapshot(path)[0].close()
    ask(path, source.wall())
    until = time.monotonic() + patience_s
    while is_asked(path) and time.monotonic() < until:
        time.sleep(_PAUSE_S)
    if is_asked(path):
        return "No hub is running on this file. One that starts within an hour takes the machine's time."
    db, _ = file.snapshot(path)
    with closing(db):
        seen = db.execute(Q.clock_get).fetchone()["seen"]
    if abs(seen - source.wall()) > SECOND * patience_s:
        raise HubError("The hub did not take the machine's time. Its log says why.")
    return f"The hub's time is now {wire.to_datetime(seen):%Y-%m-%d %H:%M:%S} UTC."


def ask(path: Path, wall: int) -> None:
    """Ask the hub on the file at `path` to take the machine's time, which is `wall` (microseconds). Raises HubError."""
    place = _file(path)
    try:
        place.unlink(missing_ok=True)
        handle = os.open(place, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as asked:
            asked.write(str(wall))
    except OSError as error:
        raise HubError(f"{place} cannot be written: {error.strerror}. Run this as the hub's user.") from error


def is_asked(path: Path) -> bool:
    """Whether an acceptance waits for the hub on the file at `path`."""
    return _file(path).exists()


def is_valid(path: Path, wall: int) -> bool:
    """Whether the acceptance is by the hub's user or root, and of a time less than an hour from `wall`."""
    try:
        # Do not follow a link, or wait for a pipe, that somebody else put there.
        with os.fdopen(os.open(_file(path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as asked:
            found = os.fstat(asked.fileno())
            own = stat.S_ISREG(found.st_mode) and found.st_uid in {0, os.geteuid()}
            return own and abs(int(asked.read(32)) - wall) < _VALID
    except (OSError, ValueError):
        return False


def done(path: Path) -> None:
    """Remove the acceptance: it was taken or refused."""
    _file(path).unlink(missing_ok=True)
