"""Histories of our orchestrations: read from a hub, kept in files, and replayed as a worker does."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any, get_origin, get_type_hints

from durabletask.internal import orchestrator_service_pb2 as pb
from durabletask.worker import TaskHubGrpcWorker, _OrchestrationExecutor
from google.protobuf import json_format

from orchestration.approval.activities import ApprovalActivities
from orchestration.approval.asker_activities import AskerActivities
from orchestration.approval.document_activities import DocumentActivities
from orchestration.call_lists.activities import CallListActivities
from orchestration.challenge.activities import ChallengeActivities
from orchestration.digest.activities import DigestActivities
from orchestration.domain.request import VERSION
from orchestration.fulfilment.activities import FulfilmentActivities
from orchestration.grants.activities import GrantActivities
from orchestration.people.activities import PeopleActivities
from orchestration.people.answer_activities import AnswerActivities
from orchestration.runtime.connect import Connection
from orchestration.runtime.converter import PydanticConverter
from orchestration.runtime.worker import register
from orchestration.sealing import envelope
from tests.support.board import AllNew, Board, BoardActions, NoAnswers, NoAskers, NoDigests, NoFulfilments
from tests.support.core_world import outcome_activities, unbound_gathering_activities


async def history(connection: Connection, request_id: str) -> list[pb.HistoryEvent]:
    client = connection.client()
    stream = client._get_stub().StreamInstanceHistory(pb.StreamInstanceHistoryRequest(instanceId=request_id))
    found = [event async for chunk in stream for event in chunk.events]
    await client.close()
    return found


def registered() -> TaskHubGrpcWorker:
    """A worker with everything of ours registered. It is never started."""
    worker, board = TaskHubGrpcWorker(), Board()
    nothing: Any = None
    register(
        worker,
        ApprovalActivities(board, board, BoardActions(board), AllNew()),
        outcome_activities(board),
        PeopleActivities(board),
        AskerActivities(NoAskers()),
        AnswerActivities(NoAnswers(), board),
        FulfilmentActivities(NoFulfilments(), NoFulfilments()),
        DigestActivities(NoDigests(), board, AllNew()),
        ChallengeActivities(nothing, nothing, nothing, nothing),
        unbound_gathering_activities(),
        DocumentActivities(nothing, AllNew()),
        GrantActivities(nothing, nothing, nothing, nothing, AllNew()),
        CallListActivities(nothing, AllNew()),
    )
    return worker


def replay(events: list[pb.HistoryEvent]) -> str:
    """Runs the orchestrator over the history, as a worker does before its last turn; returns its output as JSON.

    Returns "" where there is no output. Raises where today's code acts differently from the history, or an activity
    cannot read an input in the history.
    """
    worker = registered()
    executor = _OrchestrationExecutor(worker._registry, logging.getLogger("replay"), PydanticConverter())
    last = max(at for at, event in enumerate(events) if event.HasField("orchestratorStarted"))
    ended = next(event.executionCompleted for event in events if event.HasField("executionCompleted"))
    fresh = [event for event in events[last:] if not event.HasField("executionCompleted")]
    started = next(event.executionStarted for event in events if event.HasField("executionStarted"))
    actions = executor.execute(started.orchestrationInstance.instanceId, events[:last], fresh).actions
    done = next(
        action.completeOrchestration for action in actions if action.HasField("completeOrchestration")
    )
    assert done.orchestrationStatus == pb.ORCHESTRATION_STATUS_COMPLETED, done.failureDetails
    _check_inputs(worker, events)
    # Fields that a later release has added are left out: the history does not have them.
    was, now = _json(envelope.take(ended.result.value)[1]), _json(done.result.value)
    assert was == _as_far_as(was, now)
    return str(done.result.value)


def _json(text: str) -> Any:
    """The parsed output; None where an orchestration returns nothing."""
    return json.loads(text) if text else None


def _check_inputs(worker: TaskHubGrpcWorker, events: list[pb.HistoryEvent]) -> None:
    """Checks that today's activities can read the inputs in the history, as after a deploy."""
    for event in events:
        if event.HasField("taskScheduled"):
            activity = worker._registry.get_activity(event.taskScheduled.name)
            assert activity is not None, event.taskScheduled.name
            expected = list(get_type_hints(activity).values())[1]
            text = envelope.take(event.taskScheduled.input.value)[1]
            given = PydanticConverter().deserialize(text, expected)
            assert given is None or isinstance(given, get_origin(expected) or expected)


def _as_far_as(was: Any, now: Any) -> Any:
    """`now` without the fields that `was` does not know."""
    if isinstance(was, dict) and isinstance(now, dict):
        return {key: _as_far_as(value, now.get(key)) for key, value in was.items()}
    if isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        return [_as_far_as(one, other) for one, other in zip(was, now, strict=True)]
    return now


def keep(folder: Path, name: str, events: list[pb.HistoryEvent]) -> None:
    """Writes a history to a file, unless this version has it. Omits stack traces, which name local paths."""
    chunk = pb.HistoryChunk(events=events)
    for event in chunk.events:
        if event.HasField("taskFailed"):
            event.taskFailed.failureDetails.ClearField("stackTrace")
    file = folder / f"{VERSION}-{name.replace('_', '-')}.json"
    if not file.exists():
        file.write_text(json_format.MessageToJson(chunk, indent=1) + "\n")
