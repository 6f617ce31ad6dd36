"""What an operation sees of the hub's file, and what it asks to happen once its changes are on disk."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, NamedTuple

from orchestration.hub.storage import clock as clocks


class WorkItemKind(IntEnum):
    """What a worker can be asked to do."""

    TURN = 0
    ACTIVITY = 1
    ENTITY = 2


class ReadyWork(NamedTuple):
    """Work that can be dispatched.

    `key` is the key of the instance, activity or entity. `name` and `version` choose the worker. `ahead`: it goes
    before other queued work, because an event from outside has caused it.
    """

    kind: WorkItemKind
    key: int
    name: str
    version: str | None
    ahead: bool = False


@dataclass(slots=True)
class AfterCommit:
    """What happens in memory once a transaction is on disk.

    `ready` is work to dispatch. `completed_tokens` are completion tokens that are used up. `changed_instances` are the
    IDs of instances whose status changed. `first_timer` is when the earliest timer that was set is due, in
    microseconds. `one_by_one` has the keys of entities whose operations are dispatched one by one, up to the message of
    this number: they failed together, although perhaps only one of them is at fault.
    """

    ready: list[ReadyWork] = field(default_factory=list)
    completed_tokens: list[str] = field(default_factory=list)
    changed_instances: set[str] = field(default_factory=set)
    first_timer: int | None = None
    one_by_one: dict[int, int] = field(default_factory=dict)


class Transaction:
    """An operation's view of the file. Operations that share a COMMIT share it, and its time.

    `run_once` are the names of orchestrations that never run again, as `Hub` was given them. `sizes` outlives the
    transaction, unless it is rolled back: the bytes of histories and inboxes, by the keys of their instances, as far as
    they are known.
    """

    __slots__ = ("_db", "_now", "after_commit", "clock", "run_once", "sizes")

    def __init__(
        self,
        db: sqlite3.Connection,
        clock: clocks.Clock,
        after_commit: AfterCommit,
        run_once: frozenset[str] = frozenset(),
        sizes: dict[int, int] | None = None,
    ) -> None:
        self._db = db
        self.clock = clock
        self.after_commit = after_commit
        self.run_once = run_once
        self.sizes = {} if sizes is None else sizes
        self._now = 0

    @property
    def now(self) -> int:
        """The time in microseconds. It stays the same until the transaction ends."""
        if not self._now:
            self._now = clocks.now(self.clock)
        return self._now

    def one(self, statement: str, *values: Any) -> Any:
        """The first row, or None."""
        return self._db.execute(statement, values).fetchone()

    def all(self, statement: str, *values: Any) -> list[Any]:
        """Every row."""
        return self._db.execute(statement, values).fetchall()

    def until(self, enough: Callable[[Any], bool], statement: str, *values: Any) -> list[Any]:
        """The rows up to the first for which `enough` is true, without it. Rows after it are not read."""
        rows: list[Any] = []
        with closing(self._db.execute(statement, values)) as found:
            for row in found:
                if enough(row):
                    break
                rows.append(row)
        return rows

    def do(self, statement: str, *values: Any) -> int:
        """Run a change; returns the number of rows it changed."""
        return self._db.execute(statement, values).rowcount

    def add(self, statement: str, *values: Any) -> int:
        """Insert a row; returns its key."""
        key = self._db.execute(statement, values).lastrowid
        return key if key is not None else 0

    def as_of(self, at: int) -> int:
        """The arrival time, in microseconds, of something that was due or sent at `at`.

        It is `at` where the clock was moved over `at`, else now.
        """
        return at if clocks.skipped(self.clock, at) else self.now

    def timer_set(self, at: int) -> None:
        """Have the timers looked at no later than `at`."""
        if self.after_commit.first_timer is None or at < self.after_commit.first_timer:
            self.after_commit.first_timer = at
