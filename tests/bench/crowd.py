"""A file with many waiting instances: one made by a real run, copied as often as needed.

Copying rows takes seconds where running a hundred thousand flows would take minutes; what the hub finds is
the same.
"""

import sqlite3
from pathlib import Path
from typing import Final

from tests.bench import measure, processes

_PATTERN: Final = "crowd-{:06}"


def name(number: int) -> str:
    """The ID of the instance with this number."""
    return _PATTERN.format(number)


def make(path: Path, count: int) -> None:
    """Make a hub's file at `path` with `count` instances that wait for their decision."""
    with processes.our_hub(path) as (_, address), processes.worker(address):
        driver = measure.Driver(address)
        driver.start([name(0)])
        driver.until_waiting([name(0)])
        driver.close()
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA synchronous = OFF")
    db.execute("BEGIN")
    key = db.execute("SELECT key FROM instance WHERE id = ?", (name(0),)).fetchone()[0]
    for table, owner in (("instance", "key"), ("history", "instance"), ("timer", "instance")):
        _copy(db, table, owner, key, count)
    db.execute("COMMIT")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()


def _copy(db: sqlite3.Connection, table: str, owner: str, key: int, count: int) -> None:
    cursor = db.execute(f"SELECT * FROM {table} WHERE {owner} = ?", (key,))  # noqa: S608  # our own names
    columns = [column[0] for column in cursor.description]
    rows = cursor.fetchall()
    statement = f"INSERT INTO {table} VALUES ({', '.join('?' * len(columns))})"  # noqa: S608  # as above
    db.executemany(
        statement,
        (
            tuple(
                key + number if column == owner else _renamed(value, number)
                for column, value in zip(columns, row, strict=True)
            )
            for number in range(1, count)
            for row in rows
        ),
    )


def _renamed(value: object, number: int) -> object:
    """The value with the instance's ID replaced; IDs are of one length, so that protobuf bytes stay valid."""
    if isinstance(value, str):
        return value.replace(name(0), name(number))
    if isinstance(value, bytes):
        return value.replace(name(0).encode(), name(number).encode())
    return value
