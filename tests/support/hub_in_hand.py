"""A hostile hub: it gives our worker any history, input and state that a test makes up.

It has everything but our secret. It may keep what our processes sealed, and give it back to them anywhere.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from durabletask.internal import orchestrator_service_pb2 as pb
from google.protobuf.timestamp_pb2 import Timestamp
from google.protobuf.wrappers_pb2 import StringValue
from pydantic import BaseModel

from orchestration.approval.activities import ApprovalActivities
from orchestration.approval.asker_activities import AskerActivities
from orchestration.approval.outcome_activities import taken
from orchestration.approval.state import ApprovalInput
from orchestration.challenge.activities import ChallengeActivities
from orchestration.challenge.codes import Codes
from orchestration.digest.activities import DigestActivities
from orchestration.domain.commands import Progress
from orchestration.domain.effects import NotifyInstanceInput, ReadOutcomeInput
from orchestration.domain.policy_book import PolicyBook
from orchestration.domain.request import ApprovalRequest, Identity
from orchestration.fulfilment.activities import FulfilmentActivities
from orchestration.people.activities import PeopleActivities
from orchestration.people.answer_activities import AnswerActivities
from orchestration.runtime.connect import Connection
from orchestration.runtime.ours import OURS
from orchestration.runtime.worker import register
from orchestration.sealing import envelope
from orchestration.sealing.actions import Sealer
from orchestration.sealing.client import SealingInterceptor
from orchestration.sealing.keys import SealKeys
from tests.support.board import AllNew, Board, BoardActions, BoardPhones, NoAnswers, NoDigests, NoFulfilments
from tests.support.book import CORE
from tests.support.core_world import SEAL_KEYS, SLACK, outcome_activities

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)

Event = pb.HistoryEvent
Answer = Callable[[Any], Any]


def text(value: str | None) -> StringValue | None:
    return None if value is None else StringValue(value=value)


class _Stub:
    """Keeps the worker's answers by method."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}

    def __getattr__(self, method: str) -> Answer:
        return lambda message: self.answers.__setitem__(method, message)


class _Nobody:
    """For a worker that no other orchestration asks."""

    def notify_instance(self, given: NotifyInstanceInput) -> str:
        return ""

    def read_outcome(self, given: ReadOutcomeInput) -> None:
        return None


class HubInHand:
    """A hub in the hands of a test. `worker` is ours; its activities write on `board`."""

    def __init__(self, keys: SealKeys = SEAL_KEYS, book: PolicyBook = CORE) -> None:
        self.board = Board()
        self.phones = BoardPhones({who: known.phone for who, known in book.people.items() if known.phone})
        self.codes = Codes([b"a secret of at least thirty-two bytes"])
        self.book = book
        self.worker = Connection("nowhere", keys).worker()
        register(
            self.worker,
            ApprovalActivities(self.board, self.board, BoardActions(self.board), AllNew()),
            outcome_activities(self.board, book),
            PeopleActivities(self.board),
            AskerActivities(_Nobody()),
            AnswerActivities(NoAnswers(), self.board),
            FulfilmentActivities(NoFulfilments(), NoFulfilments()),
            DigestActivities(NoDigests(), self.board, AllNew()),
            ChallengeActivities(self.codes, self.phones, self.phones, self.phones),
        )
        self.client = SealingInterceptor(keys, OURS)
        self.sealer = Sealer(keys, OURS)

    # ---- what our service sends, and the hub keeps -------------------------------------------------------

    def asked(self, instance_id: str, policy: str = "deploy", **changes: Any) -> Event:
        """The start of a request, as the service seals it."""
        request = ApprovalRequest.model_validate(
            {"policy": policy, "title": "New laptops", "requester": "U0RITA"} | changes
        )
        given = taken(request, self.book, SLACK)
        sent = pb.CreateInstanceRequest(
            instanceId=instance_id, name="approval", input=text(given.model_dump_json())
        )
        self.client._seal(sent)
        return started("approval", sent.input.value)

    def raised(self, instance_id: str, name: str, payload: BaseModel | dict[str, Any]) -> Event:
        """An event, as the service seals it."""
        body = payload.model_dump_json() if isinstance(payload, BaseModel) else json.dumps(payload)
        sent = pb.RaiseEventRequest(instanceId=instance_id, name=name, input=text(body))
        self.client._seal(sent)
        return raised(name, sent.input.value)

    # ---- the worker's part -------------------------------------------------------------------------------

    def turn(
        self, instance_id: str, past: Iterable[Event], new: Iterable[Event], at: datetime = NOON
    ) -> AnsweredTurn:
        """Makes the worker do a turn over this history."""
        past, new = [_copy(event) for event in past], [orchestrator_started(at), *map(_copy, new)]
        request = pb.OrchestratorRequest(instanceId=instance_id, pastEvents=past, newEvents=new)
        stub = _Stub()
        self.worker._execute_orchestrator(request, stub, "token")
        return AnsweredTurn(instance_id, [*past, *new], stub.answers)

    def work(self, instance_id: str, scheduled: Event) -> Event:
        """Makes the worker do an activity from a history; returns the event with its answer."""
        task = scheduled.taskScheduled
        stub = _Stub()
        self.worker._execute_activity(
            pb.ActivityRequest(
                name=task.name,
                input=task.input,
                taskId=scheduled.eventId,
                orchestrationInstance=pb.OrchestrationInstance(instanceId=instance_id),
            ),
            stub,
            "token",
        )
        answer = stub.answers["CompleteActivityTask"]
        if answer.HasField("failureDetails"):
            return Event(
                taskFailed=pb.TaskFailedEvent(
                    taskScheduledId=scheduled.eventId, failureDetails=answer.failureDetails
                )
            )
        return Event(
            taskCompleted=pb.TaskCompletedEvent(taskScheduledId=scheduled.eventId, result=answer.result)
        )

    def operate(self, called: Event, state: str | None = None) -> Event:
        """Makes the worker do an operation from a history on that state; returns the event with its answer."""
        call = called.entityOperationCalled
        stub = _Stub()
        self.worker._execute_entity_batch(
            pb.EntityBatchRequest(
                instanceId=call.targetInstanceId.value,
                entityState=text(state),
                operations=[
                    pb.OperationRequest(operation=call.operation, requestId=call.requestId, input=call.input)
                ],
            ),
            stub,
            "token",
        )
        (done,) = stub.answers["CompleteEntityTask"].results
        return Event(
            entityOperationCompleted=pb.EntityOperationCompletedEvent(
                requestId=call.requestId, output=done.success.result
            )
        )

    def play(self, instance_id: str, *news: Event, history: Iterable[Event] = ()) -> AnsweredTurn:
        """Acts as an honest hub: turn after turn, with the answers of activities and entities, until all is quiet."""
        turn = self.turn(instance_id, history, news)
        while answers := [self.honest(instance_id, event) for event in turn.calls()]:
            turn = self.turn(instance_id, turn.history(), answers)
        return turn

    def honest(self, instance_id: str, call: Event) -> Event:
        """The true answer of an activity, or of an entity that has no state yet."""
        if call.HasField("taskScheduled"):
            return self.work(instance_id, call)
        return self.operate(call)


class AnsweredTurn:
    """What the worker answered to one turn."""

    def __init__(self, instance_id: str, seen: list[Event], answers: dict[str, Any]) -> None:
        self.instance_id = instance_id
        self._seen = seen
        self.answers = answers

    @property
    def abandoned(self) -> bool:
        return "AbandonTaskOrchestratorWorkItem" in self.answers

    @property
    def response(self) -> pb.OrchestratorResponse:
        found: pb.OrchestratorResponse = self.answers["CompleteOrchestratorTask"]
        return found

    @property
    def done(self) -> pb.CompleteOrchestrationAction | None:
        """How the orchestration ended; None while it runs."""
        ends = [a.completeOrchestration for a in self.response.actions if a.HasField("completeOrchestration")]
        return ends[0] if ends else None

    @property
    def progress(self) -> Progress:
        return Progress.model_validate_json(envelope.take(self.response.customStatus.value)[1])

    def history(self) -> list[Event]:
        """The history after this turn, as an honest hub writes it."""
        return [*self._seen, *self.confirmed()]

    def confirmed(self) -> list[Event]:
        """The events with which a hub confirms the turn's actions."""
        return [event for action in self.response.actions if (event := _confirmed(action)) is not None]

    def calls(self) -> list[Event]:
        """The activities and entities that this turn calls."""
        return [
            event
            for event in self.confirmed()
            if event.HasField("taskScheduled") or event.HasField("entityOperationCalled")
        ]

    def called(self, name: str) -> Event:
        """The one activity or child of that name that this turn calls."""
        (found,) = (
            event
            for event in self.confirmed()
            if name in {event.taskScheduled.name, event.subOrchestrationInstanceCreated.name}
        )
        return found


def identity_of(start: Event) -> Identity:
    """The identity that a vote on the request of this start event has to name."""
    given = ApprovalInput.model_validate_json(envelope.take(start.executionStarted.input.value)[1])
    return Identity(nonce=given.nonce, digest=given.request.digest())


def _copy(event: Event) -> Event:
    copied = Event()
    copied.CopyFrom(event)
    return copied


def _confirmed(action: pb.OrchestratorAction) -> Event | None:
    match action.WhichOneof("orchestratorActionType"):
        case "scheduleTask":
            task = action.scheduleTask
            return Event(
                eventId=action.id, taskScheduled=pb.TaskScheduledEvent(name=task.name, input=task.input)
            )
        case "createTimer":
            return Event(
                eventId=action.id, timerCreated=pb.TimerCreatedEvent(fireAt=action.createTimer.fireAt)
            )
        case "createSubOrchestration":
            child = action.createSubOrchestration
            created = pb.SubOrchestrationInstanceCreatedEvent(
                instanceId=child.instanceId, name=child.name, input=child.input
            )
            return Event(eventId=action.id, subOrchestrationInstanceCreated=created)
        case "sendEvent":
            sent = action.sendEvent
            event = pb.EventSentEvent(instanceId=sent.instance.instanceId, name=sent.name, input=sent.data)
            return Event(eventId=action.id, eventSent=event)
        case "sendEntityMessage":
            kind = action.sendEntityMessage.WhichOneof("EntityMessageType") or ""
            return Event(eventId=action.id, **{kind: getattr(action.sendEntityMessage, kind)})
    return None


def at(moment: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(moment.astimezone(UTC).replace(tzinfo=None))
    return stamp


def orchestrator_started(moment: datetime = NOON) -> Event:
    return Event(timestamp=at(moment), orchestratorStarted=pb.OrchestratorStartedEvent())


def started(name: str, given: str | None) -> Event:
    return Event(executionStarted=pb.ExecutionStartedEvent(name=name, input=text(given)))


def raised(name: str, body: str) -> Event:
    return Event(eventRaised=pb.EventRaisedEvent(name=name, input=text(body)))
