"""One SQLite file that holds the workspace."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

from bot.simulator.errors import SimulatorError

# Each script extends the schema of the one before. An older file gets the scripts that it lacks.
SCHEMAS = ("schema.sql", "phones.sql", "files.sql", "archived.sql")
# Marks the file as ours ("CsSi"), so that the database of another program is refused, not changed.
APPLICATION_ID = 0x43735369


class Store:
    """A transactional SQLite database, on disk at `path` or in memory when None.

    Every change is committed before the call that makes it returns, so it outlives a kill of the process. For
    use by one thread at a time (the event loop's). Statements take microseconds, so they run on the calling
    thread.

    Raises SimulatorError when the file is in use by another simulator, is not a simulator's file, or was written by a
    newer version.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        try:
            # Not bound to the thread that opens it: a test may serve the workspace from another thread.
            self._db = sqlite3.connect(path or ":memory:", 0.3, isolation_level=None, check_same_thread=False)
        except sqlite3.OperationalError as error:
            raise SimulatorError(f"{path} cannot be opened; does its directory exist?") from error
        self._db.row_factory = sqlite3.Row
        self._depth = 0
        self._after: list[Callable[[], None]] = []
        try:
            self.is_new = self._prepare()
        except sqlite3.DatabaseError as error:
            self._db.close()
            if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
                raise SimulatorError(
                    f"{path} is in use by another simulator; stop that one first."
                ) from error
            raise SimulatorError(f"{path} cannot be read as a simulator's workspace: {error}.") from error
        except SimulatorError:
            self._db.close()
            raise

    def _prepare(self) -> bool:
        # Exclusive: two simulators on one file would each hand out the same message timestamps.
        self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
        # Read before anything (also the journal mode) is written, so that another program's file stays unchanged.
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        application = self._db.execute("PRAGMA application_id").fetchone()[0]
        tables = self._db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
        if tables and application != APPLICATION_ID:
            raise SimulatorError(f"{self._path} is not a simulator's workspace; choose another file.")
        if version > len(SCHEMAS):
            raise SimulatorError(
                f"{self._path} was written by a newer version; update, or choose another file."
            )
        self._db.execute("PRAGMA journal_mode = WAL")
        # WAL without a sync per commit survives a killed process, as promised. A power cut may lose the last
        # moments of the simulated workspace.
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute("PRAGMA foreign_keys = ON")
        for number, name in enumerate(SCHEMAS[version:], start=version + 1):
            self._db.executescript(
                f"BEGIN; {files(__package__).joinpath(name).read_text()}"
                f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {number}; COMMIT;"
            )
        return not tables

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Run the block as one change: all of it on disk when the outermost block ends, or none of it.

        Callbacks given to `after_commit` inside run then, so no watcher hears of a change that it cannot read
        yet.
        """
        if self._depth:
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
            return
        self._db.execute("BEGIN IMMEDIATE")
        self._depth = 1
        try:
            yield
        except BaseException:
            self._after.clear()
            self._db.execute("ROLLBACK")
            raise
        else:
            self._db.execute("COMMIT")
        finally:
            self._depth = 0
        after, self._after = self._after, []
        for callback in after:
            callback()

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Run `callback` once the change under way is on disk; at once when none is."""
        if self._depth:
            self._after.append(callback)
        else:
            callback()

    def execute(self, sql: str, *parameters: Any) -> int:
        """Run one statement and return the number of rows it changed."""
        return self._db.execute(sql, parameters).rowcount

    def one(self, sql: str, *parameters: Any) -> sqlite3.Row | None:
        """Return the first row, or None."""
        row: sqlite3.Row | None = self._db.execute(sql, parameters).fetchone()
        return row

    def all(self, sql: str, *parameters: Any) -> list[sqlite3.Row]:
        """Return every row."""
        return self._db.execute(sql, parameters).fetchall()

    @property
    def changes(self) -> int:
        """How many rows were changed since the opening. While it stays the same, data read earlier is still valid."""
        return self._db.total_changes

    def close(self) -> None:
        """Release the file. Nothing is lost without this call."""
        self._db.close()
