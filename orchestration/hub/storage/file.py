"""Opens the hub's file: checks that it is a hub's and whole, locks it, and brings it to the newest schema."""

import errno
import fcntl
import os
import sqlite3
from pathlib import Path
from typing import IO, Final

from orchestration.hub.errors import DamagedError, HubError
from orchestration.hub.storage import sql

# "Csgn" in the file's header: it is a hub's file.
_APPLICATION_ID: Final = 0x4373676E
_MAGIC: Final = b"SQLite format 3\x00"
_HEADER: Final = 100
# The journal mode in the header of a backup, until a hub opens it. A file that has a log has another mode.
_ROLLBACK_MODE: Final = b"\x01\x01"

_IDENTITY: Final = ("application_id", "user_version")

# Migration N brings the file from version N to version N + 1. Do not change one that was released.
MIGRATIONS: Final = tuple(sql.script(f"schema_{number:04}.sql") for number in (1, 2, 3, 4, 5, 6))

# Bytes. A file up to this size is verified page by page at every start, which takes under a tenth of a second. Of
# a larger file only the size, the header and the log are verified.
_VERIFIED_WHOLE: Final = 16 * 1024 * 1024

_CACHE_KIB: Final = 16 * 1024
# After so many pages of 4 KiB the log is written back into the file: each page once, however many commits have
# changed it. The log is then overwritten from its beginning. So it takes little more room than these pages,
# except while a backup reads: then it goes on growing.
_LOG_PAGES: Final = 4000
_LOG_BYTES: Final = 16 * 1024 * 1024
_OLDEST_SQLITE: Final = (3, 37, 0)
# Seconds to wait at the start where another program has the file locked.
LOCK_S: Final = 10.0
_LOCKED_WORDS: Final = "Another program has it locked, such as a backup tool. Let that finish, and try again."
_LOCKED: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
# Bytes. SQLite's index of the log takes half of it.
_ROOM_TO_START: Final = 64 * 1024
_MAYBE_FULL: Final = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN})


def is_locked(error: BaseException) -> bool:
    """Whether this is SQLite's error for a file that another program has locked."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _LOCKED


class FileLock:
    """An exclusive lock on a hub's file, held until `close` or until the process ends in any way."""

    def __init__(self, path: Path) -> None:
        self._file: IO[bytes] | None = None
        lock_path = path.with_name(path.name + ".lock")
        file = _private(lock_path).open("ab")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise HubError(
                f"Another hub has {path} open. Stop it first, or connect to it: one file has one hub, "
                "which serves many workers."
            ) from None
        self._file = file

    def close(self) -> None:
        """Release the lock."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _private(path: Path) -> Path:
    """The path as given. Creates the file where it is missing, readable by its owner only, and its directory."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        remedy = "Make room, and start again." if full else "Name a file in a directory it may write."
        raise HubError(f"The hub cannot write {path}: {error.strerror}. {remedy}") from error
    return path


def connect(
    path: Path, migrations: tuple[str, ...] = MIGRATIONS, lock_s: float = LOCK_S
) -> sqlite3.Connection:
    """The writer's connection to a hub's file. Creates the file where there is none; brings it to the newest schema.

    Raises HubError where the file is not a hub's, is damaged, or has a newer schema. It is then not changed. Also
    where another program has it locked for longer than `lock_s` seconds. Once it is open, the connection waits for
    nobody: whoever uses it must not be held up by another program.
    """
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        raise HubError(f"SQLite {sqlite3.sqlite_version} is too old; the hub needs 3.37 or newer.")
    _refuse_foreign(_private(path))
    db = sqlite3.connect(path, lock_s, isolation_level=None, check_same_thread=False, cached_statements=256)
    db.row_factory = sqlite3.Row
    try:
        _refuse_newer(db, path, len(migrations))
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute(f"PRAGMA journal_size_limit = {_LOG_BYTES}")
        db.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
        db.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        db.execute("PRAGMA temp_store = MEMORY")
        _refuse_torn(db, path)
        _migrate(db, migrations)
        db.execute("PRAGMA busy_timeout = 0")
    except sqlite3.DatabaseError as error:
        db.close()
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
            raise _damaged(path, str(error)) from error
        raise _unopened(path, error, code) from error
    except UnicodeDecodeError as error:
        db.close()
        raise _damaged(path, str(_schema_damaged())) from error
    except HubError:
        db.close()
        raise
    return db


def _unopened(path: Path, error: sqlite3.DatabaseError, code: int) -> HubError:
    """The error that says why the hub cannot start. Even to check its file it needs room to write the log back."""
    room = os.statvfs(path)
    if code in _MAYBE_FULL and room.f_bavail * room.f_frsize < _ROOM_TO_START:
        return HubError(
            f"The disk that {path} is on is full, so the hub cannot start. Nothing is lost. Make room, and start again."
        )
    remedy = ""
    if is_locked(error):
        remedy = f" {_LOCKED_WORDS}"
    elif code in _MAYBE_FULL:  # SQLite says "disk I/O error" where a quota or another limit is reached too
        remedy = " Is its disk full? Make room, and start again."
    return HubError(f"The hub cannot open {path}: {error}.{remedy}")


def log_of(path: Path) -> Path:
    """The path of SQLite's log (WAL): what was committed and is not yet in the file itself."""
    return path.with_name(path.name + "-wal")


def reader(path: Path, lock_s: float = LOCK_S) -> sqlite3.Connection:
    """A connection that can only read, for one thread. It waits for so many seconds where the file is locked."""
    db = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro", lock_s, uri=True, isolation_level=None, check_same_thread=False
    )
    db.row_factory = sqlite3.Row
    try:
        db.execute("PRAGMA cache_size = -4096")
    except sqlite3.DatabaseError:
        db.close()
        raise
    except UnicodeDecodeError as error:
        db.close()
        raise _schema_damaged() from error
    return db


def _schema_damaged() -> sqlite3.DatabaseError:
    # SQLite's message about a damaged schema quotes it, and Python cannot decode the quotation.
    error = sqlite3.DatabaseError("its schema is damaged")
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


def snapshot(path: Path, lock_s: float = LOCK_S) -> tuple[sqlite3.Connection, int]:
    """A connection that sees a hub's file as it is now until it is closed, and the version of the file's schema.

    A hub may serve the file meanwhile. Nothing here opens the file except through SQLite: when a process closes a
    file, it loses every lock that it has on it. Raises HubError where there is no file, it is not a hub's, it has a
    newer schema, or another program has it locked for longer than `lock_s` seconds; DamagedError where it is damaged.
    """
    if not path.is_file():
        raise HubError(f"There is no file {path}.")
    try:
        db = reader(path, lock_s)
    except sqlite3.DatabaseError as error:
        raise unreadable(path, error) from error
    try:
        db.execute("BEGIN")
        application, version = (db.execute(f"PRAGMA {name}").fetchone()[0] for name in _IDENTITY)
    except sqlite3.DatabaseError as error:
        db.close()
        raise unreadable(path, error) from error
    if application == _APPLICATION_ID and version <= len(MIGRATIONS):
        return db, int(version)
    db.close()
    raise HubError(
        f"{path} has schema {version}, and this program knows up to {len(MIGRATIONS)}. Use a newer one."
        if application == _APPLICATION_ID
        else f"{path} is not a hub's file."
    )


def unreadable(path: Path, error: sqlite3.DatabaseError) -> HubError:
    """The error for a file that cannot be read now, or not at all."""
    remedy = f" {_LOCKED_WORDS}" if is_locked(error) else ""
    damaged = getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_CORRUPT
    return (DamagedError if damaged else HubError)(f"{path} cannot be read as a hub's file: {error}.{remedy}")


def _damaged(path: Path, how: str) -> HubError:
    return HubError(
        f"{path} is damaged ({how}). It was not changed. Restore it from a backup, or "
        "name another file to begin anew."
    )


def _refuse_foreign(path: Path) -> None:
    with path.open("rb") as file:
        header = file.read(_HEADER)
    if not header:
        return
    if len(header) < _HEADER and _MAGIC.startswith(header[: len(_MAGIC)]):
        raise _damaged(path, "its header is cut off")
    application = int.from_bytes(header[68:72], "big")
    # A file whose creation was interrupted has only a header; its first migration is in the log or was lost.
    unfinished = application == 0 and path.stat().st_size <= 4096
    if header[18:20] == _ROLLBACK_MODE and log_of(path).exists() and log_of(path).stat().st_size:
        raise HubError(
            f"Beside {path} lies {log_of(path)}, the log of the file that was there before: to read the two "
            "together would damage what was restored. Nothing was changed. Move the log away and start again."
        )
    if not header.startswith(_MAGIC) or (application != _APPLICATION_ID and not unfinished):
        raise HubError(f"{path} is not a hub's file. It was not changed. Name another file for the hub.")


def _refuse_newer(db: sqlite3.Connection, path: Path, newest: int) -> None:
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version > newest:
        raise HubError(
            f"{path} has schema {version}, and this program knows up to {newest}. It was not changed. "
            "Run the version that wrote it, or a newer one."
        )
    if version == 0 and db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise HubError(f"{path} is not a hub's file. It was not changed. Name another file for the hub.")


def _refuse_torn(db: sqlite3.Connection, path: Path) -> None:
    """Refuse a file that is shorter than its header says, or damaged. Its log is written back into it first.

    If another program prevents that, a file that is too short is not refused.
    """
    _, logged, written_back = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    pages = db.execute("PRAGMA page_count").fetchone()[0]
    expected = pages * db.execute("PRAGMA page_size").fetchone()[0]
    size = path.stat().st_size
    if size < expected and logged == written_back:
        raise _damaged(path, f"{size:,} bytes where there should be {expected:,}")
    if size <= _VERIFIED_WHOLE:
        verdict = db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            raise _damaged(path, verdict.splitlines()[-1])


def _migrate(db: sqlite3.Connection, migrations: tuple[str, ...]) -> None:
    version = db.execute("PRAGMA user_version").fetchone()[0]
    for number in range(version, len(migrations)):
        # Each migration and its version are one transaction: an interrupted migration leaves nothing behind.
        db.executescript(
            f"BEGIN; {migrations[number]}; PRAGMA application_id = {_APPLICATION_ID}; "
            f"PRAGMA user_version = {number + 1}; COMMIT;"
        )
