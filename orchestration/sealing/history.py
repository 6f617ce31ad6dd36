"""Reads the history of one generation of an orchestration: keeps events with a valid seal, and drops all others."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from durabletask.internal import orchestrator_service_pb2 as pb
from google.protobuf.wrappers_pb2 import StringValue

from orchestration.domain.errors import CountersignError
from orchestration.sealing import envelope, scope
from orchestration.sealing.history_digest import HistoryDigest, short
from orchestration.sealing.keys import BrokenSealError, SealKeys, generation_of
from orchestration.sealing.scope import Scope

log = logging.getLogger(__name__)

NOT_OURS: Final = "the answer has no seal of ours, so it does not count"

TASK, CHILD, OPERATION = "task", "child", "operation"


class _AwaitedCall(NamedTuple):
    """A call that the orchestration made: the place of its answer, and the name that the answer's seal must have."""

    place: scope.Place
    name: str


@dataclass(frozen=True)
class _Answer:
    """How a kind of event answers a call: which kind of call, the fields of number and text, and the failure event."""

    call: str
    number: str
    text: str
    failure: str


_TASK = _Answer(TASK, "taskScheduledId", "result", "taskFailed")
_CHILD = _Answer(CHILD, "taskScheduledId", "result", "subOrchestrationInstanceFailed")
_OPERATION = _Answer(OPERATION, "requestId", "output", "entityOperationFailed")
_ANSWERS: Final = {
    "taskCompleted": _TASK,
    "subOrchestrationInstanceCompleted": _CHILD,
    "entityOperationCompleted": _OPERATION,
}
_FAILURES: Final = {answer.failure: answer for answer in (_TASK, _CHILD, _OPERATION)}

# What an event tells the orchestration, as text. The hub's time is cut to seconds, because some hubs keep no more.
_TOLD: Final[dict[str, Callable[[pb.HistoryEvent], tuple[str, ...]]]] = {
    "orchestratorStarted": lambda event: (str(event.timestamp.seconds),),
    "eventRaised": lambda event: (event.eventRaised.name.casefold(), event.eventRaised.input.value),
    "timerFired": lambda event: (str(event.timerFired.timerId),),
    "executionSuspended": lambda _: (),
    "executionResumed": lambda _: (),
    "executionTerminated": lambda _: (),
}
# These events report that the hub did what the orchestration asked for, or mark the limits of a turn. They tell the
# orchestration nothing.
_SILENT: Final = frozenset(
    {
        "orchestratorCompleted",
        "executionCompleted",
        "timerCreated",
        "entityOperationSignaled",
        "eventSent",
    }
)
# These also tell it nothing; the calls they report are answered later.
_CALLS: Final = frozenset({"taskScheduled", "subOrchestrationInstanceCreated", "entityOperationCalled"})


class StartRefusedError(CountersignError):
    """The orchestration was started without our seal, or with more than such a start may contain."""


def started_as(events: Iterable[pb.HistoryEvent]) -> str:
    """The name of the orchestration in the first start among the events; empty if there is none."""
    return next((event.executionStarted.name for event in events if event.HasField("executionStarted")), "")


class HistoryReader:
    """Takes the events of one instance in order, the start of `name` among them. With `quiet` it logs nothing.

    Inputs of starts and payloads of events keep their seals: a later generation, or an auditor, checks them too.
    """

    def __init__(self, keys: SealKeys, ours: Scope, instance_id: str, name: str) -> None:
        self._keys = keys
        self._scope = ours
        self._instance_id = instance_id
        self._calls: dict[tuple[str, int | str], _AwaitedCall] = {}
        self.name = name
        self.generation = ""
        self.called_by = ""
        self.children: set[str] = set()
        self.digest = HistoryDigest()
        self.quiet = False

    @property
    def ours(self) -> bool:
        """Whether the instance belongs to an orchestration of ours."""
        return self.name in self._scope.orchestrations

    def read(self, event: pb.HistoryEvent) -> bool:
        """Whether the event counts; its payload is unsealed in place.

        Raises `StartRefusedError`, or `UnknownKeyError` if another process has to read it.
        """
        kind = event.WhichOneof("eventType") or ""
        if kind == "executionStarted":
            self._start(event.executionStarted)
            return True
        if kind in _SILENT or not self.ours:
            return True
        if kind in _CALLS:
            self._note_call(event, kind)
            return True
        if not self._counts(event, kind):
            self._warn(
                "an event %s does not count: it has no seal of ours, or answers nothing", _named(event, kind)
            )
            return False
        self._tell(event)
        return True

    def _counts(self, event: pb.HistoryEvent, kind: str) -> bool:
        """Whether the event may be given to our orchestration. Unknown kinds of events are not."""
        if kind == "eventRaised":
            return self._is_sealed(event.eventRaised)
        if kind in _ANSWERS:
            return self._answered(event, kind, _ANSWERS[kind])
        if kind in _FAILURES:
            answer = _FAILURES[kind]
            return (answer.call, getattr(getattr(event, kind), answer.number)) in self._calls
        return kind in _TOLD

    def _tell(self, event: pb.HistoryEvent) -> None:
        kind = event.WhichOneof("eventType") or ""
        if kind in _TOLD:
            self.digest.add(kind, *_TOLD[kind](event))
        elif answer := _ANSWERS.get(kind):
            done = getattr(event, kind)
            self.digest.add(kind, str(getattr(done, answer.number)), getattr(done, answer.text).value)
        elif answer := _FAILURES.get(kind):
            failed = getattr(event, kind)
            why = failed.failureDetails
            self.digest.add(kind, str(getattr(failed, answer.number)), why.errorType, why.errorMessage)

    def _note_call(self, event: pb.HistoryEvent, kind: str) -> None:
        """Notes a call (one of `_CALLS`) that the hub says it took.

        Only our own turn, at this point, could have named it.
        """
        number: int | str = event.eventId
        match kind:
            case "taskScheduled":
                place = scope.result(self._instance_id, event.taskScheduled.name, event.eventId)
                call = TASK
            case "subOrchestrationInstanceCreated":
                created = event.subOrchestrationInstanceCreated
                self.children.add(created.instanceId)
                place = scope.output(created.instanceId, created.name)
                call = CHILD
            case _:
                called = event.entityOperationCalled
                number = called.requestId
                place = scope.reply(called.targetInstanceId.value, called.operation, number)
                call = OPERATION
        self._calls[call, number] = _AwaitedCall(place, self.digest.call(event.eventId))

    def _start(self, started: pb.ExecutionStartedEvent) -> None:
        if not self.ours and started.name not in self._scope.orchestrations:
            return
        if self.generation or not self.ours:
            raise StartRefusedError(f"{started.name} was started within a run of {self.name}.")
        seal, text = envelope.take(started.input.value)
        if seal:
            self.called_by = self._check_start(seal, text)
            self.generation = generation_of(seal)
        else:
            self._check_open_start(text)
            self.generation = short(text.encode())
        self.digest.add("executionStarted", self.generation)

    def _check_start(self, seal: str, text: str) -> str:
        try:
            return self._keys.check(scope.start(self._instance_id, self.name), text, seal)
        except BrokenSealError as error:
            raise StartRefusedError(
                f"{self.name} was started with a seal that is not on this input; start it through Countersign."
            ) from error

    def _check_open_start(self, text: str) -> None:
        member = self._scope.open_member(self.name)
        if member is None:
            raise StartRefusedError(f"{self.name} was started without a seal; only Countersign starts it.")
        if not has_only(member, text):
            raise StartRefusedError(
                f"{self.name} was started without a seal and with more than `{member}`; give that alone."
            )

    def _is_sealed(self, raised: pb.EventRaisedEvent) -> bool:
        seal, text = envelope.take(raised.input.value)
        try:
            self._keys.check(scope.event(self._instance_id, raised.name), text, seal)
        except BrokenSealError:
            return False
        return True

    def _answered(self, event: pb.HistoryEvent, kind: str, answer: _Answer) -> bool:
        """Unseals the answer to a call.

        An answer without our seal becomes a failure; an answer to no call does not count.
        """
        done = getattr(event, kind)
        number = getattr(done, answer.number)
        call = self._calls.get((answer.call, number))
        if call is None:
            return False
        try:
            _put(done, answer.text, self._open(call, getattr(done, answer.text)))
        except BrokenSealError:
            self._warn("the answer of %s has no seal of ours", " ".join(call.place))
            details = pb.TaskFailureDetails(errorType="BrokenSealError", errorMessage=NOT_OURS)
            failed = getattr(event, answer.failure)
            setattr(failed, answer.number, number)
            failed.failureDetails.CopyFrom(details)
        return True

    def _open(self, call: _AwaitedCall, carried: StringValue) -> str:
        seal, text = envelope.take(carried.value)
        if self._keys.check(call.place, text, seal) != call.name:
            raise BrokenSealError
        return text

    def _warn(self, words: str, *what: str) -> None:
        if not self.quiet:
            log.warning("%s: " + words, self._instance_id, *what)  # noqa: G003 - both are ours


def _put(message: Any, field: str, text: str) -> None:
    """Puts the unsealed JSON in place; `null` becomes the absent value that it stands for."""
    if text == "null":
        message.ClearField(field)
    else:
        getattr(message, field).value = text


def _named(event: pb.HistoryEvent, kind: str) -> str:
    return event.eventRaised.name if kind == "eventRaised" else kind


def has_only(member: str, text: str) -> bool:
    """Whether the JSON is an object with that one member."""
    try:
        found = json.loads(text or "null")
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and set(found) == {member}
