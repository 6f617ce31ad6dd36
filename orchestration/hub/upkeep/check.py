"""Checks whether a hub's file is whole: with SQLite's own check, and by the hub's rules for the contents.

What must agree is read in one transaction, so that it shows one moment of a hub that serves the file meanwhile.
During such a transaction the hub cannot write its log back into the file. So the histories, which take longest,
are read a few at a time, each time in a transaction of their own.
"""

import contextlib
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

from durabletask.internal import orchestrator_service_pb2 as pb
from google.protobuf.message import DecodeError

from orchestration.hub.errors import DamagedError
from orchestration.hub.protocol import packing, statuses, wire
from orchestration.hub.protocol.history_order import HistoryOrder
from orchestration.hub.protocol.unanswered import Unanswered
from orchestration.hub.storage import file
from orchestration.hub.storage.sql import CHECKS

# How many faults are described; the others are only counted.
_SHOWN: Final = 10

# Instances whose histories are read in one transaction: about a tenth of a second.
_WINDOW: Final = 2000

_SIZES: Final = ("page_size", "page_count", "freelist_count")

_RULES: Final = (
    (CHECKS.orphaned_history, "history: {count} pieces belong to instance {instance}, which does not exist"),
    (CHECKS.orphaned_inbox, "inbox: {count} events are for instance {instance}, which does not exist"),
    (CHECKS.orphaned_activity, "activity: {count} belong to instance {instance}, which does not exist"),
    (CHECKS.orphaned_timer, "timer: {count} belong to instance {instance}, which does not exist"),
    (CHECKS.orphaned_entity_inbox, "entity_inbox: {count} are for entity {entity}, which does not exist"),
    (CHECKS.unclear_end, "instance: {id!r} has status {status}, which does not agree with whether it ended"),
    (CHECKS.ended_with_timer, "timer: {count} of {id!r}, which has ended"),
    (CHECKS.ended_with_inbox, "inbox: {count} events for {id!r}, which has ended"),
    (
        CHECKS.turn_missing,
        "history: {id!r} has {count} pieces, from turn {first} to {last}, and counts {turns} turns",
    ),
    (CHECKS.never_woken, "instance: {id!r} has neither a history nor an event that would start it"),
    (CHECKS.locked_by_nobody, "entity: {id!r} is locked by {lock_owner!r}, which would never unlock it"),
)

_CONTENTS: Final[tuple[tuple[str, Callable[[bytes], Any], str], ...]] = (
    (CHECKS.failures, pb.TaskFailureDetails.FromString, "instance: the failure of {!r}"),
    (CHECKS.tags, pb.CreateInstanceRequest.FromString, "instance: the tags of {!r}"),
    (CHECKS.inbox, pb.HistoryEvent.FromString, "inbox: event {}"),
    (CHECKS.requests, pb.ActivityRequest.FromString, "activity: the request of activity {}"),
    (CHECKS.entity_inbox, pb.HistoryEvent.FromString, "entity_inbox: message {}"),
    (CHECKS.entity_later, pb.HistoryEvent.FromString, "entity_later: message {}"),
)


@dataclass(slots=True)
class Report:
    """What a check found. `faults` describes the first faults; `count` is how many there are. Sizes are in bytes."""

    path: Path
    schema: int
    size: int = 0
    free: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    count: int = 0

    def add(self, fault: str) -> None:
        """Count a fault, and describe it if it is one of the first."""
        self.count += 1
        if len(self.faults) < _SHOWN:
            self.faults.append(fault)

    def add_all(self, before: str, faults: Iterable[str | None], after: str = "") -> None:
        """Add each fault that is not None, described with these words around it."""
        for fault in faults:
            if fault is not None:
                self.add(f"{before} {fault}{after}")

    def text(self) -> str:
        """The report as lines for a person."""
        if not self.count:
            return "\n".join(self._summary())
        hidden = self.count - len(self.faults)
        name = self.path.name
        remedy = (
            f"Restore it from a backup: stop the hub, move {name}, {name}-wal and {name}-shm away, copy the "
            f"backup to {self.path}, and start the hub."
        )
        return "\n".join(
            [
                f"{self.path} is damaged; {_number(self.count, 'fault')}:",
                *(f"  {fault}" for fault in self.faults),
                *([f"  and {hidden:,} more"] if hidden else []),
                remedy,
            ]
        )

    def _summary(self) -> Iterator[str]:
        counts = self.counts
        yield f"{self.path}: schema {self.schema}, {self.size / 1e6:,.1f} MB, {self.free / 1e6:,.1f} MB of it unused."
        yield (
            f"{_number(counts['instances'], 'instance')}: {counts['instances'] - counts['ended']:,} run or wait, "
            f"{counts['ended']:,} ended; {_number(counts['turns'], 'turn')} of history."
        )
        yield (
            f"Pending: {_number(counts['timers'], 'timer')}, {_number(counts['events'], 'event')}, "
            f"{_number(counts['activities'], 'activity', 'activities')}, "
            f"{_number(counts['messages'], 'message')} to {_number(counts['entities'], 'entity', 'entities')}."
        )
        yield "Every page, index, history and reference is sound."


def _number(count: int, one: str, many: str | None = None) -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def check(path: Path) -> Report:
    """Read all of a hub's file without changing it. A hub may serve it meanwhile, from another process.

    Raises HubError where there is no such file, it is not a hub's, or it has a newer schema.
    """
    try:
        db, schema = file.snapshot(path)
    except DamagedError as error:  # so damaged that not even its schema can be read
        report = Report(path, schema=0)
        report.add(f"pages: SQLite cannot read on: {error.__cause__}")
        return report
    with closing(db):
        report = Report(path, schema)
        try:
            _check(db, report)
        except sqlite3.DatabaseError as error:
            if file.is_locked(error):
                raise file.unreadable(path, error) from error
            report.add(f"pages: SQLite cannot read on: {error}")
    return report


def _check(db: sqlite3.Connection, report: Report) -> None:
    page, pages, free = (db.execute(f"PRAGMA {name}").fetchone()[0] for name in _SIZES)
    report.size, report.free = page * pages, page * free
    for (verdict,) in db.execute("PRAGMA integrity_check"):
        if verdict != "ok":
            report.add(f"pages: {verdict.replace(chr(10), ' ')}")
    if report.count:
        return  # the rest follows references and trusts types; in a torn file it might not end, or fail
    report.counts = dict(db.execute(CHECKS.counts).fetchone())
    ended = json.dumps(sorted(statuses.ENDED))
    for statement, words in _RULES:
        for row in db.execute(statement, {"ended": ended} if ":ended" in statement else {}):
            report.add(words.format_map(dict(row)))
    _check_contents(db, report)
    _check_starts(db, report)
    after = 0
    while (until := db.execute(CHECKS.window, (after, _WINDOW)).fetchone()[0]) is not None:
        db.execute("COMMIT")
        db.execute("BEGIN")
        for _, pieces in groupby(db.execute(CHECKS.histories, (after, until)), itemgetter("instance")):
            _check_history(db, report, list(pieces))
        after = until


def _check_contents(db: sqlite3.Connection, report: Report) -> None:
    for statement, parse, words in _CONTENTS:
        for key, content in db.execute(statement):
            try:
                parse(content)
            except DecodeError as error:
                report.add(f"{words.format(key)} cannot be read: {error}")


def _check_starts(db: sqlite3.Connection, report: Report) -> None:
    """An execution without a history yet begins with its start, whatever the times of the events that wait for it."""
    for instance_id, waiting in groupby(db.execute(CHECKS.before_first_turn), itemgetter("id")):
        order = HistoryOrder()
        for one in waiting:
            with contextlib.suppress(DecodeError):  # reported with the contents of all inboxes
                fault = order.read(pb.HistoryEvent.FromString(one["event"]))
                report.add_all(f"inbox: that of {instance_id!r}", [fault])


def _check_history(db: sqlite3.Connection, report: Report, pieces: list[Any]) -> None:
    row = pieces[0]
    unanswered = Unanswered()
    last: list[pb.HistoryEvent] = []
    order = HistoryOrder(unstarted=row["turn"] >= row["turns"])
    for piece in pieces:
        try:
            last = wire.parse_history(packing.plain(piece["turn"], piece["events"]))
        except DecodeError as error:
            report.add(f"history: turn {piece['turn']} of {row['id']!r} cannot be read: {error}")
            return
        faults = [order.read(event) for event in last]
        report.add_all(f"history: that of {row['id']!r}", faults, f", at turn {piece['turn']}")
        for event in last:
            unanswered.read(event)
    report.add_all(f"history: that of {row['id']!r}", [order.end()])
    if row["completed_at"] is not None:
        if not any(event.HasField("executionCompleted") for event in last):
            report.add(f"history: that of {row['id']!r}, which has ended, does not say how")
        return
    for (content,) in db.execute(CHECKS.inbox_of, (row["instance"],)):
        with contextlib.suppress(DecodeError):  # reported with the contents of all inboxes
            event = pb.HistoryEvent.FromString(content)
            if event.HasField("executionRewound"):
                return  # the turn that this event starts requests again whatever is gone
            report.add_all(f"inbox: that of {row['id']!r}", [order.read(event)])
            unanswered.read(event)
    _check_unanswered(db, report, row, unanswered)


def _check_unanswered(db: sqlite3.Connection, report: Report, row: Any, unanswered: Unanswered) -> None:
    """Report what the instance waits for and the file does not have: it would wait for ever."""
    for (task,) in db.execute(CHECKS.activity_tasks, (row["instance"], row["execution"])):
        unanswered.activities.pop(task, None)
    for (task,) in db.execute(CHECKS.timer_tasks, (row["instance"],)):
        unanswered.timers.pop(task, None)
    gone = [("activity", task) for task in unanswered.activities]
    gone += [("timer", task) for task in unanswered.timers]
    for task, created in unanswered.children.items():
        # Any instance of that ID will do: a program may replace a sub-orchestration that runs.
        child_id = created.instanceId or f"{row['id']}:{task:04x}"
        if not db.execute(CHECKS.exists_id, (child_id,)).fetchone():
            gone.append(("sub-orchestration", task))
    for kind, task in gone:
        report.add(f"{kind}: {row['id']!r} waits for its {kind} {task}, which is gone")
