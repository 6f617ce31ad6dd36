"""Looks an outcome up in a log that another process writes, or that none writes any more. Only reads."""

from __future__ import annotations

import logging
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from bot.records.chain import ENTRIES, INDEX
from bot.records.entries import Entry, Kind, read_line
from bot.records.index import FIND, Indexed

log = logging.getLogger(__name__)


def entries_in(folder: Path, request: str, nonce: str, kind: Kind) -> list[Entry]:
    """The entries of that kind about that start of the request in the log of `folder`, as far as it can be read.

    An unreadable log does not delay outcomes in another log: `countersign audit verify` says what is wrong with it.
    """
    if not (folder / INDEX).is_file():
        return []
    try:
        return [entry for place in _places(folder, request, nonce, kind) if (entry := _read(folder, place))]
    except (OSError, sqlite3.Error) as error:
        log.warning("the records: the log %s cannot be looked at (%s)", folder.name, error)
        return []


def _places(folder: Path, request: str, nonce: str, kind: Kind) -> list[Indexed]:
    address = f"file:{quote(str((folder / INDEX).absolute()))}?mode=ro"
    with closing(sqlite3.connect(address, uri=True)) as db:
        return [Indexed(*row) for row in db.execute(FIND, (request, nonce, kind))]


def _read(folder: Path, place: Indexed) -> Entry | None:
    with (folder / ENTRIES).open("rb") as file:
        entry = read_line(os.pread(file.fileno(), place.ends - place.starts, place.starts))
    return entry if entry is not None and entry.hash == place.hash else None
