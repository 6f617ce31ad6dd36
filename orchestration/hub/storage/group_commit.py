"""The group commit: every change to the hub's file is made and committed here, by one writer.

An operation is a function of a `Transaction`. All operations that have arrived by the time the disk is ready
run in one transaction and share one fsync. Each is answered once that COMMIT is on disk. While the event loop
waits for the disk, the next operations gather in the sockets.

Committing on another thread was measured and rejected: the handover costs more than an fsync, and two threads that
compete for the interpreter at every SQL statement cost even more.
"""

import asyncio
import logging
import sqlite3
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Final, NamedTuple, TypeVar

from orchestration.hub.errors import DamagedError, FullError, HubError, LockedError, RefusedError
from orchestration.hub.storage import clock as clocks
from orchestration.hub.storage.commit_times import CommitTimes
from orchestration.hub.storage.file import is_locked
from orchestration.hub.storage.transaction import AfterCommit, Transaction

_log: Final = logging.getLogger(__name__)

_T = TypeVar("_T")

# Limits how long one transaction keeps the event loop from its sockets: to about 10 ms.
_BATCH: Final = 128

# Seconds for which an operation waits while another program has the file locked, and between two looks whether it has.
PATIENCE_S: Final = 5.0
_LOOK_S: Final = 0.05

_CLOSING: Final = "The hub is shutting down; try again when it is back."


class _Pending(NamedTuple):
    operation: Callable[[Transaction], Any]
    answer: Callable[[Any], None]
    # How long the operation waits while the file is locked: until this time of the event loop.
    until: float
    # Whether the operation also waits while the disk is full, without a limit.
    keep: bool


class GroupCommitStore:
    """Runs operations in the order in which they came, and commits them in batches; lives on one event loop.

    `times` has how long its commits took. Five functions may be set. `on_change` is called with a transaction that has
    changed something, and may change more. `before_commit` is called with the transaction before each COMMIT, and
    returns the function that undoes what it did if the COMMIT fails. `on_commit` is called after each COMMIT.
    `after_batch` is called after each batch and after `wake`, unless another program has the file locked; it returns
    whether it wants to be called again at once. `on_full` is called each time the disk has no room for an operation.
    """

    def __init__(
        self, db: sqlite3.Connection, clock: clocks.Clock, run_once: frozenset[str] = frozenset()
    ) -> None:
        self._db = db
        self._clock = clock
        self._run_once = run_once
        self._sizes: dict[int, int] = {}
        self._loop = asyncio.get_running_loop()
        self._queue: deque[_Pending] = deque()
        self._scheduled = False
        self._closing = False
        # Since when another program has had the file locked, by the event loop's time.
        self._locked_since: float | None = None
        self.on_change: Callable[[Transaction], None] = lambda _transaction: None
        self.before_commit: Callable[[Transaction], Callable[[], None]] = lambda _transaction: _nothing
        self.on_commit: Callable[[AfterCommit], None] = lambda _after_commit: None
        self.after_batch: Callable[[], bool] = lambda: False
        self.on_full: Callable[[], None] = _nothing
        self.times = CommitTimes()
        # The operations that wait for room on the disk.
        self._kept: list[_Pending] = []

    def submit(
        self,
        operation: Callable[[Transaction], Any],
        answer: Callable[[Any], None],
        patience_s: float = PATIENCE_S,
        *,
        keep: bool = False,
    ) -> None:
        """Run an operation. `answer` is called once: with the result when it is on disk, or with the error.

        An operation that refuses (raises `RefusedError`) does so before it changes anything. The error is
        FullError where the disk is full, and LockedError where another program has had the file locked for
        `patience_s` seconds; until then the operation waits. With `keep` it also waits where the disk is full, until
        `room_again` is called. Raises HubError where the store is being closed.
        """
        if self._closing:
            raise HubError(_CLOSING)
        self._queue.append(_Pending(operation, answer, self._loop.time() + patience_s, keep))
        self.wake()

    async def run(self, operation: Callable[[Transaction], _T]) -> _T:
        """Run an operation as `submit` does; returns its result, or raises its error."""
        reply: asyncio.Future[_T] = self._loop.create_future()
        self.submit(operation, partial(_resolve, reply))
        return await reply

    def read(self, operation: Callable[[Transaction], _T]) -> _T:
        """The result of an operation that changes nothing, at once. Between two batches everything is on disk."""
        if self._closing:
            raise HubError(_CLOSING)
        try:
            return operation(Transaction(self._db, self._clock, AfterCommit(), self._run_once))
        except sqlite3.Error as error:
            raise explained(error) from error

    def read_all(self, operation: Callable[[Transaction], _T]) -> _T:
        """The result of many reads of one moment. SQLite takes and releases its locks once for all of them.

        Raises sqlite3.Error.
        """
        self._db.execute("BEGIN")
        try:
            return operation(Transaction(self._db, self._clock, AfterCommit(), self._run_once))
        finally:
            if self._db.in_transaction:
                self._db.execute("COMMIT")

    def wake(self) -> None:
        """Run the next batch soon; where nothing is queued, only `after_batch` is called."""
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._run_next)

    async def close(self) -> None:
        """Refuse new operations; returns once those that were accepted are done. To call it twice does no harm."""
        if self._closing:
            return
        done = asyncio.Event()
        self.submit(lambda _transaction: None, lambda _outcome: done.set())
        self._closing = True
        self.room_again()
        await done.wait()

    def _run_next(self) -> None:
        """Run the next batch of the queue, and leave the loop to its sockets before the one after it."""
        self._scheduled = False
        try:
            size = 0 if self._locked_since is not None else min(_BATCH, len(self._queue))
            batch = [self._queue.popleft() for _ in range(size)]
            if batch:
                self._run_batch(batch)
            # No work is dispatched whose result could not be written: it would be refused, and done again and again.
            more = self._locked_since is None and self.after_batch()
        except Exception as error:  # noqa: BLE001  # logged; whatever it was, the hub must go on serving
            more = False
            if is_locked(error):
                self._wait_for_file()
            else:
                _log.exception("Dispatching work failed; it is tried again with the next request.")
        if more or (self._queue and self._locked_since is None):
            self.wake()

    def _wait_for_file(self) -> None:
        """Run nothing until no other program has the file locked. Reads go on where SQLite allows them."""
        if self._locked_since is None:
            self._locked_since = self._loop.time()
            _log.warning(
                "Another program has the hub's file locked, such as a backup tool. The hub waits for it."
            )
            self._loop.call_later(_LOOK_S, self._look_at_lock)

    def _look_at_lock(self) -> None:
        """Continue if the file is not locked any more; fail the operations that have waited for too long."""
        now = self._loop.time()
        if self._is_free():
            since = self._locked_since or now
            self._locked_since = None
            _log.warning("The hub's file was locked by another program for %.1f s.", now - since)
            self.wake()
            return
        for pending in [one for one in self._queue if one.until <= now]:
            self._queue.remove(pending)
            _answer(pending, _locked())
        self._loop.call_later(_LOOK_S, self._look_at_lock)

    def _is_free(self) -> bool:
        try:
            self._db.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            return not is_locked(error)  # any other error is met again, and reported, by the operations
        self._db.execute("ROLLBACK")
        return True

    def _run_batch(self, batch: list[_Pending]) -> None:
        after_commit = AfterCommit()
        try:
            outcomes = self._commit(batch, after_commit)
        except Exception as error:  # noqa: BLE001  # whatever happened, each caller is told, and the hub lives on
            if is_locked(error):
                self._queue.extendleft(reversed(batch))
                self._wait_for_file()
            elif len(batch) > 1:
                # One operation broke the transaction of all. Run alone, each gets its own answer.
                self._run_alone(batch)
            else:
                self._refuse(batch[0], explained(error))
            return
        try:
            self.on_commit(after_commit)
        except Exception:  # noqa: BLE001  # logged; what is on disk must be told to those who asked for it
            _log.exception("What follows from a commit failed.")
        for pending, outcome in zip(batch, outcomes, strict=True):
            _answer(pending, outcome)

    def _refuse(self, pending: _Pending, refusal: Exception) -> None:
        full = isinstance(refusal, FullError)
        if full:
            self.on_full()
        if full and pending.keep and not self._closing:
            self._kept.append(pending)
        else:
            _answer(pending, refusal)

    def room_again(self) -> None:
        """Run what waits for room on the disk, before anything newer."""
        self._queue.extendleft(reversed(self._kept))
        self._kept.clear()
        self.wake()

    def _run_alone(self, batch: list[_Pending]) -> None:
        for count, pending in enumerate(batch, 1):
            self._run_batch([pending])
            if self._locked_since is not None:
                for place, waiting in enumerate(batch[count:], 1):
                    self._queue.insert(place, waiting)
                return

    def _commit(self, batch: list[_Pending], after_commit: AfterCommit) -> list[Any]:
        """Run a batch in one transaction and COMMIT it; returns the outcomes. This is where the hub commits."""
        db = self._db
        outcomes: list[Any] = []
        before = changed = db.total_changes
        take_back = _nothing
        db.execute("BEGIN")
        try:
            transaction = Transaction(db, self._clock, after_commit, self._run_once, self._sizes)
            for pending in batch:
                try:
                    outcomes.append(pending.operation(transaction))
                except RefusedError as refusal:
                    if db.total_changes != changed:
                        raise
                    outcomes.append(refusal)
                changed = db.total_changes
            if changed != before:
                self.on_change(transaction)
            take_back = self.before_commit(transaction)
            began = time.perf_counter()
            db.execute("COMMIT")
            self.times.add(time.perf_counter() - began)
        except BaseException:
            take_back()
            self._sizes.clear()
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
        return outcomes


def _answer(pending: _Pending, outcome: Any) -> None:
    try:
        pending.answer(outcome)
    except Exception:  # noqa: BLE001  # logged; the callers after this one must get their answers
        _log.exception("An answer could not be given.")


def _resolve(reply: asyncio.Future[Any], outcome: Any) -> None:
    # A caller that is gone (a deadline, a closed connection) has cancelled its future.
    if reply.done():
        return
    if isinstance(outcome, Exception):
        reply.set_exception(outcome)
    else:
        reply.set_result(outcome)


def _nothing() -> None:
    """Do nothing: there is nothing to take back."""


def _locked() -> LockedError:
    return LockedError(
        "Another program has the hub's file locked, such as a backup tool: nothing was recorded. Send the request "
        "again when that program has finished."
    )


def explained(error: Exception) -> Exception:
    """The error as a `HubError` where the disk or the file is the cause. Logs what operators must know."""
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
    if is_locked(error):
        return _locked()
    _log.error("The hub's file failed.", exc_info=error)
    if code & 0xFF in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        return DamagedError("The hub's file is damaged. Stop the hub and restore the file from a backup.")
    return error
