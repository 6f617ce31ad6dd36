"""Rewinds a failed orchestration: what failed runs again, and what had succeeded is not done twice.

It takes two steps. First a turn with nothing but a rewind event goes to a worker, which answers with the history
without its failures: only the SDK, which replays the history, knows what must be removed. Then the hub restores
what the new history says is still running, because the failure had dropped timers, locks and late results.
"""

import uuid
from typing import Any

from durabletask.internal import orchestrator_service_pb2 as pb
from google.protobuf.wrappers_pb2 import StringValue

from orchestration.hub.engine import decisions, endings, entities, history_room, inbox, instances
from orchestration.hub.engine.decisions import Decisions
from orchestration.hub.errors import NotReadyError
from orchestration.hub.protocol import failures, statuses, wire
from orchestration.hub.protocol.unanswered import Unanswered
from orchestration.hub.storage.sql import Q
from orchestration.hub.storage.transaction import ReadyWork, Transaction, WorkItemKind


def rewind(tx: Transaction, request: pb.RewindInstanceRequest) -> None:
    """Have a failed instance rewound, together with the sub-orchestrations that failed it.

    It is running from now on. Raises NotFoundError, and NotReadyError where it has not failed or its name is in
    `run_once`.
    """
    row = tx.one(Q.instance_by_id, request.instanceId)
    if row is None:
        raise instances.unknown(request.instanceId)
    if row["name"] in tx.run_once:
        raise instances.runs_once(row)
    if row["status"] != statuses.FAILED:
        how = statuses.word(row["status"])
        raise NotReadyError(f"Only an orchestration that failed can be rewound, and {row['id']!r} is {how}.")
    _request_rewind(tx, row, request.reason if request.HasField("reason") else None, None, tx.now)


def _request_rewind(
    tx: Transaction, row: Any, reason: StringValue | None, parent: str | None, at: int
) -> None:
    """Make the instance of this row running again, and put a rewind event into its inbox.

    It must hold the locks again that it released as it failed, so their release is removed from its history.
    """
    last = tx.one(Q.history_last, row["key"])
    events = wire.parse_history(last["events"])
    kept = [event.SerializeToString() for event in events if not event.HasField("entityUnlockSent")]
    tx.do(Q.history_replace, wire.history(kept), row["key"], last["turn"])
    tx.do(Q.instance_revive, statuses.RUNNING, at, row["key"])
    rewound = pb.ExecutionRewoundEvent(
        reason=reason, parentExecutionId=wire.text(parent), instanceId=wire.text(row["id"])
    )
    tx.add(Q.inbox_add, row["key"], at, inbox.REWIND, wire.event(at, executionRewound=rewound))
    history_room.forget(tx, row["key"])
    tx.after_commit.ready.append(ReadyWork(WorkItemKind.TURN, row["key"], row["name"], row["version"]))
    tx.after_commit.changed_instances.add(row["id"])


def apply(tx: Transaction, row: Any, rewritten: list[pb.HistoryEvent], at: int) -> tuple[Any, Decisions]:
    """Replace the history of the instance of this row with the one that a worker has rewritten.

    Returns the row as it is then, and what has to be carried out again. The rewind event does not become part of
    the history: it is put into the inbox once more, and starts the replay.
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
    tx.add(Q.inbox_add, row["key"], at, inbox.BOUND, rewound.SerializeToString())
    old, row = row["execution"], tx.one(Q.instance_by_key, row["key"])
    arrived = [pb.HistoryEvent.FromString(one["event"]) for one in tx.all(Q.inbox_of, row["key"])]
    unanswered = Unanswered()
    # Failures answer too: the new history has none, but one may have arrived since the rewind was requested.
    for event in past + arrived:
        unanswered.read(event)
    again = Decisions(
        timers=[(task, wire.from_timestamp(asked.fireAt)) for task, asked in unanswered.timers.items()]
    )
    _restore_activities(tx, row, old, unanswered, again)
    _restore_children(tx, row, old, unanswered, again, rewound.executionRewound, at)
    _restore_calls(tx, row, old, unanswered, at)
    _restore_locks(tx, row, old, unanswered, at)
    return row, again


def _restore_activities(
    tx: Transaction, row: Any, old: str, unanswered: Unanswered, again: Decisions
) -> None:
    """Let activities that still run answer the new execution, and request again those that are gone."""
    running = {one["task"] for one in tx.all(Q.activity_reassign, row["execution"], row["key"], old)}
    for task, asked in unanswered.activities.items():
        if task not in running:
            action = pb.ScheduleTaskAction(name=asked.name, tags=asked.tags)
            decisions.copy(asked, action, "version", "input", "parentTraceContext")
            again.activities.append((task, action))


def _restore_children(
    tx: Transaction,
    row: Any,
    old: str,
    unanswered: Unanswered,
    again: Decisions,
    rewound: pb.ExecutionRewoundEvent,
    at: int,
) -> None:
    """Rewind sub-orchestrations that failed, take the output of those that completed, and start the others again.

    A sub-orchestration that still runs is left alone. A terminated one has no failure to rewind to, so it starts again.
    One whose name is in `run_once` is neither rewound nor started: this execution gets its outcome too.
    """
    children = {
        child["parent_task"]: child
        for child in tx.all(Q.children_reassign, row["execution"], row["key"], old)
    }
    for task, asked in unanswered.children.items():
        child = children.get(task)
        ended = child is None or child["status"] in statuses.ENDED
        if child is not None and child["status"] == statuses.COMPLETED:
            done = tx.one(Q.instance_result, child["key"])
            inbox.put_bound(tx, row, row["execution"], at, endings.child_completed(at, task, done["output"]))
        elif ended and asked.name in tx.run_once:
            failure = _failure_of(tx, child, asked.instanceId)
            inbox.put_bound(tx, row, row["execution"], at, endings.child_failed(at, task, failure))
        elif child is not None and child["status"] == statuses.FAILED:
            failed = tx.one(Q.instance_by_key, child["key"])
            reason = rewound.reason if rewound.HasField("reason") else None
            _request_rewind(tx, failed, reason, row["execution"], at)
        elif ended:
            action = pb.CreateSubOrchestrationAction(
                instanceId=asked.instanceId, name=asked.name, tags=asked.tags
            )
            decisions.copy(asked, action, "version", "input", "parentTraceContext")
            again.children.append((task, action))


def _failure_of(tx: Transaction, child: Any, child_id: str) -> pb.TaskFailureDetails:
    """The failure of a sub-orchestration that does not run again, as it was reported to its parent before."""
    if child is None:
        return endings.unexplained(child_id, "deleted")
    failure = tx.one(Q.instance_result, child["key"])["failure"]
    if failure is None:
        return endings.unexplained(child_id, statuses.word(child["status"]))
    return failures.recorded(failure)


def _restore_calls(tx: Transaction, row: Any, old: str, unanswered: Unanswered, at: int) -> None:
    """Let operations that have not run yet answer the new execution.

    An operation that ran after the failure is not run twice, because it changed its entity's state. Its answer is
    lost, and its caller gets an error that says so.
    """
    waiting = {
        pb.HistoryEvent.FromString(one["event"]).entityOperationCalled.requestId
        for target in sorted({asked.targetInstanceId.value for asked in unanswered.calls.values()})
        for one in tx.all(Q.entity_calls_reassign, row["execution"], target, row["id"], old)
    }
    for request in unanswered.calls:
        if request not in waiting:
            lost = entities.failure(
                "The entity answered after the orchestration had failed; the answer was not kept.",
                "AnswerLost",
            )
            entities.answer(tx, (request, row["id"], row["execution"]), lost, at)


def _restore_locks(tx: Transaction, row: Any, old: str, unanswered: Unanswered, at: int) -> None:
    """Request again the locks of critical sections that are not over.

    A lock that the old execution had only requested may have been granted since the rewind was requested. It is
    released and the event that reports it is dropped: its owner is gone, and calls of the new execution would wait
    for it.
    """
    entities.release_all(tx, row["id"], old, at)
    for one in tx.all(Q.inbox_of, row["key"]):
        if pb.HistoryEvent.FromString(one["event"]).HasField("entityLockGranted"):
            tx.do(Q.inbox_take, one["seq"])
    for section, wanted in unanswered.locks.items():
        if wanted:
            entities.lock(tx, row, section, wanted, at)
