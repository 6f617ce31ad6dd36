"""One writer, many requests, one fsync: the group commit that every change goes through.

An operation is a function of a `Transaction`. All operations that have arrived by the time the disk is ready
run in one transaction, and are answered when its COMMIT is on disk; while the event loop waits for that, the
next ones gather in the sockets. Waiting on another thread was measured and refused: handing over costs more
than an fsync takes, and threads that fight for the interpreter at every SQL statement cost more still. What
an operation wants to happen in memory (work to deal, waiters to wake) it records in `Effects`, carried out
once the disk has it.
"""

import asyncio
import logging
import sqlite3
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from functools import partial
from typing import Any, Final, NamedTuple, TypeVar

from orchestration.hub.errors import DamagedError, FullError, HubError, RefusedError
from orchestration.hub.storage import clock as clocks

_log: Final = logging.getLogger(__name__)

_T = TypeVar("_T")

# Bounds how long one transaction keeps the event loop from its sockets: about 10 ms.
_BATCH: Final = 128

_CLOSING: Final = "The hub is shutting down; try again when it is back."


class Kind(IntEnum):
    """What a worker can be asked to do."""

    TURN = 0
    ACTIVITY = 1
    ENTITY = 2


class Ready(NamedTuple):
    """Work to deal: `key` is that of the instance, activity or entity; name and version choose the worker."""

    kind: Kind
    key: int
    name: str
    version: str | None


@dataclass(slots=True)
class Effects:
    """What follows in memory once a transaction is on disk."""

    ready: list[Ready] = field(default_factory=list)
    settled: list[str] = field(default_factory=list)
    changed: set[str] = field(default_factory=set)
    alarm: int | None = None


class Transaction:
    """An operation's view of the file; those that share a COMMIT share it, and the time that it is."""

    __slots__ = ("_db", "_now", "clock", "effects")

    def __init__(self, db: sqlite3.Connection, clock: clocks.Clock, effects: Effects) -> None:
        self._db = db
        self.clock = clock
        self.effects = effects
        self._now = 0

    @property
    def now(self) -> int:
        """What time it is, in microseconds: the same for as long as the transaction lasts."""
        if not self._now:
            self._now = clocks.now(self.clock)
        return self._now

    def one(self, statement: str, *values: Any) -> Any:
        """The first row, or None."""
        return self._db.execute(statement, values).fetchone()

    def all(self, statement: str, *values: Any) -> list[Any]:
        """Every row."""
        return self._db.execute(statement, values).fetchall()

    def do(self, statement: str, *values: Any) -> int:
        """Run a change; the number of rows it touched."""
        return self._db.execute(statement, values).rowcount

    def add(self, statement: str, *values: Any) -> int:
        """Insert a row; its key."""
        key = self._db.execute(statement, values).lastrowid
        return key if key is not None else 0

    def as_of(self, at: int) -> int:
        """When something that was due or sent at `at` counts as arrived.

        Then, if that time was skipped, else now.
        """
        return at if clocks.skipped(self.clock, at) else self.now

    def alarm(self, at: int) -> None:
        """Have the timers looked at no later than `at`."""
        if self.effects.alarm is None or at < self.effects.alarm:
            self.effects.alarm = at


class _Pending(NamedTuple):
    operation: Callable[[Transaction], Any]
    answer: Callable[[Any], None]


class Store:
    """Runs operations in the order in which they came; lives on one event loop."""

    def __init__(self, db: sqlite3.Connection, clock: clocks.Clock) -> None:
        self._db = db
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._queue: deque[_Pending] = deque()
        self._turning = False
        self._closing = False
        self.before_commit: Callable[[Transaction], Callable[[], None]] = lambda _transaction: _nothing
        self.on_commit: Callable[[Effects], None] = lambda _effects: None
        self.on_idle: Callable[[], bool] = lambda: False

    def submit(self, operation: Callable[[Transaction], Any], answer: Callable[[Any], None]) -> None:
        """Run an operation; `answer` is called once: with its result when that is on disk, or with the error.

        An operation refuses (raises `RefusedError`) before it changes anything. FullError when the disk is.
        Raises HubError where the store is being closed.
        """
        if self._closing:
            raise HubError(_CLOSING)
        self._queue.append(_Pending(operation, answer))
        self.poke()

    async def run(self, operation: Callable[[Transaction], _T]) -> _T:
        """As `submit`; the result, or what was raised."""
        reply: asyncio.Future[_T] = self._loop.create_future()
        self.submit(operation, partial(_settle, reply))
        return await reply

    def read(self, operation: Callable[[Transaction], _T]) -> _T:
        """The result of an operation that changes nothing, at once: between two batches all is on disk."""
        if self._closing:
            raise HubError(_CLOSING)
        try:
            return operation(Transaction(self._db, self._clock, Effects()))
        except sqlite3.Error as error:
            raise _explain(error) from error

    def read_all(self, operation: Callable[[Transaction], _T]) -> _T:
        """The result of many reads, as of one moment: SQLite takes and gives back its locks once for all of them.

        Raises sqlite3.Error.
        """
        self._db.execute("BEGIN")
        try:
            return operation(Transaction(self._db, self._clock, Effects()))
        finally:
            if self._db.in_transaction:
                self._db.execute("COMMIT")

    def poke(self) -> None:
        """Call `on_idle` soon, although nothing was changed."""
        if not self._turning:
            self._turning = True
            self._loop.call_soon(self._turn)

    async def close(self) -> None:
        """Refuse new operations, and return once those that were accepted are done; once is enough."""
        if self._closing:
            return
        done = asyncio.Event()
        self.submit(lambda _transaction: None, lambda _outcome: done.set())
        self._closing = True
        await done.wait()

    def _turn(self) -> None:
        """Run what is queued, up to a batch, and leave the loop to its sockets before the next."""
        self._turning = False
        try:
            batch = [self._queue.popleft() for _ in range(min(_BATCH, len(self._queue)))]
            if batch:
                self._run_batch(batch)
            more = self.on_idle()
        except Exception:  # noqa: BLE001  # logged; whatever it was, the hub must go on serving
            _log.exception("Dealing work failed; it is tried again with the next request.")
            more = False
        if more or self._queue:
            self.poke()

    def _run_batch(self, batch: list[_Pending]) -> None:
        effects = Effects()
        try:
            outcomes = self._transact(batch, effects)
        except Exception as error:  # noqa: BLE001  # whatever happened, each caller is told, and the hub lives on
            if len(batch) > 1:
                # One operation broke the transaction of all. Alone, each gets its own answer and harms
                # nobody.
                for pending in batch:
                    self._run_batch([pending])
            else:
                _tell(batch[0], _explain(error))
            return
        try:
            self.on_commit(effects)
        except Exception:  # noqa: BLE001  # logged; what is on disk must be told to those who asked for it
            _log.exception("What follows from a commit failed.")
        for pending, outcome in zip(batch, outcomes, strict=True):
            _tell(pending, outcome)

    def _transact(self, batch: list[_Pending], effects: Effects) -> list[Any]:
        db = self._db
        outcomes: list[Any] = []
        changed = db.total_changes
        take_back = _nothing
        db.execute("BEGIN")
        try:
            transaction = Transaction(db, self._clock, effects)
            for pending in batch:
                try:
                    outcomes.append(pending.operation(transaction))
                except RefusedError as refusal:
                    if db.total_changes != changed:
                        raise
                    outcomes.append(refusal)
                changed = db.total_changes
            take_back = self.before_commit(transaction)
            db.execute("COMMIT")
        except BaseException:
            take_back()
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
        return outcomes


def _tell(pending: _Pending, outcome: Any) -> None:
    try:
        pending.answer(outcome)
    except Exception:  # noqa: BLE001  # logged; those after it must hear theirs
        _log.exception("An answer could not be given.")


def _settle(reply: asyncio.Future[Any], outcome: Any) -> None:
    # A caller that went away (a deadline, a closed connection) has cancelled its future.
    if reply.done():
        return
    if isinstance(outcome, Exception):
        reply.set_exception(outcome)
    else:
        reply.set_result(outcome)


def _nothing() -> None:
    """There is nothing to take back."""


def _explain(error: Exception) -> Exception:
    """The error as the hub's own, where the disk is to blame."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        if not isinstance(error, HubError):
            _log.error("An operation failed.", exc_info=error)
        return error
    if code & 0xFF == sqlite3.SQLITE_FULL or code in {
        sqlite3.SQLITE_IOERR_WRITE,
        sqlite3.SQLITE_IOERR_SHMSIZE,
    }:
        return FullError(
            "The hub's disk is full: nothing was recorded. Free some space and send the request again."
        )
    _log.error("The hub's file failed.", exc_info=error)
    if code & 0xFF in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        return DamagedError("The hub's file is damaged. Stop the hub and restore the file from a backup.")
    return error
