"""A quick look at a hub's file, which a hub may serve meanwhile. It reads very little; `check` reads all."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from orchestration.hub.protocol import wire
from orchestration.hub.storage import file
from orchestration.hub.storage.sql import CHECKS

PATIENCE: Final = 2.0  # seconds that another program may have the file locked


@dataclass(frozen=True, slots=True)
class Glance:
    """What a glance found. `size` is in bytes; `overdue` is how long the oldest timer or activity is overdue."""

    schema: int
    size: int
    overdue: timedelta


def glance(path: Path, now: datetime) -> Glance:
    """Look at the file; `now` is aware. Raises `HubError` where it is not a hub's, is damaged, newer, or locked."""
    db, schema = file.snapshot(path, PATIENCE)
    with closing(db):
        try:
            [oldest] = db.execute(CHECKS.oldest_work).fetchone()
        except sqlite3.DatabaseError as error:
            raise file.unreadable(path, error) from error
    passed = wire.to_micros(now) - oldest if oldest is not None else 0
    return Glance(schema, path.stat().st_size, timedelta(microseconds=max(passed, 0)))
