"""Rewinding a failed orchestration: what failed runs again, and what had succeeded is not done twice.

The history without its failures is the worker's to write, for which failures go, and what must go with them,
is known to the SDK that replays it. A turn that holds nothing but the word to rewind asks for it. What the
new history says is under way is the hub's to bring back: the end had dropped timers, locks and late results.
"""

import uuid
from dataclasses import dataclass, field
from typing import Any, Final

from durabletask.internal import orchestrator_service_pb2 as pb
from google.protobuf.wrappers_pb2 import StringValue

from orchestration.hub.engine import endings, entities, instances, mailbox, turn
from orchestration.hub.errors import NotReadyError
from orchestration.hub.protocol import wire
from orchestration.hub.storage.sql import Q
from orchestration.hub.storage.store import Kind, Ready, Transaction

_FAILED: Final = pb.ORCHESTRATION_STATUS_FAILED
_COMPLETED: Final = pb.ORCHESTRATION_STATUS_COMPLETED


def rewind(tx: Transaction, request: pb.RewindInstanceRequest) -> None:
    """Have a failed instance rewound, and with it the sub-orchestrations whose failure it met.

    From here on it is running. Raises NotFoundError, and NotReadyError where it has not failed.
    """
    row = tx.one(Q.instance_by_id, request.instanceId)
    if row is None:
        raise instances.unknown(request.instanceId)
    if row["status"] != _FAILED:
        how = mailbox.word(row["status"])
        raise NotReadyError(f"Only what failed can be rewound, and the orchestration {row['id']!r} is {how}.")
    _ask(tx, row, request.reason if request.HasField("reason") else None, None, tx.now)


def _ask(tx: Transaction, row: Any, reason: StringValue | None, parent: str | None, at: int) -> None:
    """Revive the instance of this row and put the word to rewind into its inbox.

    The locks that it gave back while it failed are to be its own again, so the history loses their release.
    """
    last = tx.one(Q.history_last, row["key"])
    events = wire.parse_history(last["events"])
    kept = [event.SerializeToString() for event in events if not event.HasField("entityUnlockSent")]
    tx.do(Q.history_replace, wire.history(kept), row["key"], last["turn"])
    tx.do(Q.instance_revive, mailbox.RUNNING, at, row["key"])
    rewound = pb.ExecutionRewoundEvent(
        reason=reason, parentExecutionId=wire.text(parent), instanceId=wire.text(row["id"])
    )
    tx.add(Q.inbox_add, row["key"], at, mailbox.REWIND, wire.event(at, executionRewound=rewound))
    tx.effects.ready.append(Ready(Kind.TURN, row["key"], row["name"], row["version"]))
    tx.effects.changed.add(row["id"])


def apply(tx: Transaction, row: Any, rewritten: list[pb.HistoryEvent], at: int) -> tuple[Any, turn.Decisions]:
    """Put the history that a worker wrote anew in place of the old one.

    The row of the instance as it is then, and what must be asked of others again. The word to rewind is kept
    out of that history: dealt once more, it starts the replay.
    """
    past, rewound = rewritten[:-1], rewritten[-1]
    if past and past[-1].HasField("orchestratorStarted"):
        past.pop()
    execution = next(
        (
            event.executionStarted.orchestrationInstance.executionId.value
            for event in past
            if event.HasField("executionStarted")
        ),
        "",
    )
    tx.do(Q.history_delete, row["key"])
    tx.do(Q.history_add, row["key"], 0, wire.history([event.SerializeToString() for event in past]))
    tx.do(Q.instance_rewound, execution or uuid.uuid4().hex, row["key"])
    tx.add(Q.inbox_add, row["key"], at, mailbox.BOUND, rewound.SerializeToString())
    old, row = row["execution"], tx.one(Q.instance_by_key, row["key"])
    arrived = [pb.HistoryEvent.FromString(one["event"]) for one in tx.all(Q.inbox_of, row["key"])]
    under_way = _under_way(past + arrived)
    again = turn.Decisions(
        timers=[(task, wire.unstamp(asked.fireAt)) for task, asked in under_way.timers.items()]
    )
    _follow_activities(tx, row, old, under_way, again)
    _follow_children(tx, row, old, under_way, again, rewound.executionRewound, at)
    _follow_calls(tx, row, old, under_way, at)
    _follow_locks(tx, row, old, under_way, at)
    return row, again


@dataclass(slots=True)
class _UnderWay:
    """What a history asked for and has no answer to: the events that asked, by task or by request.

    Locks are the entities of a critical section that it has not given back.
    """

    activities: dict[int, pb.TaskScheduledEvent] = field(default_factory=dict)
    timers: dict[int, pb.TimerCreatedEvent] = field(default_factory=dict)
    children: dict[int, pb.SubOrchestrationInstanceCreatedEvent] = field(default_factory=dict)
    calls: dict[str, pb.EntityOperationCalledEvent] = field(default_factory=dict)
    locks: dict[str, list[str]] = field(default_factory=dict)


# Where an event that asks is kept, and which member of an event that answers says what it answers. Failures
# are answers too: the new history has none, but one may have come since the word to rewind was given.
_ASKED: Final = {
    "taskScheduled": "activities",
    "timerCreated": "timers",
    "subOrchestrationInstanceCreated": "children",
}
_ANSWERED: Final = {
    "taskCompleted": ("activities", "taskScheduledId"),
    "taskFailed": ("activities", "taskScheduledId"),
    "timerFired": ("timers", "timerId"),
    "subOrchestrationInstanceCompleted": ("children", "taskScheduledId"),
    "subOrchestrationInstanceFailed": ("children", "taskScheduledId"),
    "entityOperationCompleted": ("calls", "requestId"),
    "entityOperationFailed": ("calls", "requestId"),
}


def _under_way(past: list[pb.HistoryEvent]) -> _UnderWay:
    out = _UnderWay()
    for event in past:
        kind = event.WhichOneof("eventType") or ""
        if kind in _ASKED:
            getattr(out, _ASKED[kind])[event.eventId] = getattr(event, kind)
        elif kind in _ANSWERED:
            where, member = _ANSWERED[kind]
            getattr(out, where).pop(getattr(getattr(event, kind), member), None)
        elif kind == "entityOperationCalled":
            out.calls[event.entityOperationCalled.requestId] = event.entityOperationCalled
        elif kind == "entityLockRequested":
            request = event.entityLockRequested
            out.locks[request.criticalSectionId] = list(request.lockSet)
        elif kind == "entityUnlockSent":
            freed = event.entityUnlockSent
            held = out.locks.get(freed.criticalSectionId, [])
            out.locks[freed.criticalSectionId] = [one for one in held if one != freed.targetInstanceId.value]
    return out


def _follow_activities(
    tx: Transaction, row: Any, old: str, under_way: _UnderWay, again: turn.Decisions
) -> None:
    """Let activities that still run answer the new execution, and ask again for those nobody heard of."""
    running = {one["task"] for one in tx.all(Q.activity_follow, row["execution"], row["key"], old)}
    for task, asked in under_way.activities.items():
        if task not in running:
            action = pb.ScheduleTaskAction(name=asked.name, tags=asked.tags)
            turn.copy(asked, action, "version", "input", "parentTraceContext")
            again.activities.append((task, action))


def _follow_children(
    tx: Transaction,
    row: Any,
    old: str,
    under_way: _UnderWay,
    again: turn.Decisions,
    rewound: pb.ExecutionRewoundEvent,
    at: int,
) -> None:
    """Rewind sub-orchestrations that failed, hear those that ended unheard, and start anew those that are gone.

    One that was terminated has no failure to go back to: it starts anew as well.
    """
    mine = {
        child["parent_task"]: child for child in tx.all(Q.children_follow, row["execution"], row["key"], old)
    }
    for task, asked in under_way.children.items():
        child = mine.get(task)
        if child is not None and child["status"] == _FAILED:
            failed = tx.one(Q.instance_by_key, child["key"])
            reason = rewound.reason if rewound.HasField("reason") else None
            _ask(tx, failed, reason, row["execution"], at)
        elif child is not None and child["status"] == _COMPLETED:
            done = tx.one(Q.instance_ended, child["key"])
            mailbox.put_bound(
                tx, row, row["execution"], at, endings.child_completed(at, task, done["output"])
            )
        elif child is None or child["status"] in mailbox.ENDED:
            action = pb.CreateSubOrchestrationAction(
                instanceId=asked.instanceId, name=asked.name, tags=asked.tags
            )
            turn.copy(asked, action, "version", "input", "parentTraceContext")
            again.children.append((task, action))


def _follow_calls(tx: Transaction, row: Any, old: str, under_way: _UnderWay, at: int) -> None:
    """Let operations that no entity has run yet answer the new execution.

    One that was answered after the failure is not run twice, for entities count; its answer is lost, and its
    caller hears so.
    """
    waiting = {
        pb.HistoryEvent.FromString(one["event"]).entityOperationCalled.requestId
        for target in sorted({asked.targetInstanceId.value for asked in under_way.calls.values()})
        for one in tx.all(Q.entity_calls_follow, row["execution"], target, row["id"], old)
    }
    for request in under_way.calls:
        if request not in waiting:
            lost = entities.failure(
                "The entity answered after the orchestration had failed; the answer was not kept.",
                "AnswerLost",
            )
            entities.answer(tx, (request, row["id"], row["execution"]), lost, at)


def _follow_locks(tx: Transaction, row: Any, old: str, under_way: _UnderWay, at: int) -> None:
    """Ask again for the locks of critical sections that are not over.

    One that the old execution had only asked for may have been granted to it since the word to rewind: it is
    given back, and the news of it dropped, for its owner is no more and the new one's calls would wait behind it.
    """
    entities.release_all(tx, row["id"], old, at)
    for one in tx.all(Q.inbox_of, row["key"]):
        if pb.HistoryEvent.FromString(one["event"]).HasField("entityLockGranted"):
            tx.do(Q.inbox_take, one["seq"])
    for section, wanted in under_way.locks.items():
        if wanted:
            entities.lock(tx, row, section, wanted, at)
