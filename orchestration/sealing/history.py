"""Reads the history of one generation of an orchestration: what is sealed rightly stays, and nothing else counts."""

from __future__ import annotations

import json
import logging
from typing import Final

from durabletask.internal import orchestrator_service_pb2 as pb
from google.protobuf.wrappers_pb2 import StringValue

from orchestration.domain.errors import CountersignError
from orchestration.sealing import envelope, scope
from orchestration.sealing.keys import BrokenSealError, SealKeys, generation_of
from orchestration.sealing.scope import Scope

log = logging.getLogger(__name__)

NOT_OURS: Final = "the answer has no seal of ours, so it does not count"


class StartRefusedError(CountersignError):
    """The orchestration was started without a seal of ours, or with more than such a start may give."""


class HistoryReader:
    """Takes the events of one instance in order. `ours` is known after its start was read.

    Inputs of starts and payloads of events keep their seals: a later generation, or an auditor, checks them too.
    """

    def __init__(self, keys: SealKeys, ours: Scope, instance_id: str) -> None:
        self._keys = keys
        self._scope = ours
        self._instance_id = instance_id
        self._activities: dict[int, str] = {}
        self._children: dict[int, pb.SubOrchestrationInstanceCreatedEvent] = {}
        self._calls: dict[str, pb.EntityOperationCalledEvent] = {}
        self.name = ""
        self.generation = ""

    @property
    def ours(self) -> bool:
        """Whether the instance is of an orchestration of ours."""
        return self.name in self._scope.orchestrations

    def read(self, event: pb.HistoryEvent) -> bool:
        """Whether the event counts; what it carries is unsealed in place.

        Raises `StartRefusedError`, or `UnknownKeyError` where another process has to read it.
        """
        kind = event.WhichOneof("eventType")
        if kind == "executionStarted":
            self.name = event.executionStarted.name
            self.generation = self._start(event.executionStarted) if self.ours else ""
        elif not self.ours:
            return True
        elif kind == "eventRaised":
            return self._raised(event.eventRaised)
        else:
            self._note_call(event, kind)
            self._check_answer(event, kind)
        return True

    def _note_call(self, event: pb.HistoryEvent, kind: str | None) -> None:
        match kind:
            case "taskScheduled":
                self._activities[event.eventId] = event.taskScheduled.name
            case "subOrchestrationInstanceCreated":
                self._children[event.eventId] = event.subOrchestrationInstanceCreated
            case "entityOperationCalled":
                self._calls[event.entityOperationCalled.requestId] = event.entityOperationCalled

    def _check_answer(self, event: pb.HistoryEvent, kind: str | None) -> None:
        match kind:
            case "taskCompleted":
                self._completed(event)
            case "subOrchestrationInstanceCompleted":
                self._child_completed(event)
            case "entityOperationCompleted":
                self._answered(event)

    def _start(self, started: pb.ExecutionStartedEvent) -> str:
        seal, text = envelope.take(started.input.value)
        if seal:
            try:
                self._keys.check(scope.start(self._instance_id, self.name), text, seal)
            except BrokenSealError as error:
                raise StartRefusedError(
                    f"{self.name} was started with a seal that is not on this input; start it through Countersign."
                ) from error
            return generation_of(seal)
        member = self._scope.open_member(self.name)
        if member is None:
            raise StartRefusedError(f"{self.name} was started without a seal; only Countersign starts it.")
        if _members(text) != {member}:
            raise StartRefusedError(
                f"{self.name} was started without a seal and with more than `{member}`; give that alone."
            )
        return ""

    def _raised(self, raised: pb.EventRaisedEvent) -> bool:
        seal, text = envelope.take(raised.input.value)
        try:
            self._keys.check(scope.event(self._instance_id, raised.name), text, seal)
        except BrokenSealError:
            log.warning(
                "%s: an event %s without a seal of ours was passed over", self._instance_id, raised.name
            )
            return False
        return True

    def _completed(self, event: pb.HistoryEvent) -> None:
        done = event.taskCompleted
        name = self._activities.get(done.taskScheduledId, "")
        place = scope.result(self._instance_id, name, done.taskScheduledId)
        try:
            _open(done, "result", self._open(place, done.result, self.generation))
        except BrokenSealError:
            log.warning("%s: the answer of %s has no seal of ours", self._instance_id, name)
            event.taskFailed.CopyFrom(
                pb.TaskFailedEvent(taskScheduledId=done.taskScheduledId, failureDetails=_failure())
            )

    def _child_completed(self, event: pb.HistoryEvent) -> None:
        done = event.subOrchestrationInstanceCompleted
        created = self._children.get(done.taskScheduledId)
        if created is None or created.name not in self._scope.orchestrations:
            return
        try:
            # The child answers for the start that this generation gave it, and for no earlier one under the same ID.
            seal, text = envelope.take(created.input.value)
            self._check(scope.start(created.instanceId, created.name), text, seal, self.generation)
            place = scope.output(created.instanceId, created.name)
            _open(done, "result", self._open(place, done.result, generation_of(seal)))
        except BrokenSealError:
            log.warning("%s: the output of %s has no seal of ours", self._instance_id, created.instanceId)
            event.subOrchestrationInstanceFailed.CopyFrom(
                pb.SubOrchestrationInstanceFailedEvent(
                    taskScheduledId=done.taskScheduledId, failureDetails=_failure()
                )
            )

    def _answered(self, event: pb.HistoryEvent) -> None:
        done = event.entityOperationCompleted
        called = self._calls.get(done.requestId)
        if called is None or not self._scope.has_entity(called.targetInstanceId.value):
            return
        try:
            place = scope.reply(called.targetInstanceId.value, called.operation, done.requestId)
            _open(done, "output", self._open(place, done.output, self.generation))
        except BrokenSealError:
            log.warning(
                "%s: the answer of %s has no seal of ours", self._instance_id, called.targetInstanceId.value
            )
            event.entityOperationFailed.CopyFrom(
                pb.EntityOperationFailedEvent(requestId=done.requestId, failureDetails=_failure())
            )

    def _open(self, place: scope.Place, carried: StringValue, generation: str) -> str:
        seal, text = envelope.take(carried.value)
        self._check(place, text, seal, generation)
        return text

    def _check(self, place: scope.Place, text: str, seal: str, generation: str) -> None:
        if self._keys.check(place, text, seal) != generation:
            raise BrokenSealError


def _open(message: object, field: str, text: str) -> None:
    """Puts the unsealed JSON in place; `null` becomes the absent value that it stands for."""
    if text == "null":
        message.ClearField(field)  # type: ignore[attr-defined]  # a protobuf message
    else:
        getattr(message, field).value = text


def _members(text: str) -> set[str]:
    try:
        found = json.loads(text or "null")
    except (ValueError, RecursionError):
        return set()
    return set(found) if isinstance(found, dict) else set()


def _failure() -> pb.TaskFailureDetails:
    return pb.TaskFailureDetails(errorType="BrokenSealError", errorMessage=NOT_OURS)
