"""A file with many instances: a few made by a real run, copied as often as needed.

Copying rows takes seconds where running a hundred thousand flows would take minutes; what the hub finds is
the same.
"""

import sqlite3
from pathlib import Path
from typing import Final

from tests.bench import measure, processes

_WAITING: Final = "crowd-{:06}"
_ENDED: Final = "ended-{:06}"


def name(number: int) -> str:
    """The ID of the waiting instance with this number."""
    return _WAITING.format(number)


def ended_name(number: int) -> str:
    """The ID of the ended instance with this number."""
    return _ENDED.format(number)


def make(path: Path, waiting: int, ended: int = 0) -> None:
    """Make a hub's file at `path`: first ended instances, then instances that wait for their decision."""
    with processes.our_hub(path) as (_, address), processes.worker(address):
        driver = measure.Driver(address)
        for one in [ended_name(0)] * (ended > 0) + [name(0)]:
            driver.start([one])
            driver.until_waiting([one])
        if ended:
            driver.decide([ended_name(0)])
        driver.close()
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA synchronous = OFF")
    db.execute("BEGIN")
    # In the order of a real file: what ended began first.
    for pattern, count in ((_ENDED, ended), (_WAITING, waiting)):
        _multiply(db, pattern, count)
    db.execute("COMMIT")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()


def _multiply(db: sqlite3.Connection, pattern: str, count: int) -> None:
    if count < 2:
        return
    key = db.execute("SELECT key FROM instance WHERE id = ?", (pattern.format(0),)).fetchone()[0]
    above = db.execute("SELECT max(key) FROM instance").fetchone()[0]
    for table, owner in (("instance", "key"), ("history", "instance"), ("timer", "instance")):
        cursor = db.execute(f"SELECT * FROM {table} WHERE {owner} = ?", (key,))  # noqa: S608  # our own names
        columns = [column[0] for column in cursor.description]
        rows = cursor.fetchall()
        statement = f"INSERT INTO {table} VALUES ({', '.join('?' * len(columns))})"  # noqa: S608  # as above
        db.executemany(
            statement,
            (
                tuple(
                    above + number if column == owner else _renamed(value, pattern, number)
                    for column, value in zip(columns, row, strict=True)
                )
                for number in range(1, count)
                for row in rows
            ),
        )


def _renamed(value: object, pattern: str, number: int) -> object:
    """The value with the instance's ID replaced; IDs have equal length, so that protobuf bytes stay valid."""
    if isinstance(value, str):
        return value.replace(pattern.format(0), pattern.format(number))
    if isinstance(value, bytes):
        return value.replace(pattern.format(0).encode(), pattern.format(number).encode())
    return value
