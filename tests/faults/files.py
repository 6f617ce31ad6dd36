"""Looks for numbers and codes where they must not be: in files, rows of the hub, and metadata."""

from __future__ import annotations

import re
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from tests.faults.facts import Facts

# Six digits by themselves: not a part of a number, a time, an ID or a digest.
_SIX: Final = re.compile(rb"(?<![\w.+:-])\d{6}(?![\w.:-])")
_SQLITE: Final = b"SQLite format 3\0"


def secrets_in_files(facts: Facts) -> Iterator[str]:
    """Each phone number and code that was found, with the place."""
    numbers = [number.lstrip("+").encode() for number in facts.phones.values()]
    codes = {code.encode() for code in facts.codes}
    for place, content in _contents(facts):
        yield from (f"a number in {place}: {number.decode()}" for number in numbers if number in content)
        yield from (f"a code in {place}: {code.decode()}" for code in codes & set(_SIX.findall(content)))


def _contents(facts: Facts) -> Iterator[tuple[str, bytes]]:
    for path in (*facts.files, *facts.logs):
        if not path.exists():
            continue
        content = path.read_bytes()
        yield path.name, content
        if content.startswith(_SQLITE):
            yield from _rows(path)
    for message in facts.messages():
        yield f"metadata at {message.ts}", str(message.metadata or "").encode()
        if message.ephemeral_to is None and not message.channel.startswith("D"):
            yield f"the message at {message.ts}", f"{message.text} {message.blocks}".encode()


def _rows(path: Path) -> Iterator[tuple[str, bytes]]:
    """Every value of every table; packed values also unpacked."""
    with closing(sqlite3.connect(path.resolve().as_uri() + "?mode=ro", uri=True)) as db:
        db.text_factory = bytes
        for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            table = name.decode()
            for row in db.execute(f'SELECT * FROM "{table}"'):  # noqa: S608 - the file's own name
                for value in row:
                    if isinstance(value, bytes):
                        yield f"{path.name}, table {table}", _unpacked(value)


def _unpacked(value: bytes) -> bytes:
    try:
        return zlib.decompress(value)
    except zlib.error:
        return value
